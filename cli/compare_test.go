package cli

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// TestCompareNamesWhatDiffers: section by section, whatever it is in which crypto units differ.
func TestCompareNamesWhatDiffers(t *testing.T) {
	const (
		thresholds      = "SIGNATURE THRESHOLDS"
		administrators  = "CRYPTO UNIT ADMINISTRATORS"
		newRegister     = "NEW MASTER KEY REGISTER"
		currentRegister = "CURRENT MASTER KEY REGISTER"
	)
	encoded := func(f *fakeCluster, change func(*order.Administrators)) []byte {
		list := f.present()
		change(&list)
		der, err := list.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	other := masterkey.PatternOf([]byte("other"))
	for name, tc := range map[string]struct {
		change func(*fakeCluster, *fakeUnit)
		differ []string
	}{
		"nothing": {func(*fakeCluster, *fakeUnit) {}, []string{}},
		"a threshold": {func(f *fakeCluster, u *fakeUnit) {
			u.administrators = encoded(f, func(a *order.Administrators) { a.Revocation = 1 })
		}, []string{thresholds}},
		"the order of administrators": {func(f *fakeCluster, u *fakeUnit) {
			u.administrators = encoded(f, func(a *order.Administrators) { slices.Reverse(a.List) })
		}, []string{administrators}},
		"imprint mode": {func(_ *fakeCluster, u *fakeUnit) { u.administrators = nil }, []string{thresholds, administrators}},
		"the new register": {func(_ *fakeCluster, u *fakeUnit) {
			u.registers.New, u.registers.NewPattern = masterkey.NewFullUncommitted, other
		}, []string{newRegister}},
		"the current register": {func(_ *fakeCluster, u *fakeUnit) { u.registers.CurrentPattern = other }, []string{currentRegister}},
		"everything": {func(_ *fakeCluster, u *fakeUnit) {
			u.administrators, u.registers = nil, masterkey.Registers{Current: masterkey.CurrentEmpty, New: masterkey.NewFullCommitted, NewPattern: other}
		}, []string{thresholds, administrators, newRegister, currentRegister}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeCluster(t, 2, 1)
			f.mustInit()
			tc.change(f, f.units[1])
			out := f.must("", "tke", "cryptounit-compare")
			verdict := "\n==> All crypto units are configured the same. <==\n"
			if len(tc.differ) > 0 {
				verdict = "\nThe crypto units differ in: " + strings.Join(tc.differ, ", ") + "\n\n==> WARNING: Crypto units are configured differently. <==\n"
			}
			if !strings.HasSuffix(out, verdict) {
				t.Errorf("want %q at the end of\n%s", verdict, out)
			}
			var c struct {
				Same       bool
				Different  []string
				Unverified []uint32
			}
			if err := json.Unmarshal([]byte(f.must("", "tke", "cryptounit-compare", "--output", "json")), &c); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(c.Different, tc.differ) || c.Same != (len(tc.differ) == 0) || len(c.Unverified) > 0 {
				t.Errorf("%+v", c)
			}
			// What is not selected is not compared.
			f.must("", "tke", "cryptounit-rm", "--units", "2")
			if out := f.must("", "tke", "cryptounit-compare"); !strings.Contains(out, "All crypto units are configured the same.") {
				t.Error(out)
			}
		})
	}
}
