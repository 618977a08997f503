package cluster

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// writing is the log as Raft has it: a write that fails ends this node's part. Raft alone would go on, and try the next.
type writing struct {
	*logStore
	fail func(error)
}

func (w writing) StoreLog(entry *raft.Log) error { return w.StoreLogs([]*raft.Log{entry}) }

func (w writing) StoreLogs(entries []*raft.Log) error {
	err := w.logStore.StoreLogs(entries)
	if err != nil {
		w.fail(fmt.Errorf("write the log in %s: %w", w.dir, err))
	}
	return err
}

func (w writing) DeleteRange(from, to uint64) error {
	err := w.logStore.DeleteRange(from, to)
	if err != nil {
		w.fail(fmt.Errorf("cut the log in %s: %w", w.dir, err))
	}
	return err
}
