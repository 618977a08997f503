package cli

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// zeroize is what a unit does.
func (f *fakeCluster) zeroize(r *http.Request) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	body := decodeBody[client.ZeroizeRequest](f.t, r)
	u := f.units[r.PathValue("number")[0]-'1']
	list, err := order.DecodeAdministrators(u.administrators)
	if err != nil {
		f.t.Error(err)
		return nil
	}
	signed, err := order.DecodeSignedApproval(body.Approval)
	if err != nil {
		return &client.Error{Code: client.CodeTooFewSignatures, Message: err.Error(), ReturnCode: 208, Status: http.StatusForbidden}
	}
	a, err := signed.Verify(list)
	if err != nil || a.Step != order.StepZeroize || a.Unit != u.identity() || a.Generation != 3 {
		return &client.Error{Code: client.CodeTooFewSignatures, Message: "not approved", ReturnCode: 208, Status: http.StatusForbidden}
	}
	if f.holders() == 1 && body.MasterKey != f.pattern.String() {
		return &client.Error{Code: "last_holder", Message: "crypto unit 1 is the last", Hint: "name it: --destroy-master-key " + f.pattern.String(), Status: http.StatusConflict}
	}
	former := u.identity()
	seed := sha256.Sum256(former[:])
	u.key, u.registers = ed25519.NewKeyFromSeed(seed[:]), masterkey.Empty()
	if u.administrators, err = (&order.Administrators{}).Encode(); err != nil {
		f.t.Error(err)
	}
	return client.Zeroized{Number: u.number, Former: former.String(), Report: u.shown(f.t).Report}
}

func (f *fakeCluster) holders() (n int) {
	for _, u := range f.units {
		if u.registers.CurrentPattern == f.pattern {
			n++
		}
	}
	return n
}

func TestZeroizeMakesANewUnit(t *testing.T) {
	f := newFakeCluster(t, 2, 1)
	f.answer("POST /units/{number}/zeroize", f.zeroize)
	f.mustInit()
	former := f.units[2].identity()
	out := f.must("y\n", "tke", "cryptounit-zeroize", "--units", "3")
	golden(t, "cryptounit-zeroize.txt", strings.ReplaceAll(out, f.units[2].identity().String(), "FINGERPRINT"))
	if f.units[2].identity() == former || !strings.Contains(out, f.units[2].identity().String()) {
		t.Errorf("the unit is the former, or its fingerprint is not shown:\n%s", out)
	}
	var shown struct{ Units []ceremony.ZeroizedUnit }
	was := f.units[1].identity().String()
	if err := json.Unmarshal([]byte(f.must("", "tke", "cryptounit-zeroize", "--units", "2", "--yes", "--output", "json")), &shown); err != nil ||
		len(shown.Units) != 1 || shown.Units[0] != (ceremony.ZeroizedUnit{Number: 2, Former: was, Identity: f.units[1].identity().String()}) {
		t.Errorf("%+v, %v", shown, err)
	}
	for says, args := range map[string][]string{
		"no CRYPTO UNIT NUM was given":            nil,
		"there is no crypto unit 9":               {"--units", "9", "--yes"},
		"give --yes":                              {"--units", "1"},
		"2 signatures are needed":                 {"--units", "1", "--yes", "--keynum", "2"},
		"--destroy-master-key":                    {"--units", "1", "--yes"},
		"this workstation knows it as " + was[:8]: {"--units", "2", "--yes"},
	} {
		if code, _, errs := f.run(t.Context(), "", append([]string{"tke", "cryptounit-zeroize"}, args...)...); code == command.ExitDone || !strings.Contains(errs, says) {
			t.Errorf("exit code %d does not say %q: %s", code, says, errs)
		}
	}
	f.must("", "tke", "cryptounit-zeroize", "--units", "1", "--yes", "--destroy-master-key", f.pattern.String())
	if f.holders() != 0 {
		t.Error("the last one still holds it")
	}
}
