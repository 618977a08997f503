package operations_test

import (
	"fmt"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

// A master key comes in key parts on a bad day: units are down, a custodian gives one unit another part, the parts come to the
// current key, a register is cleared. Each is said, no key is lost, and the same commands go on.
func TestKeyPartsOnABadDay(t *testing.T) {
	harness.WithoutRaceDetector(t)
	t.Setenv("TUMBLER_KEYPART_PASSWORD", "meadow copper 9 of no account")
	c := harness.NewCluster(t, 2, 1)
	keys := c.MustCreateKeys(30)
	for n := range 3 {
		c.MustRun("tke", "mk-add", "--random", "--description", fmt.Sprintf("part %d", n+1))
	}
	load := func(args ...string) []string { return append([]string{"tke", "cryptounit-mk-load"}, args...) }
	cleared := func(t *testing.T) {
		t.Helper()
		c.MustRun("tke", "cryptounit-mk-clrnew", "--yes")
		mustHaveNew(t, c, client.RegisterEmpty)
		keys.MustOpenAll()
	}

	c.Sub("AUnitIsDown", func(t *testing.T) {
		c.Kill(2)
		mustFail(t, c, "crypto unit 2: there is no signed report", load("--mk", "1,2")...)
		c.Start(2)
		c.MustRun(load("--parts", "2", "--part", "1", "--mk", "1")...)
		mustHaveNew(t, c, client.RegisterEmpty)
		c.Kill(2)
		mustFail(t, c, "crypto unit 2 did not take key part 2", load("--part", "2", "--mk", "2", "--keynum", "2")...)
		mustFail(t, c, "not every new master key register is loaded", "tke", "cryptounit-mk-commit")
		c.Start(2) // part 1 waits in its file
		c.MustRun(load("--part", "2", "--mk", "2", "--keynum", "2")...)
		mustHaveNew(t, c, client.RegisterFullUncommitted)
		mustFail(t, c, "takes its master key from key parts", "tke", "auto-mk-rotate")
		mustFail(t, c, "is not committed: `tumbler tke cryptounit-mk-commit` comes first", "tke", "cryptounit-mk-rotate", "--yes")
		cleared(t)
	})
	c.Sub("AnotherPartInOneUnit", func(t *testing.T) {
		c.MustRun(load("--parts", "2", "--part", "2", "--mk", "3")...) // signed by Bob, the second
		c.Kill(3)
		mustFail(t, c, "crypto unit 3 did not take key part 1", load("--part", "1", "--mk", "1", "--keynum", "1")...)
		c.Start(3)
		mustFail(t, c, "crypto unit 3 did not take key part 1: crypto unit 3: together the key parts are another master key", load("--part", "1", "--mk", "2", "--keynum", "1")...)
		c.MustRun(load("--part", "1", "--mk", "1", "--keynum", "1")...) // the right one
		cleared(t)
	})
	c.Sub("ACurrentRegisterIsCleared", func(t *testing.T) {
		mustFail(t, c, "no other crypto unit that answers would hold the master key", "tke", "cryptounit-mk-clrcur", "--yes")
		mustFail(t, c, "2 signatures are needed", "tke", "cryptounit-mk-clrcur", "--units", "2", "--yes", "--keynum", "1")
		c.MustRun("tke", "cryptounit-mk-clrcur", "--units", "2", "--yes")
		mustFail(t, c, "crypto unit 2 does not hold the instance's master key: `tumbler tke auto-recover`", load("--mk", "1,2")...)
		c.MustRun("tke", "auto-recover")
		keys.MustOpenAll()
	})
	c.Sub("ItIsRotated", func(t *testing.T) {
		c.MustRun(load("--mk", "1,2")...)
		mustFail(t, c, "every key under it would be lost", "tke", "cryptounit-mk-setimm", "--yes")
		c.MustRun("tke", "cryptounit-mk-commit")
		if out := c.MustRun("tke", "cryptounit-mk-rotate", "--yes", "--keynum", "2"); !strings.Contains(out, "Master key rotation successful.") {
			t.Error(out)
		}
		keys.MustOpenAll()
		c.MustAgree()
		receipt := t.TempDir() + "/parts"
		c.MustRun("tke", "rotation", "receipt", "--out", receipt)
		if out := c.MustRun("tke", "rotation", "receipt", "--verify", receipt); !strings.Contains(out, "Outcome:          complete\n") {
			t.Error(out)
		}
		mustFail(t, c, "the value is already the current master key", load("--mk", "1,2")...)
		cleared(t)
	})
}

// mustHaveNew wants one state in the new register of every unit.
func mustHaveNew(t *testing.T, c *harness.Cluster, state string) {
	t.Helper()
	units, err := c.Admin().Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range units.Units {
		if u.Registers.New.State != state {
			t.Errorf("the new register of crypto unit %d is %s, not %s", u.Number, u.Registers.New.State, state)
		}
	}
}
