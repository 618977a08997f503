package kmstest

import (
	"context"
	"sync"

	"tumbler/kms"
)

// Trail is an audit trail in memory.
type Trail struct {
	mu     sync.Mutex
	events []kms.Event
	fail   error
}

// Record keeps the event.
func (t *Trail) Record(_ context.Context, event kms.Event) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.fail != nil {
		return t.fail
	}
	t.events = append(t.events, event)
	return nil
}

// Fail has every record fail; nil ends that.
func (t *Trail) Fail(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.fail = err
}

// Last is the newest event.
func (t *Trail) Last() kms.Event {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.events) == 0 {
		return kms.Event{}
	}
	return t.events[len(t.events)-1]
}

// Len is the number of events.
func (t *Trail) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.events)
}
