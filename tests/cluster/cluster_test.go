// Package cluster_test holds what is asked of whole clusters: real processes,
// killed, paused, restarted and asked by the published client.
package cluster_test

import (
	"os"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// manyKeys make three partitions, so that each of three operational units owns one.
const manyKeys = 2100

// half is a rotation that stands still half rewrapped, until its paused owner goes on or others take its partition over.
type half struct {
	paused uint32
	status client.RotationStatus
}

// rewrapHalf starts a rotation that stops at rewrapped at the latest, holds the owner of a partition before it has written
// any of it, and pauses it once others have written theirs.
func rewrapHalf(t *testing.T, c *harness.Cluster, leader, owner uint32) half {
	t.Helper()
	c.Lead(leader)
	release := c.Hold("rewrap", owner)
	defer release()
	c.StartRotation("--hold")
	status := c.WaitRotation(leader, "the other owners to write", func(s client.RotationStatus) bool {
		return s.State == client.StateRewrapped || partly(s) && len(unwritten(s, owner)) > 0
	})
	c.Pause(owner)
	if !partly(status) || len(unwritten(status, owner)) == 0 {
		t.Fatalf("crypto unit %d was held, and the rotation is %s: %d of %d keys rewrapped", owner, status.State, status.Keys.Rewrapped, status.Keys.Total)
	}
	return half{owner, status}
}

// partly: some keys are rewrapped, and some are not.
func partly(s client.RotationStatus) bool {
	return s.State == client.StateRewrapping && s.Keys.Rewrapped > 0 && s.Keys.Rewrapped < s.Keys.Total
}

// unwritten gives the numbers of partitions that a unit has yet to write.
func unwritten(s client.RotationStatus, owner uint32) (numbers []uint32) {
	for _, p := range s.Partitions.List {
		if !p.Written && p.Owner == owner {
			numbers = append(numbers, p.Number)
		}
	}
	return numbers
}

func mustCancel(t *testing.T, c *harness.Cluster) {
	t.Helper()
	c.MustRun("tke", "rotation", "cancel", "--keynum", "1", "--yes")
	c.WaitState(client.StateCancelled)
}

// mustComplete lets a rotation that is held go on to its end, and looks at what it left: every unit under the new master
// key alone, a receipt that holds, and every key as it was.
func mustComplete(t *testing.T, c *harness.Cluster, keys *harness.Keys) {
	t.Helper()
	c.WaitState(client.StateRewrapped)
	c.MustRun("tke", "rotation", "activate", "--keynum", "1")
	status := c.WaitState(client.StateComplete)
	if status.Keys.Rewrapped != status.Keys.Total || status.Keys.Verified != status.Keys.Total || status.Keys.Total < uint64(keys.Len()) {
		t.Fatalf("%d keys were made, and of %d %d were rewrapped and %d verified", keys.Len(), status.Keys.Total, status.Keys.Rewrapped, status.Keys.Verified)
	}
	c.MustHold(status.PatternAfter)
	receipt := t.TempDir() + "/receipt"
	c.MustRun("tke", "rotation", "receipt", "--out", receipt)
	c.MustRun("tke", "rotation", "receipt", "--verify", receipt)
	keys.MustOpenAll()
	c.MustAgree()
}
