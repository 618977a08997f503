package operations_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

// A unit's current register is emptied, although its node is killed between the acceptance and the deed; of all that are to be
// emptied at once the last keeps the key; and each is given it again.
func TestCurrentRegistersAreClearedAndRecovered(t *testing.T) {
	c := harness.NewCluster(t, 2, 1)
	keys := c.MustCreateKeys(20)
	pattern := patternOfUnit(t, c, 3)
	c.Lead(1)

	c.Sub("ItsNodeDies", func(t *testing.T) {
		const victim = 2
		release := c.Hold("clear-current", victim)
		ended := make(chan error, 1)
		go func() {
			out, err := c.Run("tke", "cryptounit-mk-clrcur", "--units", fmt.Sprint(victim), "--yes")
			t.Log(out, err)
			ended <- err
		}()
		c.WaitFor("the state to accept it", func() (bool, string) {
			log, err := c.Admin().Log(t.Context(), 0, 1000)
			return slices.ContainsFunc(log.Entries, func(e client.LogEntry) bool { return e.Kind == "ClearCurrent" }), fmt.Sprint(err)
		})
		mustFail(t, c, fmt.Sprintf("crypto unit %d", victim), "tke", "auto-mk-rotate", "--detach", "--address", c.Node(1).Address()) // nothing begins meanwhile
		c.Kill(victim)
		release()
		c.Start(victim)
		if err := <-ended; err != nil {
			t.Log("who asked for it heard:", err) // its node ended
		}
		c.WaitFor("the register to be empty", func() (bool, string) {
			state := currentRegister(t, c, victim)
			return state.State == client.RegisterEmpty, fmt.Sprintf("%+v", state)
		})
		mustRecover(t, c, victim)
		keys.MustOpenAll()
	})
	c.Sub("AllAtOnce", func(t *testing.T) {
		var all sync.WaitGroup
		for _, n := range c.All() {
			all.Go(func() { _, _ = c.Run("tke", "cryptounit-mk-clrcur", "--units", fmt.Sprint(n), "--yes") })
		}
		all.Wait()
		kept := 0
		for _, n := range c.All() {
			if currentRegister(t, c, n).Pattern == pattern {
				kept++
			}
		}
		if kept == 0 {
			t.Fatal("no unit kept the master key")
		}
		c.MustRun("tke", "auto-recover")
		c.WaitReady()
		c.MustHold(pattern)
		keys.MustOpenAll()
		c.MustAgree()
	})
}

func currentRegister(t *testing.T, c *harness.Cluster, number uint32) client.Register {
	t.Helper()
	units, err := c.Admin().Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range units.Units {
		if u.Number == number {
			return u.Registers.Current
		}
	}
	t.Fatalf("there is no crypto unit %d", number)
	return client.Register{}
}

func patternOfUnit(t *testing.T, c *harness.Cluster, number uint32) string {
	t.Helper()
	return currentRegister(t, c, number).Pattern
}
