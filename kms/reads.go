package kms

import (
	"context"
	"sync"
)

// reads lets linearizable reads that arrive together share one round. A read may share only a round that began after
// the read did: so while as many as may be are under way, arrivals wait for the next.
type reads struct {
	round  func(context.Context) error
	atOnce int // rounds

	mu      sync.Mutex
	running int
	next    *ticket // of the round to come; nil: nobody waits
}

type ticket struct {
	done chan struct{}
	err  error
}

// roundsAtOnce is so many that one slow round does not hold up who comes after, and so few that they are shared under load.
const roundsAtOnce = 4

func newReads(round func(context.Context) error) *reads {
	return &reads{round: round, atOnce: roundsAtOnce}
}

// join returns when a round that began after the call has ended. A caller that gives up leaves the round to others.
func (r *reads) join(ctx context.Context) error {
	r.mu.Lock()
	if r.next == nil {
		r.next = &ticket{done: make(chan struct{})}
	}
	mine := r.next
	if r.running < r.atOnce {
		r.running++
		// The round outlives the one caller that started it, as others may share it; ReadIndex bounds itself.
		go r.run(context.WithoutCancel(ctx))
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *reads) run(ctx context.Context) {
	for {
		r.mu.Lock()
		batch := r.next
		if batch == nil {
			r.running--
			r.mu.Unlock()
			return
		}
		r.next = nil
		r.mu.Unlock()
		bounded, cancel := context.WithTimeout(ctx, roundTimeout)
		batch.err = r.round(bounded)
		cancel()
		close(batch.done)
	}
}
