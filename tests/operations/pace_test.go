package operations_test

import (
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

// What operators ask of a rewrap reaches every node, outlives its leader and a restart of all, and costs no unit its lease.
func TestPacedRotation(t *testing.T) {
	c := harness.NewCluster(t, 3, 1)
	keys := c.MustCreateKeys(200)

	c.Sub("PausedThroughRestarts", func(t *testing.T) {
		const leader = 4 // the recovery unit, which owns no partition
		c.Lead(leader)
		paused := pausedRewrap(t, c)
		c.Kill(leader)
		for _, p := range mustStayPaused(t, c, paused).Partitions.List {
			if was := paused.Partitions.List[p.Number]; p.Lease != was.Lease || p.Owner != was.Owner || p.Cursor != was.Cursor {
				t.Errorf("partition %d was %+v when the rotation was paused, and is %+v", p.Number, was, p)
			}
		}
		c.Start(leader)
		c.Stop(c.All()...)
		c.Start(c.All()...)
		mustStayPaused(t, c, paused)
		if out := c.MustRun("tke", "rotation", "status"); !strings.Contains(out, "paused by admin") {
			t.Errorf("the status does not say who paused it:\n%s", out)
		}
		c.MustRun("tke", "rotation", "throttle", "off")
		c.MustRun("tke", "rotation", "resume")
		c.MustComplete(keys)
	})
	c.Sub("CancelledWhilePaused", func(t *testing.T) {
		before := c.Rotation().PatternAfter
		pausedRewrap(t, c)
		c.MustCancel()
		c.MustHold(before)
		keys.MustOpenAll()
	})
}

// throttledRewrap starts a rotation that keeps to a rate from its first key on, and returns when it is harness.Partly done.
func throttledRewrap(t *testing.T, c *harness.Cluster, rate string) {
	t.Helper()
	var release []func()
	for _, number := range c.Operational() {
		release = append(release, c.Hold("begin", number))
	}
	c.StartRotation("--hold")
	c.MustRun("tke", "rotation", "throttle", rate)
	for _, let := range release {
		let()
	}
	c.WaitRotation(1, "some keys to be rewrapped", harness.Partly)
}

// pausedRewrap starts a rotation, and pauses it when some keys are rewrapped and some are not.
func pausedRewrap(t *testing.T, c *harness.Cluster) client.RotationStatus {
	t.Helper()
	throttledRewrap(t, c, "20")
	c.MustRun("tke", "rotation", "pause")
	// What was on its way lands; then nothing moves any more.
	last := c.Rotation()
	c.WaitFor("the units to pause", func() (bool, string) {
		now := c.Rotation()
		stands := now.Keys.Rewrapped == last.Keys.Rewrapped
		last = now
		return stands, now.Waiting
	})
	if last.State != client.StateRewrapping || last.Pace == nil || !last.Pace.Paused || last.Pace.KeysPerSecond != 20 || !harness.Partly(last) {
		t.Fatalf("the rotation is to be paused half rewrapped: %s, %+v, %d of %d keys", last.State, last.Pace, last.Keys.Rewrapped, last.Keys.Total)
	}
	return last
}

// mustStayPaused: under whichever leader, the rotation is paused where it was.
func mustStayPaused(t *testing.T, c *harness.Cluster, paused client.RotationStatus) client.RotationStatus {
	t.Helper()
	c.Leader()
	status := c.Rotation()
	if status.State != client.StateRewrapping || status.Pace == nil || !status.Pace.Paused || status.Keys.Rewrapped != paused.Keys.Rewrapped {
		t.Fatalf("the rotation was paused at %d keys, and is %s at %d: %+v", paused.Keys.Rewrapped, status.State, status.Keys.Rewrapped, status.Pace)
	}
	return status
}
