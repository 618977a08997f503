package operations_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/tests/harness"
)

// A unit is zeroized when its rotation is about to flip, and when it has: either way it is left behind, no key is lost, and the
// new unit recovers the new master key. When all are zeroized at once, one keeps the key.
func TestUnitsAreZeroizedInARotation(t *testing.T) {
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 2, 1, func(c *harness.Cluster) {
		for _, n := range c.Nodes { // a silent unit is left behind soon
			name := fmt.Sprintf("node-%d/node.yaml", n.Number)
			c.Write(name, strings.Replace(c.Read(name), "fence: 90s", "fence: 6s", 1))
		}
	})
	keys := c.MustCreateKeys(20)
	const victim = 2
	c.Lead(1)

	c.Sub("BeforeTheFlip", func(t *testing.T) {
		c.StartRotation("--hold")
		c.WaitState(client.StateRewrapped)
		c.MustRun("tke", "cryptounit-zeroize", "--units", fmt.Sprint(victim), "--yes")
		c.MustRun("tke", "rotation", "activate", "--keynum", "1")
		mustLeaveBehind(t, c, victim)
		mustComeBack(t, c, victim, keys)
	})
	c.Sub("AfterTheFlip", func(t *testing.T) {
		release := c.Hold("activating", victim)
		c.StartRotation("--hold")
		c.WaitState(client.StateRewrapped)
		activated := make(chan error, 1)
		go func() {
			out, err := c.Run("tke", "rotation", "activate", "--keynum", "1")
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			activated <- err
		}()
		pattern := c.WaitState(client.StateActivating, client.StateComplete).PatternAfter
		c.WaitFor("another unit to have activated", func() (bool, string) {
			held := holders(t, c, pattern)
			return len(held) > 0, fmt.Sprint(held)
		})
		c.MustRun("tke", "cryptounit-zeroize", "--units", fmt.Sprint(victim), "--yes")
		release()
		if err := <-activated; err != nil {
			t.Error(err)
		}
		mustLeaveBehind(t, c, victim)
		mustComeBack(t, c, victim, keys)
	})
	c.Sub("AllAtOnce", func(t *testing.T) {
		pattern := c.Rotation().PatternAfter
		var ended sync.WaitGroup
		for _, number := range c.All() {
			ended.Go(func() {
				out, err := c.Run("tke", "cryptounit-zeroize", "--units", fmt.Sprint(number), "--yes")
				if err != nil && !strings.Contains(out, "the last one that answers and holds the master key") {
					t.Errorf("crypto unit %d: %v\n%s", number, err, out)
				}
			})
		}
		ended.Wait()
		held := holders(t, c, pattern)
		if len(held) == 0 {
			t.Fatal("no unit holds the master key any more")
		}
		for len(held) > 1 { // one after the other
			c.MustRun("tke", "cryptounit-zeroize", "--units", fmt.Sprint(held[0]), "--yes")
			held = held[1:]
		}
		mustFail(t, c, "name it: --destroy-master-key "+pattern, "tke", "cryptounit-zeroize", "--units", fmt.Sprint(held[0]), "--yes")
	})
}

// holders are the units whose current register holds the master key of that pattern.
func holders(t *testing.T, c *harness.Cluster, pattern string) (numbers []uint32) {
	t.Helper()
	units, err := c.Admin().Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range units.Units {
		if u.Registers.Current.State == masterkey.CurrentValid.String() && u.Registers.Current.Pattern == pattern {
			numbers = append(numbers, u.Number)
		}
	}
	return numbers
}

// mustLeaveBehind: the rotation completes without the unit, which holds nothing, and the others hold the new master key.
func mustLeaveBehind(t *testing.T, c *harness.Cluster, victim uint32) {
	t.Helper()
	status := c.WaitState(client.StateComplete)
	if held := holders(t, c, status.PatternAfter); len(held) != len(c.Nodes)-1 {
		t.Errorf("units %v hold the new master key", held)
	}
	if !slices.Equal(status.Fenced, []uint32{victim}) {
		t.Errorf("units %v were left behind", status.Fenced)
	}
}

// mustComeBack makes the zeroized unit part of the instance again.
func mustComeBack(t *testing.T, c *harness.Cluster, number uint32, keys *harness.Keys) {
	t.Helper()
	c.MustRun("tke", "unenrol", "--units", fmt.Sprint(number), "--yes")
	c.MustEndSaying(number, saysRemoved)
	c.Part(number)
	c.Admit(number)
	c.MustRun("tke", "enrol", "--units", fmt.Sprint(number), "--yes")
	mustRecover(t, c, number)
	keys.MustOpenAll()
	mustRotate(t, c, keys)
}
