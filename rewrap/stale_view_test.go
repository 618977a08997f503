package rewrap

import (
	"sync"
	"testing"
	"time"

	"tumbler/fsm"
)

// lagging is a replica whose first views are of before a moment: of what was so when they were asked for, and not of what the
// entry says that woke who asks.
type lagging struct {
	Source
	mu     sync.Mutex
	before []*fsm.View
}

func (l *lagging) View() (*fsm.View, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.before) == 0 {
		return l.Source.View()
	}
	v := l.before[0]
	l.before = l.before[1:]
	return v, nil
}

// TestAVerifierLooksAfterTheEntryThatFinishedItsPartition: in a view of before it there is nothing to verify, and nothing that
// could be found wanting.
func TestAVerifierLooksAfterTheEntryThatFinishedItsPartition(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.create(1, 30, 32)
	w.rotate()
	writer, verifier := w.nodes[0], w.nodes[1]
	r := w.rotation()
	for _, p := range r.Rewrap.Partitions {
		w.must(&fsm.AssignPartitions{Order: r.Order, Assignments: []fsm.Assignment{{Partition: p.Index, Lease: p.Lease, Owner: 1, Verifier: 2}}, At: 1})
	}
	early, err := verifier.store.View()
	must(t, err)
	writer.start(4)
	w.await(func(r fsm.Rotation) bool { return r.Done == r.Rewrap.Census })

	config := Config{Number: 2, Unit: realUnit{verifier.unit}, Proposer: verifier, Stater: verifier, Source: &lagging{Source: verifier.store, before: []*fsm.View{early}}, Reporter: verifier, Retry: time.Millisecond}
	runner, err := NewRunner(config)
	must(t, err)
	p := w.rotation().Rewrap.Partitions[0]
	j := Job{task: taskVerify, order: r.Order, partition: p.Index, pass: p.Pass}
	if err := runner.Verify(t.Context(), j); err != nil || w.rotation().Rewrap.Partitions[0].Verified != 0 {
		t.Errorf("in a view of before: %v, %+v", err, w.rotation().Rewrap.Partitions[0])
	}
	if err := runner.Verify(t.Context(), j); err != nil || w.rotation().Rewrap.Partitions[0].Verified != 2 {
		t.Errorf("in a view of after: %v, %+v", err, w.rotation().Rewrap.Partitions[0])
	}
}

// await waits until the rotation is as asked.
func (w *world) await(holds func(fsm.Rotation) bool) {
	w.t.Helper()
	patience := time.After(time.Minute)
	for !holds(w.rotation()) {
		select {
		case <-w.moved:
		case <-patience:
			w.t.Fatalf("the rotation is %+v", w.rotation())
		}
	}
}
