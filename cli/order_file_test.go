package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tumbler/cli/command"
	"tumbler/cli/tke/document"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// orderFile writes an order as a file, for the administrators of a fake cluster.
func (f *fakeCluster) orderFile(change func(*order.Order)) (path string) {
	f.t.Helper()
	list, err := order.DecodeAdministrators(f.units[0].administrators)
	if err != nil {
		f.t.Fatal(err)
	}
	digest, err := list.Digest()
	if err != nil {
		f.t.Fatal(err)
	}
	o := order.Order{
		Kind: order.Restore, Cluster: order.ID{1}, Incarnation: 1, Number: 9, Current: masterkey.PatternOf([]byte("key")), Suite: order.SuiteHPKE,
		Administrators: digest, Policy: order.Documented, Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep,
		NotAfter: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
	}
	if o.Instance, err = order.ParseID(instance); err != nil {
		f.t.Fatal(err)
	}
	for _, u := range f.units {
		o.Units = append(o.Units, order.UnitRef{Number: u.number, Role: u.role, Identity: u.identity()})
	}
	o.Subject = order.Subject{Archive: order.Digest{7}, Incarnation: 2, Units: []order.UnitRef{{Number: 2, Role: order.Recovery, Identity: order.Identity{9}}}}
	if change != nil {
		change(&o)
	}
	e := order.Evidence{Administrators: f.units[0].administrators}
	if e.Order.Order, err = o.Encode(); err != nil {
		f.t.Fatal(err)
	}
	der, err := e.Encode()
	if err != nil {
		f.t.Fatal(err)
	}
	path = filepath.Join(f.t.TempDir(), "order")
	if err := os.WriteFile(path, der, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// TestARestoreOrderIsSignedElsewhere: on one workstation after the other, until there are enough signatures.
func TestARestoreOrderIsSignedElsewhere(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	path := f.orderFile(nil)
	missing := func(path string) int {
		t.Helper()
		d, err := document.Read(path)
		if err != nil {
			t.Fatal(err)
		}
		n, err := d.Missing()
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if out := f.must("y\n", "tke", "order", "sign", path, "--keynum", "1"); !strings.Contains(out, "1 more to come") || !strings.Contains(out, "2 (recovery), fingerprint "+order.Identity{9}.String()) {
		t.Error(out)
	}
	if n := missing(path + ".signed"); n != 1 {
		t.Errorf("%d signatures are missing", n)
	}
	f.must("", "tke", "order", "sign", path+".signed", "--yes")
	if n := missing(path + ".signed"); n != 0 {
		t.Errorf("%d signatures are missing", n)
	}
	for says, path := range map[string]string{
		"all its signatures":             path + ".signed",
		"another list of administrators": f.orderFile(func(o *order.Order) { o.Administrators[0] ^= 1 }),
		"malformed":                      path + ".none",
	} {
		if strings.HasSuffix(path, ".none") {
			if err := os.WriteFile(path, []byte("no order"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if code, _, errs := f.run(t.Context(), "", "tke", "order", "sign", path, "--yes"); code != command.ExitFailed || !strings.Contains(errs, says) {
			t.Errorf("want %q: %d, %s", says, code, errs)
		}
	}
}
