package rewrap

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// damage changes blobs of the current epoch, on one replica or on all (0).
func (w *world) damage(replica uint32, numbers ...int) {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	for _, n := range numbers {
		blob, err := v.Blob(v.CurrentEpoch(), uint64(n))
		must(w.t, err)
		good := &fsm.RepairBlob{Key: keyID(n), Version: 1, Epoch: v.CurrentEpoch(), Number: uint64(n), Blob: bytes.Clone(blob.Blob)}
		bad := *good
		bad.Blob = append(bytes.Clone(blob.Blob[:len(blob.Blob)-1]), ^blob.Blob[len(blob.Blob)-1])
		if replica == 0 {
			w.must(&bad)
		} else {
			w.differ(replica, &bad, good)
		}
	}
}

func (w *world) repair(from uint32, number uint64) {
	w.t.Helper()
	v, err := w.nodes[from-1].store.View()
	must(w.t, err)
	defer v.Close()
	blob, err := v.Blob(v.CurrentEpoch(), number)
	must(w.t, err)
	w.must(&fsm.RepairBlob{Key: keyID(int(number)), Version: 1, Epoch: v.CurrentEpoch(), Number: number, Blob: blob.Blob})
}

func TestBlobThatOpensOnAnotherReplica(t *testing.T) {
	// Unit 1 writes, and recovery unit 3 verifies: the blobs are bad on the
	// replica of the one or of the other.
	for name, replica := range map[string]uint32{"the owner's": 1, "the verifier's": 3} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, 1, 2)
			w.create(1, 400, 32)
			w.rotate()
			w.damage(replica, 150, 151, 390)
			for _, n := range w.nodes {
				n.start(100)
			}
			planner := NewPlanner(lease)
			r := w.lead(planner, fixed, []uint32{1, 3}, func(r fsm.Rotation) bool { return len(r.Bad) == 3 })
			p := r.Rewrap.Partitions[0]
			if replica == 1 && p.Cursor != 150 {
				t.Errorf("the cursor is %d: what comes before the first bad blob was to be written, and no more", p.Cursor)
			}
			n := w.nodes[replica-1]
			n.mu.Lock()
			if !slices.Equal(n.bad[0], []uint64{150, 151, 390}) {
				t.Errorf("named were %v, not all together", n.bad)
			}
			n.mu.Unlock()
			for _, bad := range r.Bad {
				w.repair(2, bad.Number)
			}
			r = w.lead(planner, fixed, w.all(), flipped)
			if p := r.Rewrap.Partitions[0]; p.Pass != 1 || p.Lease != 1 {
				t.Errorf("%+v", p)
			}
			w.checkWhole(1, 400, nil)
		})
	}
}

// TestNoBatchPassesOverABlobThatDoesNotOpen: it ends before one, and the next is none.
func TestNoBatchPassesOverABlobThatDoesNotOpen(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.create(1, 30, 32)
	w.rotate()
	w.damage(0, 12, 20)
	r, n := w.rotation(), w.nodes[0]
	w.must(&fsm.AssignPartitions{Order: r.Order, Assignments: []fsm.Assignment{{Owner: 1, Verifier: 2}}, At: 1})
	runner, err := NewRunner(Config{Number: 1, Unit: realUnit{n.unit}, Proposer: n, Stater: n, Source: n.store, Reporter: n})
	must(t, err)
	writing, err := runner.Write(Jobs(w.rotation(), 1)[0])
	must(t, err)
	b, err := writing.Next(t.Context())
	must(t, err)
	if b.Command.From != 1 || b.Command.To != 12 || b.Command.Count != 11 {
		t.Fatalf("the first batch is %+v", b.Command)
	}
	result, err := n.ProposeTable(t.Context(), &b.Command, b.Table)
	must(t, writing.Answer(b, result, err))
	var bad *badError
	if b, err := writing.Next(t.Context()); !errors.As(err, &bad) || len(bad.blobs) != 2 || bad.blobs[0].Number != 12 || bad.blobs[1].Number != 20 {
		t.Errorf("the next batch is %+v, %v", b, err)
	}
}

// TestAVerifierFindsWhatIsMissing: a partition whose owner wrote nothing of it, and said that this is all.
func TestAVerifierFindsWhatIsMissing(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.create(1, 30, 32)
	w.rotate()
	r, n := w.rotation(), w.nodes[1]
	w.must(&fsm.AssignPartitions{Order: r.Order, Assignments: []fsm.Assignment{{Owner: 1, Verifier: 2}}, At: 1})
	p := w.rotation().Rewrap.Partitions[0]
	w.must(&fsm.PutBatch{Order: r.Order, Pass: p.Pass, Lease: p.Lease, From: p.From, To: p.End})
	runner, err := NewRunner(Config{Number: 2, Unit: realUnit{n.unit}, Proposer: n, Stater: n, Source: n.store, Reporter: n})
	must(t, err)
	var found *findingError
	if err := runner.Verify(t.Context(), Jobs(w.rotation(), 2)[0]); !errors.As(err, &found) || found.finding.Kind != FoundSpoiled {
		t.Errorf("it found %v", err)
	}
}

func TestBlobThatOpensNowhereIsSettled(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.create(1, 300, 32)
	w.rotate()
	w.damage(0, 120, 250)
	for _, n := range w.nodes {
		n.start(100)
	}
	planner := NewPlanner(lease)
	r := w.lead(planner, fixed, w.all(), func(r fsm.Rotation) bool { return len(r.Bad) == 2 })
	v := w.view()
	var blobs []order.BlobName
	for _, b := range r.Bad {
		blob, err := v.Blob(v.CurrentEpoch(), b.Number)
		must(t, err)
		s, err := w.nodes[1].unit.CannotOpen(order.Digest(r.Order), b.Number, blob.Blob)
		must(t, err)
		must(t, w.nodes[1].State(context.Background(), func() (order.SignedStatement, error) { return s, nil }))
		said, err := s.Decode()
		must(t, err)
		blobs = append(blobs, *said.Blob)
	}
	must(t, v.Close())
	if s := w.rotation().State; s != fsm.StateBlocked {
		t.Fatalf("no unit opens them, and the rotation is %v", s)
	}
	w.settle(r, blobs)
	w.lead(planner, fixed, w.all(), flipped)
	w.checkWhole(1, 300, func(i int) bool { return i == 120 || i == 250 })
}
