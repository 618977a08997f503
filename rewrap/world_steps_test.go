package rewrap

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"time"

	"github.com/hashicorp/raft"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// view reads the first replica.
func (w *world) view() *fsm.View {
	w.t.Helper()
	v, err := w.nodes[0].store.View()
	must(w.t, err)
	return v
}

func (w *world) rotation() fsm.Rotation {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	r, _ := v.Rotation()
	return r
}

func (w *world) submit(kind order.Kind, change func(*order.Order)) {
	w.t.Helper()
	for _, n := range w.nodes {
		report, err := n.unit.Report()
		must(w.t, err)
		der, err := report.Encode()
		must(w.t, err)
		s := n.unit.Status()
		w.must(&fsm.RegisterUnit{Number: n.number, Identity: fsm.Identity(s.Identity), Role: fsm.Role(s.Role), Report: der, At: 1})
	}
	w.must(w.order(kind, change))
}

// order makes and signs one.
func (w *world) order(kind order.Kind, change func(*order.Order)) *fsm.SubmitOrder {
	w.t.Helper()
	w.orders++
	digest, err := w.list.Digest()
	must(w.t, err)
	v := w.view()
	defer v.Close()
	o := &order.Order{
		Kind: kind, Cluster: testCluster, Incarnation: 1, Instance: testInstance, Number: w.orders, Current: masterkey.Pattern(v.Cluster().Pattern),
		Suite: order.SuiteHPKE, Administrators: digest, Policy: order.Online, Commit: order.Automatic, Activate: order.Automatic,
		Retire: order.Keep, NotAfter: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
	}
	if kind.StaysOpen() {
		o.Generator = w.nodes[len(w.nodes)-1].number
	}
	for _, n := range w.nodes {
		s := n.unit.Status()
		o.Units = append(o.Units, order.UnitRef{Number: s.Number, Role: s.Role, Identity: s.Identity})
	}
	if change != nil {
		change(o)
	}
	der, err := o.Encode()
	must(w.t, err)
	signed := &order.SignedOrder{Order: der}
	must(w.t, signed.Sign(w.admin))
	encoded, err := signed.Encode()
	must(w.t, err)
	return &fsm.SubmitOrder{Order: encoded, At: fsm.TimeOf(time.Now())}
}

func (w *world) settle(r fsm.Rotation, blobs []order.BlobName) {
	w.t.Helper()
	w.must(w.order(order.Settle, func(o *order.Order) {
		o.Subject = order.Subject{Order: order.Digest(r.Order), OrderNumber: r.Number, Blobs: blobs}
	}))
}

// cancelLocked makes a cancel of the open rotation now, to be put into the log
// by who has it locked.
func (w *world) cancelLocked() func() {
	w.t.Helper()
	r := w.rotation()
	command := w.order(order.Cancel, func(o *order.Order) {
		o.Subject = order.Subject{Order: order.Digest(r.Order), OrderNumber: r.Number}
	})
	return func() {
		if _, err := w.append(command, nil); err != nil {
			w.t.Error(err)
		}
	}
}

// converge has every unit take its steps until the rotation is in a state.
func (w *world) converge(state fsm.RotationState) {
	w.t.Helper()
	for w.rotation().State != state {
		acted := false
		for _, n := range w.nodes {
			acted = w.step(n) || acted
		}
		if !acted && w.rotation().State != state {
			w.t.Fatalf("stuck at %v before %v", w.rotation().State, state)
		}
	}
}

func (w *world) step(n *node) bool {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	r, _ := v.Rotation()
	receipt, err := v.Receipt(r.Order)
	must(w.t, err)
	evidence, err := receipt.Evidence(r)
	must(w.t, err)
	record, err := evidence.Read()
	must(w.t, err)
	due := func(step order.Step, kind order.StatementKind) bool {
		return record.Said(kind, n.number) == nil && order.Needs(step, n.number, record) == nil
	}
	var s order.SignedStatement
	command := &fsm.SubmitStatement{At: 1}
	switch {
	case r.State == fsm.StatePreparing && due(order.StepPrepare, order.Ready):
		s, err = n.unit.Accept(evidence.Order)
	case r.State == fsm.StateGenerating && due(order.StepGenerate, order.Generated):
		var envelopes []order.Envelope
		s, envelopes, err = n.unit.Generate(evidence)
		for _, e := range envelopes {
			der, err := e.Encode()
			must(w.t, err)
			command.Envelopes = append(command.Envelopes, der)
		}
	case r.State == fsm.StateLoading && due(order.StepLoad, order.Loaded):
		der, e := v.Envelope(r.Order, n.number)
		must(w.t, e)
		envelope, e := order.DecodeEnvelope(der)
		must(w.t, e)
		s, err = n.unit.Load(evidence, *envelope)
	case r.State == fsm.StateCommitting && due(order.StepCommit, order.Committed):
		s, err = n.unit.Commit(evidence)
	case (r.State == fsm.StateActivating || r.State == fsm.StateComplete) && due(order.StepActivate, order.Activated):
		s, err = n.unit.Activate(evidence)
	case (r.State == fsm.StateCancelling || r.State == fsm.StateCancelled) && due(order.StepClear, order.Cleared):
		s, err = n.unit.ClearNew(evidence)
	default:
		return false
	}
	must(w.t, err)
	command.Statement, err = s.Encode()
	must(w.t, err)
	w.must(command)
	return true
}

