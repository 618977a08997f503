package node

import (
	"sync"
	"time"
)

// waitsSpan is for how long a wait of a client is remembered, and up to twice that.
const waitsSpan = 250 * time.Millisecond

// waits is how long this node's clients wait for the cluster: for a read to be linearizable, for a change to be committed.
// Who rewraps goes slower for it (rewrap.Load). Its methods are safe for concurrent use.
type waits struct {
	now func() time.Time

	mu             sync.Mutex
	since          time.Time     // when the present span began
	before, lately time.Duration // the longest of the span before, and of the present one
}

func newWaits(now func() time.Time) *waits { return &waits{now: now, since: now()} }

// begin notes that a client waits, until the function that it gives is called.
func (w *waits) begin() (end func()) {
	from := w.now()
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		now := w.now()
		w.turn(now)
		w.lately = max(w.lately, now.Sub(from))
	}
}

// slowest is the longest wait that ended lately; 0: no client called.
func (w *waits) slowest() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn(w.now())
	return max(w.before, w.lately)
}

// turn begins another span when the present one is over.
func (w *waits) turn(now time.Time) {
	switch past := now.Sub(w.since); {
	case past < waitsSpan:
	case past < 2*waitsSpan:
		w.before, w.lately, w.since = w.lately, 0, w.since.Add(waitsSpan)
	default:
		w.before, w.lately, w.since = 0, 0, now
	}
}
