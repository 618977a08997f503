package operations_test

import (
	"path/filepath"
	"strings"
	"testing"

	"tumbler/tests/harness"
)

// Administrators are named by hand in units that are in imprint mode, and with thresholds those units are nobody else's any more.
// Then orders are signed on one workstation after the other: each in a file, handed in when it has all its signatures, and no more
// when another came before it.
func TestImprintModeByHandAndOrdersInFiles(t *testing.T) {
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 2, 1, harness.Uninitialised)
	c.Sub("ImprintMode", func(t *testing.T) {
		c.MustRun("tke", "sigkey-add", "--name", "Alice")
		c.MustRun("tke", "sigkey-add", "--name", "Bob")
		c.MustRun("tke", "sigkey-add", "--name", "Carol")
		for _, n := range []string{"1", "2", "3"} {
			c.MustRun("tke", "cryptounit-admin-add", "--administrator", n)
		}
		mustFail(t, c, "Return code: 256", "tke", "cryptounit-admin-add", "--administrator", "1")
		c.MustRun("tke", "cryptounit-admin-rm", "--administrator", "Carol", "--yes")
		mustFail(t, c, "Reason code: 57", "tke", "cryptounit-thrhld-set", "--signature-threshold", "3", "--revocation-threshold", "1", "--keynum", "1,2")
		if out := c.MustRun("tke", "cryptounit-thrhlds"); !strings.Contains(out, "in IMPRINT MODE. <==") {
			t.Error(out)
		}
		c.MustRun("tke", "cryptounit-thrhld-set", "--signature-threshold", "2", "--revocation-threshold", "2", "--keynum", "1,2")
		if out := c.MustRun("tke", "cryptounit-thrhlds"); strings.Contains(out, "IMPRINT MODE") || strings.Count(out, "2                     2") != 3 {
			t.Error(out)
		}
		mustFail(t, c, "has left imprint mode", "tke", "cryptounit-admin-add", "--administrator", "3")
		mustFail(t, c, "Return code: 208", "tke", "cryptounit-zeroize", "--units", "1", "--keynum", "1", "--yes")
		c.MustRun("tke", "auto-init", "--signature-threshold", "2", "--revocation-threshold", "2", "--administrators", "2", "--keynum", "1,2", "--yes")
	})
	c.Sub("OrdersInFiles", func(t *testing.T) {
		first, second := filepath.Join(t.TempDir(), "first"), filepath.Join(t.TempDir(), "second")
		c.MustRun("tke", "auto-mk-rotate", "--hold", "--order", first)
		c.MustRun("tke", "auto-mk-rotate", "--order", second, "--keynum", "2")
		mustFail(t, c, "Return code: 208", "tke", "order", "submit", first)
		for _, n := range []string{"1", "2"} {
			c.MustRun("tke", "order", "sign", first, "--keynum", n, "--yes")
		}
		c.MustRun("tke", "order", "submit", first)
		c.MustRun("tke", "order", "submit", first) // once more: it is the same order
		c.MustRun("tke", "rotation", "watch")
		step := filepath.Join(t.TempDir(), "step")
		c.MustRun("tke", "rotation", "activate", "--order", step)
		c.MustRun("tke", "order", "sign", step, "--keynum", "2", "--yes")
		c.MustRun("tke", "order", "submit", step)
		c.MustRun("tke", "rotation", "watch")
		receipt := filepath.Join(t.TempDir(), "receipt")
		c.MustRun("tke", "rotation", "receipt", "--out", receipt)
		if out := c.MustRun("tke", "rotation", "receipt", "--verify", receipt); !strings.Contains(out, "order, by Alice, Bob") || !strings.Contains(out, "activate, by Bob") {
			t.Error(out)
		}
		c.MustRun("tke", "order", "sign", second, "--keynum", "1", "--yes")
		mustFail(t, c, "make it again (`tumbler tke auto-mk-rotate`)", "tke", "order", "submit", second)
		if out := c.MustRun("tke", "auto-mk-rotate", "--dry-run"); !strings.Contains(out, "Estimated time:") {
			t.Error(out)
		}
	})
}