func keyID(i int) (id fsm.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(i))
	return id
}

// create makes keys first to last, of a size, each with the blob number of its
// own where no other blobs are.
func (w *world) create(first, last, size int) {
	w.t.Helper()
	v := w.view()
	pattern := v.Cluster().Pattern
	v.Close()
	w.mu.Lock()
	defer w.mu.Unlock()
	var logs []*raft.Log
	for i := first; i <= last; i++ {
		id := keyID(i)
		h := cryptounit.Header{Use: cryptounit.UseRoot, Class: order.KMS, Instance: testInstance, Key: order.ID(id), Version: 1}
		blobs, err := w.nodes[0].unit.ImportKey(h, bytes.Repeat([]byte{byte(i), 1}, size/2), masterkey.Pattern(pattern))
		must(w.t, err)
		logs = append(logs, w.entry(&fsm.CreateKey{Key: id, Class: fsm.ClassKMS, State: fsm.KeyActive, Material: fsm.Material{
			Blobs: []fsm.PatternBlob{{Pattern: pattern, Blob: blobs[0]}},
		}, At: 1}, nil))
	}
	for _, n := range w.nodes {
		for _, answer := range n.store.ApplyBatch(logs) {
			if _, err := fsm.DecodeResult(answer.([]byte)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
}

// purge makes holes of keys first to last.
func (w *world) purge(first, last int) {
	w.t.Helper()
	for i := first; i <= last; i++ {
		r := w.must(&fsm.DeleteKey{Key: keyID(i), Record: 1, At: 1})
		w.must(&fsm.PurgeKey{Key: keyID(i), Record: r.Version, At: 1})
	}
	for w.must(&fsm.SweepPurged{Limit: fsm.MaxSweep}).Count > 0 {
	}
}

// rotate opens a rotation and takes it to where the rewrap begins, or past it
// where there is nothing to do.
func (w *world) rotate() {
	w.t.Helper()
	w.submit(order.Rotate, nil)
	for w.rotation().State < fsm.StateRewrapping {
		for _, n := range w.nodes {
			w.step(n)
		}
	}
}

// lead plans for the live nodes, at a moment, until the rotation is in a state
// beyond those of the rewrap or what is waited for is so.
func (w *world) lead(p *Planner, now func() time.Time, live []uint32, until func(fsm.Rotation) bool) fsm.Rotation {
	w.t.Helper()
	for _, n := range w.nodes {
		n.mu.Lock()
		n.note = p.Note
		n.mu.Unlock()
	}
	patience := time.After(time.Minute)
	for {
		v := w.view()
		r, _ := v.Rotation()
		var units []Live
		for _, n := range live {
			u, _ := v.Unit(n)
			units = append(units, Live{Number: n, Role: u.Role})
		}
		v.Close()
		if until(r) {
			return r
		}
		if c := p.Next(r, units, now()); c != nil {
			if _, err := w.propose(0, c, nil); err != nil && !errors.Is(err, fsm.ErrStaleLease) && !errors.Is(err, fsm.ErrNotRewrapping) {
				w.t.Fatal(err)
			}
		}
		select {
		case <-w.moved:
		case <-patience:
			w.t.Fatalf("the rotation is still %v: %+v", r.State, r.Rewrap.Partitions)
		}
	}
}

func flipped(r fsm.Rotation) bool {
	return r.State >= fsm.StateActivating && r.State != fsm.StateBlocked
}

// checkWhole: the rotation ends, and every key opens at every unit on its own
// replica; every partition was verified by a unit that wrote none of it.
func (w *world) checkWhole(from, to int, but func(i int) bool) {
	w.t.Helper()
	r := w.rotation()
	if r.Done != r.Rewrap.Census || r.Verified != r.Rewrap.Census {
		w.t.Errorf("written %+v, verified %+v of %+v", r.Done, r.Verified, r.Rewrap.Census)
	}
	for _, p := range r.Rewrap.Partitions {
		if p.Verified == 0 || slices.Contains(p.Writers, p.Verified) {
			w.t.Errorf("partition %d was written by %v and verified by %d", p.Index, p.Writers, p.Verified)
		}
	}
	w.converge(fsm.StateComplete)
	for _, n := range w.nodes {
		v, err := n.store.View()
		must(w.t, err)
		for i := from; i <= to; i++ {
			if but != nil && but(i) {
				continue
			}
			k, err := v.Key(keyID(i))
			must(w.t, err)
			blob, err := v.Blob(v.CurrentEpoch(), k.Current().Blob)
			if err != nil {
				w.t.Fatalf("node %d, key %d: %v", n.number, i, err)
			}
			if err := n.unit.Check(blob.Blob); err != nil {
				w.t.Fatalf("node %d, key %d: %v", n.number, i, err)
			}
		}
		must(w.t, v.Close())
	}
}

func (w *world) all() (live []uint32) {
	for _, n := range w.nodes {
		live = append(live, n.number)
	}
	return live
}
