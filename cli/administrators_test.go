package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// threeAdministrators is an instance with Alice, Bob and Carol, two of whom must sign.
func threeAdministrators(t *testing.T) *fakeCluster {
	t.Helper()
	f := newFakeCluster(t, 2, 1)
	f.mustInit()
	f.must("", "tke", "sigkey-add", "--name", "Carol")
	f.must("", "tke", "cryptounit-admin-add", "--administrator", "3")
	return f
}

func (f *fakeCluster) present() order.Administrators {
	f.t.Helper()
	list, err := order.DecodeAdministrators(f.units[0].administrators)
	if err != nil {
		f.t.Fatal(err)
	}
	return *list
}

func TestALostAdministratorKeyIsReplaced(t *testing.T) {
	f := threeAdministrators(t)
	before := f.present()
	// Bob's key is lost: Alice and Carol sign. He is taken away, and a new key of his comes in his place.
	f.must("", "tke", "sigkey-add", "--name", "Bob")
	out := f.must("y\n", "tke", "cryptounit-admin-rm", "--administrator", "Bob", "--keynum", "1,3")
	out += f.must("", "tke", "cryptounit-admin-add", "--administrator", "4", "--keynum", "1,3")
	out += f.must("", "tke", "cryptounit-admins")
	golden(t, "cryptounit-admins.txt", hideKeys(out))
	after := f.present()
	if len(after.List) != 3 || after.List[2].Name != "Bob" || string(after.List[2].Key) == string(before.List[1].Key) || after.Signature != 2 {
		t.Errorf("%+v", after)
	}
	o := f.orders[len(f.orders)-1]
	if o.Kind != order.Administration || len(o.Units) != 3 || o.Current != f.pattern {
		t.Errorf("%+v", o)
	}
	// Receipts are checked against the lists that signed: the newest, and each that was replaced.
	id, err := order.ParseID(instance)
	if err != nil {
		t.Fatal(err)
	}
	kept, err := workstation.ReadAdministrators(f.folder().AdministratorsFile(id))
	if err != nil || len(kept.List) != 3 || string(kept.List[2].Key) != string(after.List[2].Key) {
		t.Errorf("%+v, %v", kept, err)
	}
	former, err := filepath.Glob(filepath.Join(f.env[workstation.Env], "administrators-*-before-order-*.der"))
	if err != nil || len(former) != 3 {
		t.Errorf("%v, %v", former, err)
	}
	if list, err := workstation.ReadAdministrators(former[0]); err != nil || len(list.List) != 2 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestThresholdsAreSet(t *testing.T) {
	f := threeAdministrators(t)
	f.units[2].alive = false // it takes the list up when it is back
	out := f.must("3\n1\n", "tke", "cryptounit-thrhld-set")
	f.units[2].alive = true
	golden(t, "cryptounit-thrhlds.txt", out+f.must("", "tke", "cryptounit-thrhlds"))
	if list := f.present(); list.Signature != 3 || list.Revocation != 1 {
		t.Errorf("%+v", list)
	}
	// Taking somebody away asks for the revocation threshold alone.
	f.must("", "tke", "cryptounit-thrhld-set", "--signature-threshold", "2", "--revocation-threshold", "1", "--keynum", "1,2,3")
	f.must("", "tke", "cryptounit-admin-rm", "--administrator", "Carol", "--keynum", "1", "--yes")
	if list := f.present(); len(list.List) != 2 {
		t.Errorf("%+v", list)
	}
}

func TestAdministratorsAreNotChanged(t *testing.T) {
	for name, tc := range map[string]struct {
		spoil func(*fakeCluster)
		args  []string
		says  []string
		code  int
	}{
		"there already":       {nil, []string{"cryptounit-admin-add", "--administrator", "1"}, []string{"Return code: 256", "on the list already"}, command.ExitFailed},
		"nobody":              {nil, []string{"cryptounit-admin-rm", "--administrator", "Dave", "--yes"}, []string{"Return code: 32", "Reason code: 32"}, command.ExitFailed},
		"below a threshold":   {nil, []string{"cryptounit-admin-rm", "--administrator", "Alice", "--yes"}, []string{"Return code: 209", "Reason code: 66"}, command.ExitFailed},
		"signature too high":  {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "3", "--revocation-threshold", "1"}, []string{"Return code: 209", "Reason code: 57"}, command.ExitFailed},
		"revocation too high": {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "3"}, []string{"Return code: 209", "Reason code: 58"}, command.ExitFailed},
		"threshold 0":         {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "0", "--revocation-threshold", "1"}, []string{"Return code: 209", "Reason code: 76"}, command.ExitFailed},
		"no such key":         {nil, []string{"cryptounit-admin-add", "--administrator", "9"}, []string{"9"}, command.ExitFailed},
		"two keys":            {nil, []string{"cryptounit-admin-add", "--administrator", "1,2"}, []string{"is not one KEYNUM"}, command.ExitUsage},
		"too few signatures":  {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "1", "--keynum", "1"}, []string{"2 signatures are needed"}, command.ExitFailed},
		"an order is open": {func(f *fakeCluster) { f.open = &client.OpenOrder{Number: 7, Kind: "rotate", State: "loading"} },
			[]string{"cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "1"}, []string{"order 7 (rotate, loading) is under way", "cancel it first"}, command.ExitFailed},
		"before the init": {func(f *fakeCluster) { clear(f.pattern[:]) }, []string{"cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "1"}, []string{"tumbler tke auto-init"}, command.ExitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster(t, 1, 1)
			f.mustInit()
			if tc.spoil != nil {
				tc.spoil(f)
			}
			before := len(f.orders)
			code, _, errs := f.run(t.Context(), "", append([]string{"tke"}, tc.args...)...)
			for _, says := range tc.says {
				if code != tc.code || !strings.Contains(errs, says) {
					t.Errorf("exit code %d does not say %q: %s", code, says, errs)
				}
			}
			if len(f.orders) != before {
				t.Error("an order was handed in")
			}
		})
	}
}

