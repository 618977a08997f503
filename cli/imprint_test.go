package cli

import (
	"strings"
	"testing"

	"tumbler/cli/command"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// TestImprintModeIsLeftByHand: administrators are named in the selected units without a signature; the thresholds are signed by as
// many as are to sign from then on, and the units have left imprint mode.
func TestImprintModeIsLeftByHand(t *testing.T) {
	f := newFakeCluster(t, 2, 1)
	f.env[signing.EnvSigKeyPassword] = testPassword
	for _, name := range []string{"Alice", "Bob", "Carol"} {
		f.must("", "tke", "sigkey-add", "--name", name)
	}
	delete(f.env, signing.EnvSigKeyPassword)
	f.must("", "tke", "cryptounit-rm", "--units", "2")
	out := f.must("1\n"+testPassword+"\n", "tke", "cryptounit-admin-add")
	f.env[signing.EnvSigKeyPassword] = testPassword
	f.must("", "tke", "cryptounit-admin-add", "--administrator", "2")
	f.must("", "tke", "cryptounit-admin-add", "--administrator", "3")
	if f.units[1].administrators != nil {
		t.Error("a unit that is not selected was changed")
	}
	out += f.must("", "tke", "cryptounit-admin-rm", "--administrator", "Carol", "--yes")
	out += f.must("", "tke", "cryptounit-thrhlds")
	delete(f.env, signing.EnvSigKeyPassword)
	out += f.must("2\n1\n1 2\n"+testPassword+"\n"+testPassword+"\n", "tke", "cryptounit-thrhld-set")
	f.env[signing.EnvSigKeyPassword] = testPassword
	out += f.must("", "tke", "cryptounit-thrhlds")
	golden(t, "imprint-mode.txt", hideKeys(out))
	if list := f.present(); len(list.List) != 2 || list.Signature != 2 || list.Revocation != 1 {
		t.Errorf("%+v", list)
	}
	id, err := order.ParseID(instance)
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := workstation.ReadAdministrators(f.folder().AdministratorsFile(id)); err != nil || len(kept.List) != 2 {
		t.Errorf("%+v, %v", kept, err)
	}
	// The unit that was left out follows, with the same keys.
	f.fails("has left imprint mode", "tke", "cryptounit-admin-add", "--administrator", "3")
	f.must("", "tke", "cryptounit-add", "--units", "2")
	f.must("", "tke", "cryptounit-rm", "--units", "1,3")
	f.must("", "tke", "cryptounit-admin-add", "--administrator", "1")
	f.must("", "tke", "cryptounit-admin-add", "--administrator", "2")
	f.must("", "tke", "cryptounit-add", "--units", "1,3")
	f.must("", "tke", "cryptounit-thrhld-set", "--signature-threshold", "2", "--revocation-threshold", "1", "--keynum", "1,2")
	if string(f.units[1].administrators) != string(f.units[0].administrators) {
		t.Error("the units have different administrators")
	}
	if out := f.must("", "tke", "cryptounit-compare"); !strings.Contains(out, "have the same") && !strings.Contains(out, "does not know its identity yet") {
		t.Error(out)
	}
}

// TestImprintModeRefuses what the crypto module refuses, with its codes, before anything is asked or changed.
func TestImprintModeRefuses(t *testing.T) {
	for name, tc := range map[string]struct {
		prepare []string // further administrators, by KEYNUM
		args    []string
		says    []string
		code    int
	}{
		"the same again":                  {nil, []string{"cryptounit-admin-add", "--administrator", "1"}, []string{"Return code: 256", "Reason code: 0"}, command.ExitFailed},
		"a ninth":                         {[]string{"2", "3", "4", "5", "6", "7", "8"}, []string{"cryptounit-admin-add", "--administrator", "9"}, []string{"Return code: 261", "Reason code: 0"}, command.ExitFailed},
		"nobody":                          {nil, []string{"cryptounit-admin-rm", "--administrator", "Zoe", "--yes"}, []string{"Return code: 32", "Reason code: 32"}, command.ExitFailed},
		"a signature threshold of 0":      {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "0", "--revocation-threshold", "1"}, []string{"Return code: 209", "Reason code: 76"}, command.ExitFailed},
		"a revocation threshold of 0":     {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "0"}, []string{"Return code: 209", "Reason code: 77"}, command.ExitFailed},
		"a signature threshold too high":  {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "2", "--revocation-threshold", "1"}, []string{"Return code: 209", "Reason code: 57"}, command.ExitFailed},
		"a revocation threshold too high": {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "9"}, []string{"Return code: 209", "Reason code: 58"}, command.ExitFailed},
		"no threshold":                    {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "two", "--revocation-threshold", "1"}, []string{"is not a number from 1 to 8"}, command.ExitUsage},
		"an order that is not one":        {nil, []string{"cryptounit-admin-add", "--administrator", "2", "--order", "file"}, []string{"in imprint mode are set without one"}, command.ExitUsage},
		"somebody else's signature": {nil, []string{"cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "1", "--keynum", "2"},
			[]string{"KEYNUM 2, B", "is not an administrator"}, command.ExitFailed},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster(t, 1, 1)
			f.env[signing.EnvSigKeyPassword] = testPassword
			for _, name := range []string{"A", "B", "C", "D", "E", "F", "G", "H", "I"} {
				f.must("", "tke", "sigkey-add", "--name", name)
			}
			for _, n := range append([]string{"1"}, tc.prepare...) {
				f.must("", "tke", "cryptounit-admin-add", "--administrator", n)
			}
			before := string(f.units[0].administrators)
			code, _, errs := f.run(t.Context(), "", append([]string{"tke"}, tc.args...)...)
			for _, says := range tc.says {
				if code != tc.code || !strings.Contains(errs, says) {
					t.Errorf("exit code %d does not say %q: %s", code, says, errs)
				}
			}
			if tc.code == command.ExitFailed && strings.HasPrefix(tc.says[0], "Return") && !strings.HasPrefix(errs, "FAILED\nError reported by EP11 crypto module.\nReturn code: ") {
				t.Error(errs)
			}
			if string(f.units[0].administrators) != before || len(f.orders) != 0 {
				t.Error("something was changed")
			}
		})
	}
}

// TestAChangeByHandGoesOnWhereItWas: of two units one has the change already, and none is asked for twice.
func TestAChangeByHandGoesOnWhereItWas(t *testing.T) {
	f := newFakeCluster(t, 1, 1)
	f.env[signing.EnvSigKeyPassword] = testPassword
	f.must("", "tke", "sigkey-add", "--name", "Alice")
	f.must("", "tke", "cryptounit-rm", "--units", "2")
	f.must("", "tke", "cryptounit-admin-add", "--administrator", "1")
	f.must("", "tke", "cryptounit-add", "--units", "2")
	f.must("", "tke", "cryptounit-admin-add", "--administrator", "1")
	f.must("", "tke", "cryptounit-rm", "--units", "2")
	f.must("", "tke", "cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "1", "--keynum", "1")
	f.must("", "tke", "cryptounit-add", "--units", "2")
	f.must("", "tke", "cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "1", "--keynum", "1")
	if string(f.units[0].administrators) != string(f.units[1].administrators) {
		t.Error("the units have different administrators")
	}
	f.must("", "tke", "cryptounit-rm", "--units", "1,2")
	f.fails("no crypto unit is selected", "tke", "cryptounit-admin-add", "--administrator", "1")
	f.must("", "tke", "cryptounit-add", "--units", "1")
	f.units[0].alive = false
	f.fails("start its node", "tke", "cryptounit-admin-add", "--administrator", "1")
}
