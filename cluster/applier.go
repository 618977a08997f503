package cluster

import (
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// applier stands between Raft and the state machine: after an error the state machine sees no further entry.
type applier struct {
	fsm    StateMachine
	last   *lastApplied
	fail   func(error)
	failed atomic.Bool
}

var _ raft.BatchingFSM = (*applier)(nil)

func (a *applier) Apply(entry *raft.Log) any { return a.ApplyBatch([]*raft.Log{entry})[0] }

func (a *applier) ApplyBatch(entries []*raft.Log) []any {
	if a.failed.Load() {
		out := make([]any, len(entries))
		for i := range out {
			out[i] = ErrShutdown
		}
		return out
	}
	out := a.fsm.ApplyBatch(entries)
	for i, entry := range entries {
		if entry.Type != raft.LogCommand {
			continue
		}
		switch response := out[i].(type) {
		case []byte:
			a.last.set(entry)
		case error:
			a.stop(fmt.Errorf("apply entry %d: %w", entry.Index, response))
		default:
			a.stop(fmt.Errorf("apply entry %d: the state machine answers with a %T", entry.Index, response))
		}
	}
	return out
}

func (a *applier) stop(err error) {
	a.failed.Store(true)
	a.fail(err)
}

func (a *applier) Snapshot() (raft.FSMSnapshot, error) {
	if a.failed.Load() {
		return nil, ErrShutdown
	}
	return a.fsm.Snapshot()
}

func (a *applier) Restore(snapshot io.ReadCloser) error {
	if a.failed.Load() {
		return ErrShutdown
	}
	if err := a.fsm.Restore(snapshot); err != nil {
		a.stop(fmt.Errorf("restore a snapshot: %w", err))
		return err
	}
	return nil
}
