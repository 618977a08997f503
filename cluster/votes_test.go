package cluster

import (
	"errors"
	"syscall"
	"testing"

	"github.com/hashicorp/raft"
)

// brokenStable is a disk that fails from one write on.
type brokenStable struct {
	raft.StableStore
	left int
}

func (b *brokenStable) SetUint64(key []byte, value uint64) error {
	if b.left--; b.left < 0 {
		return syscall.EIO
	}
	return b.StableStore.SetUint64(key, value)
}

// A term that cannot be written ends the node's part by that reason: Raft would panic.
func TestATermThatCannotBeWrittenIsNoPanic(t *testing.T) {
	for writes := range 3 {
		var reason error
		failed := make(chan struct{})
		v := &votes{StableStore: &brokenStable{raft.NewInmemStore(), writes}, dir: "here", fail: func(err error) {
			reason = err
			close(failed)
		}}
		_, transport := raft.NewInmemTransport("a")
		config := raft.DefaultConfig()
		config.LocalID, config.LogOutput = "a", t.Output()
		r, err := v.newRaft(config, &raft.MockFSM{}, raft.NewInmemStore(), raft.NewInmemSnapshotStore(), transport)
		if writes == 0 {
			if err == nil || !errors.Is(reason, syscall.EIO) {
				t.Fatalf("a term that cannot be written at the start: %v, %v", err, reason)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		// It becomes leader in term 1, and so writes.
		members := raft.Configuration{Servers: []raft.Server{{ID: "a", Address: "a"}}}
		future := r.BootstrapCluster(members)
		<-failed
		if !errors.Is(reason, syscall.EIO) {
			t.Errorf("the reason after %d writes: %v", writes, reason)
		}
		if err := r.Shutdown().Error(); err != nil {
			t.Error(err)
		}
		_ = future // nobody answers it
	}
}
