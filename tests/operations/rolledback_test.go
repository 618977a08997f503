package operations_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tumbler/tests/harness"
)

const sealed = "node-2/data/unit/unit.sealed"

// What becomes of a unit whose older file was put back: its node ends, it is zeroized by a quorum, and comes back as a new one.
func TestAUnitIsRolledBack(t *testing.T) {
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 2, 1)
	keys := c.MustCreateKeys(20)
	older := c.Read(sealed)

	mustRotate(t, c, keys)

	c.Sub("ItsNodeEnds", func(t *testing.T) {
		c.Stop(2)
		newer := c.Read(sealed)
		c.Write(sealed, older)
		c.Launch(2)
		c.MustEndSaying(2, "it was rolled back")
		c.Write(sealed, newer)
		c.Start(2)
		keys.MustOpenAll()
	})
	c.Sub("ItComesBackAsANewOne", func(t *testing.T) {
		c.Stop(2)
		c.Write(sealed, older)
		c.Node(2).Flags = []string{"--stand-by"}
		c.Launch(2)
		c.WaitFor("node 2 to stand by", func() (bool, string) {
			status, err := c.Admin(2).Status(t.Context())
			return err == nil && strings.Contains(status.Node.NotReady, "stands by"), fmt.Sprint(err)
		})
		mustFail(t, c, "signatures are needed", "tke", "cryptounit-zeroize", "--units", "2", "--yes", "--keynum", "1")
		out := c.MustRun("tke", "cryptounit-zeroize", "--units", "2", "--yes", "--output", "json")
		var zeroized struct {
			Units []struct{ Former_identity, Identity string }
		}
		if err := json.Unmarshal([]byte(out), &zeroized); err != nil || len(zeroized.Units) != 1 {
			t.Fatalf("%v: %s", err, out)
		}
		mustFail(t, c, "if it was zeroized already", "tke", "cryptounit-zeroize", "--units", "2", "--yes")
		c.MustRun("tke", "unenrol", "--units", "2", "--yes")
		c.MustEndSaying(2, saysRemoved)

		c.Node(2).Flags = nil
		c.Part(2) // its unit stays where it is
		c.Admit(2)
		if out := c.MustRun("tke", "enrol", "--units", "2", "--yes"); !strings.Contains(out, zeroized.Units[0].Identity) {
			t.Errorf("enrolled was not the unit %s:\n%s", zeroized.Units[0].Identity, out)
		}
		mustRecover(t, c, 2)
		keys.MustOpenAll()
	})
	c.Sub("NotTheLastOne", func(t *testing.T) {
		c.Kill(3) // two of three go on
		c.MustRun("tke", "cryptounit-zeroize", "--units", "2", "--yes")
		mustFail(t, c, "is the last one that answers and holds the master key", "tke", "cryptounit-zeroize", "--units", "1", "--yes")
	})
}
