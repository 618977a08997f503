package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/cli/signservice"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/tests/signingservice"
)

// useService makes a workstation work with a signing service that holds keys of these names; the list is what it is told.
func (f *fakeCluster) useService(list string, names ...string) *signingservice.Service {
	f.t.Helper()
	s := signingservice.New(f.t, names...)
	f.env[signservice.EnvURL], f.env[signservice.EnvCA] = s.URL, s.CAFile
	if err := os.MkdirAll(f.env[workstation.Env], 0o700); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(f.env[workstation.Env], signservice.File), []byte(list), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return s
}

// TestASigningServiceTakesThePlaceOfFiles: from the administrators' list on, every signature is the service's.
func TestASigningServiceTakesThePlaceOfFiles(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	s := f.useService(`[{"key":"alice-1","name":"Alice"},{"key":"bob","token":"token-for-bob"},{"key":"carol"}]`, "alice-1", "bob", "carol")
	out := f.must("", "tke", "sigkeys")
	if !strings.Contains(out, "1        Alice         its token was not given") || !strings.Contains(out, "2        bob           ") || !strings.Contains(out, "KEYNUM 1, 2, 3") {
		t.Error(out)
	}
	f.rotation = client.RotationStatus{State: client.StateComplete}
	out = f.must("y\n2\n1\n2\n1 2\ntoken-for-alice-1\n", "tke", "auto-init")
	if !strings.Contains(out, "Enter the token for the signature key identified by:\nalice-1\n> ") || strings.Contains(out, "token-for") {
		t.Error(out)
	}
	if list := f.present(); len(list.List) != 2 || list.List[0].Name != "Alice" || list.List[1].Name != "bob" || list.Signature != 2 {
		t.Errorf("%+v", list)
	}
	f.pattern = masterkey.PatternOf(make([]byte, masterkey.Size))
	for _, u := range f.units {
		u.registers = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: f.pattern, New: masterkey.NewEmpty}
	}
	f.rotation = client.RotationStatus{}
	f.env[signing.EnvSigKeyPassword+"_1"], f.env[signing.EnvSigKeyPassword+"_3"] = "token-for-alice-1", "token-for-carol"
	f.must("", "tke", "cryptounit-admin-add", "--administrator", "3")
	if list := f.present(); len(list.List) != 3 || list.List[2].Name != "carol" {
		t.Errorf("%+v", list)
	}
	f.must("", "tke", "sigkey-sel", "--keynum", "2,3")
	before := s.Signed("alice-1")
	f.must("", "tke", "auto-mk-rotate", "--detach")
	if o := f.orders[len(f.orders)-1]; o.Kind != order.Rotate || s.Signed("alice-1") != before || s.Signed("carol") == 0 {
		t.Errorf("%+v", o)
	}
	if out := f.must("", "tke", "sigkeys", "--output", "json"); strings.Contains(out, "token") || strings.Count(out, `"current": true`) != 2 {
		t.Error(out)
	}
	f.fails("made and deleted in the signing service", "tke", "sigkey-add", "--name", "Dora")
	f.fails("made and deleted in the signing service", "tke", "sigkey-rm", "--keynum", "1", "--yes")
	f.fails("which lists 3", "tke", "sigkey-sel", "--keynum", "4")
	f.env[signing.EnvSigKeyPassword+"_1"] = "another"
	f.fails("refuses the token of key alice-1", "tke", "sigkey-sel", "--keynum", "1")
	s.Stop()
	f.fails("the signing service does not answer", "tke", "auto-mk-rotate", "--detach", "--keynum", "2,3")
}

func TestAListWithTokensThatOthersReadIsNamed(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.useService(`[{"key":"bob","token":"token-for-bob"}]`, "bob")
	if err := os.Chmod(filepath.Join(f.env[workstation.Env], signservice.File), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, errs := f.run(t.Context(), "", "tke", "sigkeys"); !strings.Contains(errs, "others on this machine may read it") || strings.Contains(errs, "token-for") {
		t.Error(errs)
	}
}
