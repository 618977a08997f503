package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/document"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// atBobs gives a second workstation, which has Bob's key and knows no crypto unit, for as long as do runs.
func (f *fakeCluster) atBobs(do func()) {
	f.t.Helper()
	home := f.env[workstation.Env]
	away := filepath.Join(f.t.TempDir(), "bob")
	if err := os.CopyFS(away, os.DirFS(home)); err != nil {
		f.t.Fatal(err)
	}
	for _, name := range []string{"1.sigkey", "identities.json", "selection.json"} {
		if err := os.Remove(filepath.Join(away, name)); err != nil {
			f.t.Fatal(err)
		}
	}
	f.env[workstation.Env] = away
	defer func() { f.env[workstation.Env] = home }()
	do()
}

// fails runs a command that must fail, and say so.
func (f *fakeCluster) fails(says string, args ...string) {
	f.t.Helper()
	if code, _, errs := f.run(f.t.Context(), "", args...); code != command.ExitFailed || !strings.Contains(errs, says) {
		f.t.Errorf("%v: want %q: %d, %s", args, says, code, errs)
	}
}

// TestAnOrderIsSignedOnOneWorkstationAfterTheOther: every command that makes an order writes it to a file, which is signed here
// and there, and handed in.
func TestAnOrderIsSignedOnOneWorkstationAfterTheOther(t *testing.T) {
	old := masterkey.PatternOf([]byte("old"))
	for name, tc := range map[string]struct {
		prepare func(*fakeCluster)
		args    []string
		kind    order.Kind
		after   string
	}{
		"auto-mk-rotate":  {nil, []string{"auto-mk-rotate", "--policy", "online", "--hold"}, order.Rotate, "tumbler tke rotation activate"},
		"auto-recover":    {func(f *fakeCluster) { f.units[0].registers = masterkey.Empty() }, []string{"auto-recover"}, order.Recover, "rotation watch"},
		"unenrol":         {nil, []string{"unenrol", "--units", "2", "--yes"}, order.Remove, "was removed from the instance"},
		"thrhld-set":      {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "2"}, order.Administration, "have been set"},
		"retired destroy": {func(f *fakeCluster) { f.retired = []client.RetiredKey{{Pattern: old.String(), Units: []uint32{3}}} }, []string{"retired", "destroy", old.String(), "--yes"}, order.DestroyRetired, "was destroyed"},
		"enrol": {func(f *fakeCluster) {
			f.units = append(f.units, newFakeUnit(4, order.Operational, "fresh"))
			f.units[3].joined = true
		}, []string{"enrol", "--yes"}, order.Enrol, "was enrolled"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster(t, 2, 1)
			f.mustInit()
			if tc.prepare != nil {
				tc.prepare(f)
			}
			before := len(f.orders)
			path := filepath.Join(t.TempDir(), "order")
			out := f.must("", append(append([]string{"tke"}, tc.args...), "--order", path)...)
			if !strings.Contains(out, "Nothing was handed in") || !strings.Contains(out, "waits for 2 signatures") || len(f.orders) != before {
				t.Error(out)
			}
			f.fails("Return code: 208", "tke", "order", "submit", path)
			f.fails("exists already", append(append([]string{"tke"}, tc.args...), "--order", path)...)
			if out := f.must("y\n", "tke", "order", "sign", path, "--keynum", "1"); !strings.Contains(out, "ORDER "+plain(before+1)+": "+document.KindWords(tc.kind)) ||
				!strings.Contains(out, "SIGNED BY nobody; 0 of 2 signatures") || !strings.Contains(out, "1 more to come") {
				t.Error(out)
			}
			f.fails("none of the chosen signature keys", "tke", "order", "sign", path, "--keynum", "1", "--yes")
			f.fails("Return code: 208", "tke", "order", "submit", path)
			f.atBobs(func() {
				if out := f.must("y\ny\n", "tke", "order", "sign", path, "--keynum", "2"); !strings.Contains(out, "SIGNED BY Alice; 1 of 2 signatures") ||
					!strings.Contains(out, "meets for the first time") || !strings.Contains(out, "has all signatures") {
					t.Error(out)
				}
			})
			f.fails("all its signatures already", "tke", "order", "sign", path, "--yes")
			if out := f.must("", "tke", "order", "submit", path); !strings.Contains(out, tc.after) {
				t.Error(out)
			}
			if len(f.orders) != before+1 || f.orders[before].Kind != tc.kind {
				t.Errorf("%+v", f.orders[before:])
			}
		})
	}
}

