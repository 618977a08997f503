package cli

import (
	"bytes"
	"crypto/ed25519"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

var regexpHex64 = regexp.MustCompile(`[0-9a-f]{64}`)

// evidence makes the receipt of a rotation of 2,000 keys, as the cluster's units would have stated it.
func (f *fakeCluster) evidence() *order.Evidence {
	f.t.Helper()
	f.hold("rotate", client.StateRewrapped)
	signed, err := order.DecodeSignedOrder(f.open.Order)
	if err != nil {
		f.t.Fatal(err)
	}
	o, err := signed.Decode()
	if err != nil {
		f.t.Fatal(err)
	}
	f.sign(signed, 1, 2)
	e := &order.Evidence{Order: *signed, Administrators: f.units[0].administrators, Last: 2000, Census: order.Counts{1, 1999, 0}}
	next := masterkey.PatternOf(bytes.Repeat([]byte{7}, masterkey.Size))
	state := func(s order.Statement) { f.state(e, s) }
	for _, u := range f.units {
		state(order.Statement{Kind: order.Ready, Unit: u.number, Importer: make([]byte, order.SuiteHPKE.ImporterKeySize()), Report: &order.Report{Role: u.role, Registers: u.registers, Administrators: u.administrators}})
	}
	generated := order.Statement{Kind: order.Generated, Unit: o.Generator, Pattern: next}
	for _, n := range o.Loaders() {
		generated.Envelopes = append(generated.Envelopes, order.EnvelopeName{Unit: n, Digest: order.Digest{byte(n)}})
	}
	state(generated)
	for _, n := range o.Loaders() {
		state(order.Statement{Kind: order.Loaded, Unit: n, Pattern: next})
	}
	for _, u := range f.units {
		state(order.Statement{Kind: order.Committed, Unit: u.number, Pattern: next})
	}
	for p := range order.Partitions(e.Last) {
		from, to, _ := order.PartitionRange(e.Last, p)
		counts := order.Counts{0, to - from + 1, 0}
		if p == 0 {
			counts[0], counts[1] = 1, counts[1]-1
		}
		state(order.Statement{Kind: order.Verified, Unit: f.units[len(f.units)-1].number, Verification: &order.Verification{Partition: p, Pass: 1, Last: e.Last, Counts: counts}})
	}
	der, err := (&order.Approval{Step: order.StepActivate, Cluster: o.Cluster, Incarnation: o.Incarnation, Order: signed.Digest(), Pattern: next}).Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	approval := order.SignedApproval{Approval: der}
	if err := approval.Sign(f.key(1)); err != nil {
		f.t.Fatal(err)
	}
	e.Approvals = append(e.Approvals, approval)
	for _, u := range f.units {
		state(order.Statement{Kind: order.Activated, Unit: u.number, Pattern: next})
	}
	return e
}

func (f *fakeCluster) key(keyNum int) *workstation.SigKey {
	f.t.Helper()
	key, err := f.folder().OpenSigKey(keyNum, testPassword)
	if err != nil {
		f.t.Fatal(err)
	}
	return key
}

func (f *fakeCluster) sign(signed *order.SignedOrder, keyNums ...int) {
	f.t.Helper()
	for _, n := range keyNums {
		if err := signed.Sign(f.key(n)); err != nil {
			f.t.Fatal(err)
		}
	}
}

// state adds what a unit states.
func (f *fakeCluster) state(e *order.Evidence, s order.Statement) {
	f.t.Helper()
	o, err := e.Order.Decode()
	if err != nil {
		f.t.Fatal(err)
	}
	u := f.units[s.Unit-1]
	s.Cluster, s.Incarnation, s.Order, s.Generation = o.Cluster, o.Incarnation, e.Order.Digest(), uint64(len(e.Statements))+10
	signed, err := order.SignStatement(&s, u.identity(), func(b []byte) []byte { return ed25519.Sign(u.key, b) })
	if err != nil {
		f.t.Fatal(err)
	}
	e.Statements = append(e.Statements, *signed)
}

func (f *fakeCluster) write(e *order.Evidence) string {
	f.t.Helper()
	der, err := e.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	path := filepath.Join(f.t.TempDir(), "receipt")
	if err := os.WriteFile(path, der, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

func TestAReceiptIsCheckedOffline(t *testing.T) {
	f := newFakeCluster(t, 2, 1)
	f.mustInit()
	e := f.evidence()
	f.server.Close() // offline
	path := f.write(e)
	out := f.must("", "tke", "rotation", "receipt", "--verify", path)
	// Without the last unit's word that it dropped the old key the receipt says so.
	e.Statements = e.Statements[:len(e.Statements)-1]
	out += f.must("", "tke", "rotation", "receipt", "--verify", f.write(e))
	digest := regexpHex64.ReplaceAllStringFunc(out, func(s string) string {
		if s == e.Order.Digest().String() {
			return "<DIGEST>"
		}
		return s
	})
	golden(t, "receipt.txt", strings.ReplaceAll(digest, f.env[workstation.Env], "FOLDER"))
}

func TestAReceiptThatLiesIsRefused(t *testing.T) {
	f := newFakeCluster(t, 2, 1)
	f.mustInit()
	for name, tc := range map[string]struct {
		lie  func(*order.Evidence)
		says string
	}{
		"a smaller census":          {func(e *order.Evidence) { e.Census[1] -= 1 }, "not valid"},
		"a larger range":            {func(e *order.Evidence) { e.Last++ }, "not valid"},
		"a partition without proof": {func(e *order.Evidence) { e.Statements = append(e.Statements[:9:9], e.Statements[10:]...) }, "not complete"},
		"a statement that was edited": {func(e *order.Evidence) {
			s := bytes.Clone(e.Statements[9].Statement)
			s[len(s)-1] ^= 1
			e.Statements[9].Statement = s
		}, "not a receipt"},
		"a statement signed by another unit": {func(e *order.Evidence) { e.Statements[3].Identity = f.units[0].identity() }, "not valid"},
		"an order that nobody signed":        {func(e *order.Evidence) { e.Order.Signatures = e.Order.Signatures[:1] }, "too few signatures"},
		"no signature for activation":        {func(e *order.Evidence) { e.Approvals = nil }, "not complete"},
		"another key at the end": {func(e *order.Evidence) {
			f.state(e, order.Statement{Kind: order.Activated, Unit: 1, Pattern: masterkey.PatternOf(bytes.Repeat([]byte{9}, 32))})
		}, "not valid"},
	} {
		t.Run(name, func(t *testing.T) {
			e := f.evidence()
			tc.lie(e)
			der, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "receipt")
			if err := os.WriteFile(path, der, 0o600); err != nil {
				t.Fatal(err)
			}
			code, _, errs := f.run(t.Context(), "", "tke", "rotation", "receipt", "--verify", path)
			if code != command.ExitFailed || !strings.Contains(errs, tc.says) {
				t.Errorf("exit code %d does not say %q: %s", code, tc.says, errs)
			}
		})
	}
}

// The list in a receipt is whatever its maker put there: it proves nothing.
func TestOnlyTheNamedAdministratorsAreTrusted(t *testing.T) {
	honest, forger := newFakeCluster(t, 1, 1), newFakeCluster(t, 1, 1)
	honest.mustInit()
	forger.mustInit()
	path := forger.write(forger.evidence()) // consistent in itself
	code, _, errs := honest.run(t.Context(), "", "tke", "rotation", "receipt", "--verify", path)
	if code != command.ExitFailed || !strings.Contains(errs, "not valid") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	id, err := order.ParseID(instance)
	if err != nil {
		t.Fatal(err)
	}
	honest.must("", "tke", "rotation", "receipt", "--verify", path, "--administrators", forger.folder().AdministratorsFile(id))
	honest.env[workstation.Env] = ""
	if code, _, errs := honest.run(t.Context(), "", "tke", "rotation", "receipt", "--verify", path); code != command.ExitFailed || !strings.Contains(errs, "--administrators FILE") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestAReceiptIsPrintedAndWritten(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	e := f.evidence()
	der, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	f.answer("GET /rotations/{digest}/receipt", func(r *http.Request) any {
		return client.Receipt{Digest: r.PathValue("digest"), State: client.StateComplete, Receipt: der}
	})
	pemFile, derFile := filepath.Join(t.TempDir(), "receipt.pem"), filepath.Join(t.TempDir(), "receipt.der")
	if err := os.WriteFile(pemFile, []byte(f.must("", "tke", "rotation", "receipt", e.Order.Digest().String())), 0o600); err != nil {
		t.Fatal(err)
	}
	f.must("", "tke", "rotation", "receipt", "--out", derFile)
	for _, path := range []string{pemFile, derFile} {
		if out := f.must("", "tke", "rotation", "receipt", "--verify", path, "--output", "json"); !strings.Contains(out, `"valid": true`) || !strings.Contains(out, `"outcome": "complete"`) {
			t.Error(out)
		}
	}
}