func TestRetiredKeysAreListedAndDestroyed(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.mustInit()
	if out := f.must("", "tke", "retired", "list"); !strings.Contains(out, "No former master key is kept.") {
		t.Error(out)
	}
	old, older := masterkey.PatternOf([]byte("old")), masterkey.PatternOf([]byte("older"))
	f.retired = []client.RetiredKey{
		{Pattern: older.String(), Since: time.Now().Add(-91*24*time.Hour - time.Minute), Units: []uint32{2}},
		{Pattern: old.String(), Since: time.Now().Add(-24*time.Hour - time.Minute), Units: []uint32{2}, DestroyedBy: 9},
	}
	out := f.must("", "tke", "retired", "list")
	for _, want := range []string{older.String(), "91     2", "order 9 destroys it"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	out = f.must("y\n", "tke", "retired", "destroy", older.String()[:12])
	if o := f.orders[len(f.orders)-1]; o.Kind != order.DestroyRetired || o.Subject.Pattern != older || !strings.Contains(out, "was destroyed in every crypto unit") {
		t.Errorf("%+v: %s", o, out)
	}
	before := len(f.orders)
	for says, args := range map[string][]string{
		"no crypto unit keeps":    {older.String()},
		"give the first 8 digits": {"abc"},
		"PATTERN is missing":      nil,
	} {
		if code, _, errs := f.run(t.Context(), "", append([]string{"tke", "retired", "destroy", "--yes"}, args...)...); code == command.ExitDone || !strings.Contains(errs, says) {
			t.Errorf("exit code %d does not say %q: %s", code, says, errs)
		}
	}
	f.retired = []client.RetiredKey{{Pattern: f.pattern.String(), Units: []uint32{2}}}
	if code, _, errs := f.run(t.Context(), "", "tke", "retired", "destroy", "--yes", f.pattern.String()); code != command.ExitFailed || !strings.Contains(errs, "nothing was signed") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if len(f.orders) != before {
		t.Error("an order was handed in")
	}
	if out := f.must("", "tke", "auto-mk-rotate", "--retire", "destroy", "--detach"); f.orders[len(f.orders)-1].Retire != order.Destroy {
		t.Error(out)
	}
	if code, _, _ := f.run(t.Context(), "", "tke", "auto-mk-rotate", "--retire", "burn"); code != command.ExitUsage {
		t.Error("an odd word was taken")
	}
	if _, err := os.Stat(f.env[workstation.Env]); err != nil {
		t.Error(err)
	}
}
