package cluster

import (
	"context"
	"sync"
)

// batcher makes many readers share one round: a reader joins the batch that is open, a batch closes when its round starts,
// and a round starts when there are fewer than roundsAtOnce. What a round learns is therefore newer than every reader in it.
type batcher struct {
	round func() (uint64, error)

	mu      sync.Mutex
	open    *readBatch
	running int // rounds
}

// roundsAtOnce is so many that one slow round does not hold up who comes after, and so few that they are shared under load.
const roundsAtOnce = 4

type readBatch struct {
	done  chan struct{}
	index uint64
	err   error
}

// join waits for the result of a round that starts after the call.
func (b *batcher) join(ctx context.Context) (uint64, error) {
	b.mu.Lock()
	if b.open == nil {
		b.open = &readBatch{done: make(chan struct{})}
	}
	mine := b.open
	if b.running < roundsAtOnce {
		b.running++
		go b.run()
	}
	b.mu.Unlock()
	select {
	case <-mine.done:
		return mine.index, mine.err
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func (b *batcher) run() {
	for {
		b.mu.Lock()
		batch := b.open
		b.open = nil
		if batch == nil {
			b.running--
			b.mu.Unlock()
			return
		}
		b.mu.Unlock()
		batch.index, batch.err = b.round()
		close(batch.done)
	}
}
