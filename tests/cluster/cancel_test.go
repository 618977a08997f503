package cluster_test

import (
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

// cancelled: a rotation that is cancelled half rewrapped, or held, leaves every blob on every node as it was, byte by byte.
func cancelled(t *testing.T, c *harness.Cluster, keys *harness.Keys) {
	before := c.StoppedBlobs()
	for number, blobs := range before {
		if blobs != before[1] || blobs.Count < manyKeys {
			t.Fatalf("node %d has %+v, and node 1 %+v", number, blobs, before[1])
		}
	}
	pattern := c.Rotation().PatternAfter // of the last order

	h := rewrapHalf(t, c, 1, 2)
	c.Resume(h.paused)
	c.MustRun("tke", "rotation", "cancel", "--keynum", "1", "--yes")
	c.WaitState(client.StateCancelled)
	c.MustHold(pattern)

	c.StartRotation("--hold")
	c.WaitState(client.StateRewrapped)
	c.MustRun("tke", "rotation", "cancel", "--keynum", "2", "--yes")
	c.WaitState(client.StateCancelled)
	c.MustHold(pattern)

	for number, blobs := range c.StoppedBlobs() {
		if blobs != before[number] {
			t.Errorf("node %d had %+v, and has %+v", number, before[number], blobs)
		}
	}
	keys.MustOpenAll()
	c.MustAgree()
}