func plain(n int) string { return string(rune('0' + n)) }

func TestAnApprovalIsSignedElsewhere(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	f.hold("rotate", client.StateRewrapped)
	f.signOpen()
	path := filepath.Join(t.TempDir(), "approval")
	f.must("", "tke", "rotation", "activate", "--order", path)
	f.atBobs(func() {
		out := f.must("y\n", "tke", "order", "sign", path, "--keynum", "2", "--yes")
		for _, want := range []string{"APPROVAL: make the new master key the current one", "IT IS A STEP OF ORDER 2, WHICH A QUORUM SIGNED", f.open.Pattern, "0 of 1 signature"} {
			if !strings.Contains(out, want) {
				t.Errorf("%q is not in %s", want, out)
			}
		}
	})
	f.must("", "tke", "order", "submit", path)
	if len(f.approved) != 1 || f.approved[0].Step != order.StepActivate {
		t.Errorf("%+v", f.approved)
	}
	f.open = nil
	f.fails("is not under way any more", "tke", "order", "submit", path)
}

// signOpen has Alice and Bob sign the order under way.
func (f *fakeCluster) signOpen() {
	f.t.Helper()
	signed, err := order.DecodeSignedOrder(f.open.Order)
	if err != nil {
		f.t.Fatal(err)
	}
	for n := range 2 {
		if err := signed.Sign(f.key(n + 1)); err != nil {
			f.t.Fatal(err)
		}
	}
	if f.open.Order, err = signed.Encode(); err != nil {
		f.t.Fatal(err)
	}
}

func TestZeroizeIsSignedElsewhere(t *testing.T) {
	f := newFakeCluster(t, 2, 1)
	f.mustInit()
	f.answer("POST /units/{number}/zeroize", f.zeroize)
	former := []order.Identity{f.units[0].identity(), f.units[1].identity()}
	path := filepath.Join(t.TempDir(), "approvals")
	f.must("", "tke", "cryptounit-zeroize", "--units", "1,2", "--yes", "--order", path, "--keynum", "1")
	f.atBobs(func() {
		f.fails("1 of 2 signatures", "tke", "order", "submit", path)
		out := f.must("y\ny\n", "tke", "order", "sign", path, "--keynum", "2")
		for n, identity := range former {
			if want := "Crypto unit " + plain(n+1) + ":    fingerprint " + identity.String() + ", as it is at generation 3"; !strings.Contains(out, want) {
				t.Errorf("%q is not in %s", want, out)
			}
		}
	})
	out := f.must("", "tke", "order", "submit", path)
	if f.units[0].identity() == former[0] || f.units[1].identity() == former[1] || !strings.Contains(out, "unenrol --units 1,2") {
		t.Error(out)
	}
	f.fails("its approval was made for fingerprint", "tke", "order", "submit", path)
}

func TestDocumentsThatAreRefused(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	rotate := func(o *order.Order) { o.Kind, o.Subject, o.Generator = order.Rotate, order.Subject{}, 2 }
	file := func(change func(*order.Order), spoil func(*document.Document)) string {
		path := f.orderFile(func(o *order.Order) {
			rotate(o)
			if change != nil {
				change(o)
			}
		})
		if spoil != nil {
			d, err := document.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			spoil(d)
			der, err := d.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, der, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return path
	}
	f.fails("make it again (`tumbler tke auto-mk-rotate`)", "tke", "order", "sign", "--yes", file(func(o *order.Order) { o.NotAfter = time.Now().Add(-time.Hour).UTC().Truncate(time.Second) }, nil))
	f.fails("shows identity", "tke", "order", "sign", "--yes", file(func(o *order.Order) { o.Units[1].Identity[0] ^= 1 }, nil))
	forged := file(nil, func(d *document.Document) {
		if err := d.Sign(f.key(1)); err != nil {
			t.Fatal(err)
		}
		d.Signed.Signatures[0].Bytes[20] ^= 1
	})
	f.fails("invalid signature", "tke", "order", "sign", "--yes", forged)
	f.fails("invalid signature", "tke", "order", "submit", forged)
	whole := func(d *document.Document) {
		for n := range 2 {
			if err := d.Sign(f.key(n + 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.fails("give the --address of a node of its own cluster", "tke", "order", "submit", file(func(o *order.Order) { o.Instance = order.ID{5} }, whole))
	restore := f.orderFile(nil)
	f.must("", "tke", "order", "sign", restore, "--yes")
	f.fails("put the signed file beside", "tke", "order", "submit", restore+".signed")
}
