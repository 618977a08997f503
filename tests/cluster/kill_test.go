package cluster_test

import (
	"slices"
	"testing"

	"tumbler/api/client"
	"tumbler/fsm"
	"tumbler/tests/harness"
)

// Whoever is killed while keys are being rewrapped comes back and goes on, the rotation completes, and no key is lost; a
// rotation that is cancelled then changes nothing.
func TestInterruptedRewrap(t *testing.T) {
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 3, 2)
	keys := c.MustImportKeys(manyKeys)

	// An owner that is paused holds the state where it is; then somebody is killed.
	c.Sub("Leader", func(t *testing.T) {
		h := rewrapHalf(t, c, 1, 2)
		c.Kill(1)
		mustHaveEndedHalf(t, c, 1)
		c.Resume(h.paused)
		if leader := c.Leader(); leader == 1 {
			t.Fatal("the killed node still leads")
		}
		c.WaitState(client.StateRewrapped) // the others need it for activation only
		c.Start(1)
		c.MustComplete(keys)
	})
	c.Sub("RecoveryLeader", func(t *testing.T) {
		h := rewrapHalf(t, c, 1, 2)
		generator := h.status.Order.Generator
		if !slices.Contains(c.Recovery(), generator) {
			t.Fatalf("the generator is crypto unit %d, which is no recovery unit", generator)
		}
		c.Kill(generator)
		mustHaveEndedHalf(t, c, generator)
		c.Resume(h.paused)
		c.WaitState(client.StateRewrapped)
		c.Start(generator)
		c.MustComplete(keys)
	})
	c.Sub("Owner", func(t *testing.T) {
		h := rewrapHalf(t, c, 1, 3)
		lost := unwritten(h.status, 3)
		c.Kill(3)
		mustHaveEndedHalf(t, c, 3)
		status := c.WaitState(client.StateRewrapped) // others take its partitions over
		for _, p := range status.Partitions.List {
			if slices.Contains(lost, p.Number) && p.Owner == 3 {
				t.Errorf("partition %d was written without its owner, and still has it: %+v", p.Number, p)
			}
		}
		c.Start(3)
		c.MustComplete(keys)
	})
	c.Sub("All", func(t *testing.T) {
		rewrapHalf(t, c, 1, 2)
		c.Kill(c.All()...)
		for _, number := range c.All() {
			mustHaveEndedHalf(t, c, number)
		}
		c.Start(c.All()...)
		c.MustComplete(keys)
	})
	c.Sub("Cancelled", func(t *testing.T) { cancelled(t, c, keys) })
}

// mustHaveEndedHalf: what the node left on its disk says that keys were being rewrapped when it was killed.
func mustHaveEndedHalf(t *testing.T, c *harness.Cluster, number uint32) {
	t.Helper()
	rotation, _ := c.State(number).Rotation()
	if done, all := rotation.Done.Sum(), rotation.Rewrap.Census.Sum(); rotation.State != fsm.StateRewrapping || done >= all {
		t.Fatalf("node %d was killed when the rotation was %s: %d of %d keys rewrapped", number, rotation.State, done, all)
	}
}
