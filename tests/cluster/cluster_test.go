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
		return s.State == client.StateRewrapped || harness.Partly(s) && len(unwritten(s, owner)) > 0
	})
	c.Pause(owner)
	if !harness.Partly(status) || len(unwritten(status, owner)) == 0 {
		t.Fatalf("crypto unit %d was held, and the rotation is %s: %d of %d keys rewrapped", owner, status.State, status.Keys.Rewrapped, status.Keys.Total)
	}
	return half{owner, status}
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
