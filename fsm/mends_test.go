package fsm

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"tumbler/cryptounit/order"
)

// rotating is a world in which a rotation rewraps a few keys.
func rotating(t *testing.T, keys int) *world {
	t.Helper()
	return rotatingAt(t, FeatureLevel, keys)
}

// rotatingAt is founded at a feature level.
func rotatingAt(t *testing.T, level uint32, keys int) *world {
	t.Helper()
	w := newWorldAt(t, level, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	for i := range keys {
		w.createKey(byte(i + 1))
	}
	w.register()
	w.must(w.order(order.Rotate, nil))
	w.until(StateRewrapping)
	return w
}

// doesNotOpen has units state that a blob does not open, as if each had read it spoiled from its replica.
func (w *world) doesNotOpen(n uint64, units ...uint32) (said []*SubmitStatement) {
	w.t.Helper()
	r, _, _ := w.evidence()
	for _, unit := range units {
		s, err := w.units[unit-1].CannotOpen(order.Digest(r.Order), n, w.spoiled(n))
		if err != nil {
			w.t.Fatal(err)
		}
		said = append(said, w.statement(s, nil))
		w.must(said[len(said)-1])
	}
	return said
}

func (w *world) spoiled(n uint64) []byte {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	blob, err := v.Blob(v.CurrentEpoch(), n)
	if err != nil {
		w.t.Fatal(err)
	}
	blob.Blob[len(blob.Blob)-1] ^= 1
	return blob.Blob
}

func (w *world) settling(numbers ...uint64) func(*order.Order) {
	r, _, _ := w.evidence()
	return func(o *order.Order) {
		o.Subject = order.Subject{Order: order.Digest(r.Order), OrderNumber: r.Number}
		for _, n := range numbers {
			o.Subject.Blobs = append(o.Subject.Blobs, order.BlobName{Number: n, Class: order.KMS, Digest: sha256.Sum256(w.spoiled(n))})
		}
	}
}

// TestSettledOnlyWhatNobodyOpens: a blob that comes in question while another blocks the rotation is settled once every unit
// has tried it, and not before: another may open it.
func TestSettledOnlyWhatNobodyOpens(t *testing.T) {
	w := rotating(t, 3)
	w.doesNotOpen(1, 1, 2, 3)
	if got := w.rotationState(); got != StateBlocked {
		t.Fatal(got)
	}
	w.doesNotOpen(2, 1)
	w.refuses(t,
		refusal{"one of two was not tried by all", w.unsaid(order.Settle, w.settling(1, 2)), ErrSettle},
		refusal{"it was not tried by all", w.unsaid(order.Settle, w.settling(2)), ErrSettle},
	)
	w.doesNotOpen(2, 2)
	r, _, _ := w.evidence()
	w.must(&AssignPartitions{Order: r.Order, Silent: []uint32{3}}) // who cannot be asked
	w.must(w.order(order.Settle, w.settling(1, 2)))
	if got := w.rotationState(); got != StateRewrapping {
		t.Fatalf("everything was settled, and it is %v", got)
	}
	w.rewrap(1, 2)
	w.until(StateComplete)
}

// TestWhatWasSetAsideIsInQuestionNoMore: a unit that read a blob before it was set aside says too late that it does not open.
// Nobody else would answer for it, and the rotation would wait for ever. Members of an older release take the statement, so all do
// until the last of them is gone.
func TestWhatWasSetAsideIsInQuestionNoMore(t *testing.T) {
	for level, asked := range map[uint32]int{levelAside - 1: 1, levelAside: 0} {
		w := rotatingAt(t, level, 2)
		w.doesNotOpen(1, 1, 2, 3)
		r, _, _ := w.evidence()
		s, err := w.units[0].CannotOpen(order.Digest(r.Order), 1, w.spoiled(1))
		if err != nil {
			t.Fatal(err)
		}
		w.must(w.order(order.Settle, w.settling(1)))
		if _, err := w.propose(w.statement(s, nil), nil); errors.Is(err, ErrBlobUnknown) != (asked == 0) {
			t.Errorf("level %d: %v", level, err)
		}
		if r, _, _ := w.evidence(); len(r.Bad) != asked {
			t.Errorf("level %d: in question are %v", level, r.Bad)
		}
		if asked == 0 {
			w.rewrap(1, 2)
			w.until(StateComplete)
		}
	}
}

// TestAskedAgainAfterARepair: a blob that was repaired and then fails again, with the same bytes, is in question again; what
// a unit said before, brought once more, asks nothing.
func TestAskedAgainAfterARepair(t *testing.T) {
	w := rotating(t, 2)
	v := w.view()
	good, err := v.Blob(1, 1)
	v.Close()
	if err != nil {
		t.Fatal(err)
	}
	inQuestion := func() int { r, _, _ := w.evidence(); return len(r.Bad) }
	said := w.doesNotOpen(1, 1)[0]
	w.must(said)
	if inQuestion() != 1 {
		t.Fatal("it is not in question")
	}
	w.must(&RepairBlob{Key: ID{1}, Version: 1, Epoch: 1, Number: 1, Blob: good.Blob})
	w.must(said)
	if inQuestion() != 0 {
		t.Fatal("what was answered is in question again")
	}
	w.doesNotOpen(1, 1)
	if inQuestion() != 1 {
		t.Fatal("it fails again, and nobody is asked")
	}
	w.store = w.reopen(w.store)
	w.must(&RepairBlob{Key: ID{1}, Version: 1, Epoch: 1, Number: 1, Blob: good.Blob})
	w.rewrap(1, 2)
	w.until(StateComplete)
}

// TestBatchWhileBlocked: what was under way is written and verified while a rotation is blocked; the entry that ends the
// block brings the flip.
func TestBatchWhileBlocked(t *testing.T) {
	w := rotating(t, 2)
	v := w.view()
	good, err := v.Blob(1, 2)
	v.Close()
	if err != nil {
		t.Fatal(err)
	}
	w.doesNotOpen(2, 1, 2, 3)
	w.rewrap(1, 2)
	if got := w.rotationState(); got != StateBlocked {
		t.Fatal(got)
	}
	w.must(&RepairBlob{Key: ID{2}, Version: 1, Epoch: 1, Number: 2, Blob: good.Blob})
	if got := w.rotationState(); got != StateActivating {
		t.Fatalf("all is verified, and it is %v", got)
	}
	w.until(StateComplete)
}

// TestIdentityWhileAnOrderNamesIt: an init enrols the identities that it names, and no other that came meanwhile.
func TestIdentityWhileAnOrderNamesIt(t *testing.T) {
	w := newWorld(t, 2, 1)
	stranger := openUnit(t, t.TempDir(), 2, order.Operational)
	report, err := stranger.Report()
	if err != nil {
		t.Fatal(err)
	}
	der, err := report.Encode()
	if err != nil {
		t.Fatal(err)
	}
	swap := &RegisterUnit{Number: 2, Identity: Identity(stranger.Status().Identity), Role: RoleOperational, Report: der}
	w.must(w.order(order.Init, nil))
	w.until(StateCommitting)
	w.refuses(t, refusal{"another identity", swap, ErrIdentityChanged})
	r, _, _ := w.evidence()
	w.must(w.order(order.Cancel, func(o *order.Order) { o.Subject = order.Subject{Order: order.Digest(r.Order), OrderNumber: r.Number} }))
	w.until(StateCancelled)
	w.must(swap) // never enrolled: it may come anew
}

// TestRemovedUnitComesBack: a unit that an order removed may come with another identity, which nothing of the old one binds.
func TestRemovedUnitComesBack(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	w.register()
	w.must(w.order(order.Remove, func(o *order.Order) { o.Subject.Units = o.Units[1:2] }))
	w.must(w.registration(2)) // it does not know yet
	v := w.view()
	u, _ := v.Unit(2)
	v.Close()
	if u.IsEnrolled() {
		t.Fatal("to register is not to be enrolled")
	}
	stranger := openUnit(t, t.TempDir(), 2, order.Operational)
	w.units[1] = stranger
	w.must(w.registration(2))
	v = w.view()
	u, _ = v.Unit(2)
	v.Close()
	if u.IsEnrolled() || u.Removed != (Digest{}) || u.Generation != stranger.Status().Generation {
		t.Fatalf("%+v", u)
	}
	w.must(&RemoveUnit{Number: 2})
	w.refuses(t, refusal{"again", &RemoveUnit{Number: 2}, ErrUnitUnknown})
	w.store = w.reopen(w.store)
	v = w.view()
	defer v.Close()
	if _, known := v.Unit(2); known {
		t.Fatal("it is known again after a restart")
	}
}

// TestCancelAtEveryStateKeepsTheBytes: not a byte of the current epoch is another after a cancel.
func TestCancelAtEveryStateKeepsTheBytes(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	for i := range 3 {
		w.createKey(byte(i + 1))
	}
	blobs := func() (all []byte) {
		v := w.view()
		defer v.Close()
		if err := v.Blobs(v.CurrentEpoch(), 1, 100, func(n uint64, b []byte) (bool, error) {
			all = append(append(all, u64(n)...), b...)
			return true, nil
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	before := blobs()
	for _, at := range []RotationState{StatePreparing, StateGenerating, StateLoading, StateCommitting, StateRewrapping, StateVerifying, StateRewrapped, StateBlocked} {
		w.register()
		w.must(w.order(order.Rotate, func(o *order.Order) { o.Activate = order.Signed }))
		w.converge(at)
		switch at { //nolint:exhaustive // the others come by the units alone
		case StateVerifying:
			r, _, _ := w.evidence()
			w.must(&AssignPartitions{Order: r.Order, Assignments: []Assignment{{Owner: 1}}})
			batch, table, _ := w.batch(w.store, 1, 0, 0, 0)
			if _, err := w.propose(batch, table); err != nil {
				t.Fatal(err)
			}
		case StateRewrapped:
			w.rewrap(1, 2)
		case StateBlocked:
			w.doesNotOpen(1, 1, 2, 3)
		}
		if got := w.rotationState(); got != at {
			t.Fatalf("%v, not %v", got, at)
		}
		w.store = w.reopen(w.store)
		r, _, _ := w.evidence()
		w.must(w.order(order.Cancel, func(o *order.Order) { o.Subject = order.Subject{Order: order.Digest(r.Order), OrderNumber: r.Number} }))
		w.store = w.reopen(w.store)
		w.until(StateCancelled)
		if !bytes.Equal(blobs(), before) {
			t.Errorf("cancelled at %v, the current epoch has other bytes", at)
		}
	}
	if digestOf(t, w.store) != digestOf(t, w.other) {
		t.Error("a replica that was restarted at every state differs")
	}
}

// TestCloseWaitsForViewsAlone: closing waits for whoever reads, and they may still ask the store meanwhile.
func TestCloseWaitsForViewsAlone(t *testing.T) {
	s := newState(t)
	v, err := s.store.View()
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	for { // until Close has begun
		again, err := s.store.View()
		if errors.Is(err, ErrStopped) && again == nil {
			break
		}
		if err != nil || again == nil {
			t.Fatalf("%v, %v", again, err)
		}
		again.Close()
	}
	if s.store.AppliedIndex() != s.index || v.Cluster().ID != (ID{1}) {
		t.Error("an open view lost its store")
	}
	if _, err := v.APIKeys(); err != nil {
		t.Error(err)
	}
	v.Close()
	done.Wait()
	if err := s.store.Close(); err != nil {
		t.Errorf("closed twice: %v", err)
	}
	if v, err := s.store.View(); v != nil || !errors.Is(err, ErrStopped) {
		t.Errorf("%v, %v", v, err)
	}
}

// TestAfterTheFlipABadReplicaIsOnlyRepaired: a blob that does not open is then this replica's fault, for it was verified. Nobody
// is asked, nothing is blocked, and the good bytes mend whoever lacks them.
func TestAfterTheFlipABadReplicaIsOnlyRepaired(t *testing.T) {
	w := rotating(t, 2)
	r, _, _ := w.evidence()
	statement := &order.Statement{
		Kind: order.CannotOpen, Cluster: w.cluster, Incarnation: 1, Order: order.Digest(r.Order), Unit: 3, Generation: 1000,
		Blob: &order.BlobName{Number: 1, Class: order.KMS, Digest: order.Digest{1}},
	}
	said, err := order.SignStatement(statement, w.units[2].Status().Identity, func([]byte) []byte { return make([]byte, ed25519.SignatureSize) })
	if err != nil {
		t.Fatal(err)
	}
	doesNotOpen := w.statement(*said, nil)
	w.rewrap(1, 2)
	w.until(StateActivating)
	for _, state := range []RotationState{StateActivating, StateComplete} {
		w.until(state)
		w.refuses(t, refusal{"a blob does not open", doesNotOpen, ErrNotAwaited})
		v := w.view()
		epoch := v.CurrentEpoch()
		good, err := v.Blob(epoch, 1)
		v.Close()
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(good.Blob)
		bad[len(bad)-1] ^= 1
		if err := w.store.db.Set(blobKey(epoch, 1), bad, pebble.NoSync); err != nil {
			t.Fatal(err)
		}
		w.must(&RepairBlob{Key: ID{1}, Version: 1, Epoch: epoch, Number: 1, Blob: good.Blob})
		v = w.view()
		mended, err := v.Blob(epoch, 1)
		v.Close()
		if err != nil || !bytes.Equal(mended.Blob, good.Blob) || w.rotationState() != state {
			t.Errorf("%v: the replica was not mended, or the rotation is %v: %v", state, w.rotationState(), err)
		}
	}
}
