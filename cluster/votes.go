package cluster

import (
	"fmt"
	"runtime"

	"github.com/hashicorp/raft"

	"tumbler/holdpoint"
)

// votes is what Raft must never forget: its term, and for whom it voted. Where it cannot be written Raft would panic, and
// nobody would be told what to do; so this node's part ends instead, by the reason.
type votes struct {
	raft.StableStore
	dir  string
	fail func(error)
	// began: Raft has written its term in NewRaft, and calls from goroutines of its own since.
	began bool
}

func (v *votes) Set(key, value []byte) error {
	return v.judge(holdpoint.Step("vote", func() error { return v.StableStore.Set(key, value) }))
}

func (v *votes) SetUint64(key []byte, value uint64) error {
	return v.judge(holdpoint.Step("term", func() error { return v.StableStore.SetUint64(key, value) }))
}

// judge ends the goroutine that could not write: it is Raft's own, whose end Raft waits for when it is shut down.
func (v *votes) judge(err error) error {
	if !v.began && err == nil {
		v.began = true
	}
	if err == nil {
		return nil
	}
	v.fail(fmt.Errorf("write the term and the vote in %s: %w", v.dir, err))
	if v.began {
		runtime.Goexit()
	}
	return err
}

// newRaft is raft.NewRaft; that it cannot write its term is an error.
func (v *votes) newRaft(config *raft.Config, fsm raft.FSM, log raft.LogStore, snapshots raft.SnapshotStore, transport raft.Transport) (r *raft.Raft, err error) {
	defer func() {
		if why := recover(); why != nil && !v.began {
			err = fmt.Errorf("%v", why)
		} else if why != nil {
			panic(why)
		}
	}()
	return raft.NewRaft(config, fsm, log, v, snapshots, transport)
}
