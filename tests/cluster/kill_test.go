package cluster_test

import (
	"slices"
	"testing"

	"tumbler/api/client"
	"tumbler/fsm"
	"tumbler/tests/harness"
)

// Whoever is killed while keys are being rewrapped comes back and goes on, the rotation completes, and no key is lost.
func TestKilledWhileRewrapping(t *testing.T) {
	c := harness.NewCluster(t, 3, 2)
	keys := c.MustCreateKeys(manyKeys)

	// An owner that is paused holds the state where it is; then somebody is killed.
	c.Sub("Leader", func(t *testing.T) {
		h := rewrapHalf(t, c, 1, 2)
		c.Kill(1)
		mustBeHalf(t, c, h)
		c.Resume(h.paused)
		if leader := c.Leader(); leader == 1 {
			t.Fatal("the killed node still leads")
		}
		c.WaitState(client.StateRewrapped) // the others need it for activation only
		c.Start(1)
		mustComplete(t, c, keys)
	})
	c.Sub("RecoveryLeader", func(t *testing.T) {
		h := rewrapHalf(t, c, 1, 2)
		generator := h.status.Order.Generator
		if !slices.Contains(c.Recovery(), generator) {
			t.Fatalf("the generator is crypto unit %d, which is no recovery unit", generator)
		}
		c.Kill(generator)
		mustBeHalf(t, c, h)
		c.Resume(h.paused)
		c.WaitState(client.StateRewrapped)
		c.Start(generator)
		mustComplete(t, c, keys)
	})
	c.Sub("Owner", func(t *testing.T) {
		h := rewrapHalf(t, c, 1, 3)
		lost := unwritten(h.status, 3)
		c.Kill(3)
		status := c.WaitState(client.StateRewrapped) // others take its partitions over
		for _, p := range status.Partitions.List {
			if slices.Contains(lost, p.Number) && p.Owner == 3 {
				t.Errorf("partition %d was written without its owner, and still has it: %+v", p.Number, p)
			}
		}
		c.Start(3)
		mustComplete(t, c, keys)
	})
	c.Sub("All", func(t *testing.T) {
		rewrapHalf(t, c, 1, 2)
		c.Kill(c.All()...)
		rotation, _ := c.State(1).Rotation()
		if done, all := rotation.Done.Sum(), rotation.Rewrap.Census.Sum(); rotation.State != fsm.StateRewrapping || done == 0 || done >= all {
			t.Fatalf("all nodes were killed, and the rotation was %s: %d of %d keys rewrapped", rotation.State, done, all)
		}
		c.Start(c.All()...)
		mustComplete(t, c, keys)
	})
}

// mustBeHalf: the kill came while keys were being rewrapped.
func mustBeHalf(t *testing.T, c *harness.Cluster, h half) {
	t.Helper()
	status := c.Rotation()
	if !partly(status) || len(unwritten(status, h.paused)) == 0 {
		t.Fatalf("a node was killed, and the rotation is %s: %d of %d keys rewrapped", status.State, status.Keys.Rewrapped, status.Keys.Total)
	}
}
