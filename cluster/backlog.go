package cluster

import (
	"context"
	"sync"
)

// backlog bounds the memory of tables that wait for the state machine: Raft would hand it up to 128 groups of entries
// before it waits. The log takes no further table while those that are committed and not applied exceed the limit.
type backlog struct {
	limit     int64
	committed func() uint64
	applied   func() uint64
	wait      func(ctx context.Context, index uint64) error

	mu     sync.Mutex
	tables []waitingTable // by index
}

type waitingTable struct {
	index uint64
	bytes int64
}

// room returns once there is room for the table of the entry with that index, or the context ends. It is called from
// Raft's main goroutine, which has by then handed every committed entry over: so the state machine gets there by itself.
func (b *backlog) room(ctx context.Context, index uint64, bytes int64) {
	if target := b.add(index, bytes); target > 0 {
		_ = b.wait(ctx, target) // an end of the context ends the cluster
	}
}

// add notes the table, and gives the index that must be applied first, or 0.
func (b *backlog) add(index uint64, bytes int64) uint64 {
	applied, committed := b.applied(), b.committed()
	b.mu.Lock()
	defer b.mu.Unlock()
	kept := b.tables[:0]
	var waiting int64
	for _, t := range b.tables {
		if t.index <= applied || t.index >= index { // applied, or replaced by a new leader's
			continue
		}
		kept = append(kept, t)
		if t.index <= committed {
			waiting += t.bytes
		}
	}
	b.tables = append(kept, waitingTable{index, bytes})
	for _, t := range kept {
		if waiting <= b.limit || t.index > committed {
			break
		}
		waiting -= t.bytes
		if waiting <= b.limit {
			return t.index
		}
	}
	return 0
}
