package main

import (
	"bytes"
	"errors"
	"maps"
	"slices"

	"tumbler/converge"
	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// This file is what must be true after every event. What can have changed is looked at: the state after an entry that was agreed
// on, a replica that has moved, a unit whose file was written.

// agreed is asked of every entry, once the replica that nothing befalls has applied it.
func (w *world) agreed(e *entry, request fsm.RequestID, from *node, before *fsm.View) error {
	after, err := w.truth.View()
	if err != nil {
		return err
	}
	w.facts.keepView(e.log.Index, after)
	again := w.keys.seen[request]
	if _, batch := e.command.(*fsm.PutBatch); !batch {
		w.keys.seen[request] = true
	}
	if again || e.refusal != nil {
		return unchanged(e, before, after)
	}
	w.facts.took(e, from)
	if err := w.keys.took(e); err != nil {
		return err
	}
	if w.liars != nil {
		return nil // the state believes what it is told; units do not
	}
	return errors.Join(w.stateHolds(before, after), w.rotationHolds(before, after))
}

// A refused command changes nothing, nor does one that comes twice.
func unchanged(e *entry, before, after *fsm.View) error {
	was, err := before.Digest()
	if err != nil {
		return err
	}
	if is, err := after.Digest(); err != nil || is != was {
		return errors.Join(err, violated("a refused command changes nothing", "entry %d, %T, %v", e.log.Index, e.command, e.refusal))
	}
	return nil
}

// stateHolds: what the state says of keys is what clients wrote, under exactly the epochs that it names.
func (w *world) stateHolds(before, view *fsm.View) error {
	cluster, index := view.Cluster(), view.Index()
	expected := w.keys.expected(index)
	maps.DeleteFunc(expected, func(n uint64, _ version) bool { return w.facts.aside[n] })
	if cluster.Pattern != (fsm.Pattern{}) {
		if err := w.epochHolds(view, cluster.Epochs.Current, expected); err != nil {
			return err
		}
	}
	// The census counts the current epoch's blobs.
	if cluster.Census.Sum() != uint64(len(expected)) {
		return violated("the census counts the current epoch", "entry %d: %d, there are %d", index, cluster.Census.Sum(), len(expected))
	}
	// The next epoch is there while an order is open that fills it, the old one until every unit has left it, no other ever: so
	// a cancel leaves nothing of what it ended.
	for epoch := uint64(1); epoch <= cluster.Epochs.Last; epoch++ {
		if epoch == cluster.Epochs.Current || epoch == cluster.Epochs.Next || epoch == cluster.Epochs.Old {
			continue
		}
		if numbers, err := numbersOf(view, epoch); err != nil || len(numbers) > 0 {
			return errors.Join(err, violated("no epoch but the current, next and old one holds blobs", "entry %d: %v of epoch %d", index, numbers, epoch))
		}
	}
	return w.keysHold(view)
}

// epochHolds: every live key has its blob in the current epoch, which opens under the master key of that epoch, equals what was
// written, and never changes. Nothing else is there: what was purged and swept stays away.
func (w *world) epochHolds(view *fsm.View, epoch uint64, expected map[uint64]version) error {
	known, index, there := w.facts.blobsOf(epoch), view.Index(), 0
	err := view.Blobs(epoch, 0, w.keys.next, func(n uint64, blob []byte) (bool, error) {
		v, live := expected[n]
		if !live {
			return false, violated("what was purged stays purged", "entry %d: number %d of epoch %d is no key's", index, n, epoch)
		}
		there++
		if is := known[n]; is != nil {
			if !bytes.Equal(is, blob) {
				return false, violated("a current blob is byte-identical while it is current", "entry %d: number %d of epoch %d", index, n, epoch)
			}
			return true, nil
		}
		known[n] = bytes.Clone(blob)
		return true, w.opens(epoch, n, known[n], v, masterkey.Pattern(view.Cluster().Pattern))
	})
	if err == nil && there != len(expected) {
		numbers, _ := numbersOf(view, epoch)
		err = violated("every live key has its blob", "entry %d: epoch %d holds %v of %v", index, epoch, numbers, slices.Sorted(maps.Keys(expected)))
	}
	return err
}

// opens: a blob opens under the master key that the state says, and equals what was written. Where no unit that is up has that
// key, it is asked again when one is.
func (w *world) opens(epoch, n uint64, blob []byte, v version, pattern masterkey.Pattern) error {
	if w.facts.garbage[n] {
		return nil
	}
	h, err := cryptounit.ParseHeader(blob)
	if err != nil || h.Pattern != pattern.Short() {
		return errors.Join(err, violated("a blob is under its epoch's master key", "number %d of epoch %d", n, epoch))
	}
	u := w.holder(pattern)
	if u == nil {
		w.facts.unopened = append(w.facts.unopened, func() error { return w.opens(epoch, n, blob, v, pattern) })
		return nil
	}
	payload, err := u.Export(blob)
	if err != nil || !bytes.Equal(payload, v.material) {
		return errors.Join(err, violated("a key opens and equals what was written", "number %d of epoch %d", n, epoch))
	}
	return nil
}

// keysHold: callers find every key that is not purged, with its versions, and none that is.
func (w *world) keysHold(view *fsm.View) error {
	for _, k := range w.keys.keys {
		record, err := view.Key(k.id)
		turn := k.is(view.Index())
		if turn >= keyPurged {
			if !errors.Is(err, fsm.ErrNotFound) {
				return violated("a purged key stays purged", "entry %d: key %x is there: %v", view.Index(), k.id[:8], err)
			}
			continue
		}
		if err != nil || (record.State == fsm.KeyDestroyed) != (turn == keyDeleted) || len(record.Versions) != len(k.versions) {
			return errors.Join(err, violated("a key is what callers made it", "entry %d: key %x has state %d, %d versions", view.Index(), k.id[:8], record.State, len(record.Versions)))
		}
		for i, v := range record.Versions {
			if v.Blob != k.versions[i].number {
				return violated("a key is what callers made it", "entry %d: key %x, version %d has number %d", view.Index(), k.id[:8], i+1, v.Blob)
			}
		}
	}
	return nil
}

// rotationHolds: what a rotation may do from one entry to the next.
func (w *world) rotationHolds(before, view *fsm.View) error {
	was, is := before.Cluster(), view.Cluster()
	r, some := view.Rotation()
	if !some {
		return nil
	}
	if is.Epochs.Current != was.Epochs.Current {
		if err := w.flipHolds(view, r, was); err != nil {
			return err
		}
	} else if is.Pattern != was.Pattern {
		return violated("the master key changes with the epoch", "entry %d", view.Index())
	}
	// Pairs are asked for while there is something to rewrap, and no longer: a cancel ends the next epoch, the end the old one.
	fills := r.State == fsm.StateRewrapping || r.State == fsm.StateVerifying || r.State == fsm.StateRewrapped || r.State == fsm.StateBlocked
	leaves := r.State == fsm.StateActivating && r.Plan.Kind == order.Rotate.String()
	if (is.Epochs.Next != 0) != fills || (is.Epochs.Old != 0) != leaves {
		return violated("an order leaves no epoch behind", "entry %d: it is %v, epochs %+v", view.Index(), r.State, is.Epochs)
	}
	if leaves {
		// Until every unit has left it, the old epoch is whole.
		numbers, err := numbersOf(view, is.Epochs.Old)
		want := slices.Sorted(maps.Keys(w.facts.blobs[is.Epochs.Old]))
		want = slices.DeleteFunc(want, func(n uint64) bool { return w.facts.aside[n] })
		if err != nil || !w.sameButSwept(want, numbers, view.Index()) {
			return errors.Join(err, violated("the old epoch stays until every unit has left it", "entry %d: it holds %v of %v", view.Index(), numbers, want))
		}
	}
	if r.State == fsm.StateComplete && r.Plan.Kind == order.Rotate.String() && w.facts.completed != r.Order {
		w.facts.completed = r.Order
		return w.oldKeyIsGone(view, r)
	}
	return nil
}

// flipHolds: the flip comes after every unit committed, and never before every live key has a new blob that a unit verified
// which wrote none of its partition, or that came as a pair. That each of them opens and equals what was written is asked of the
// epoch itself.
func (w *world) flipHolds(view *fsm.View, r fsm.Rotation, was fsm.Cluster) error {
	f, index := w.facts, view.Index()
	if r.State != fsm.StateActivating && r.State != fsm.StateComplete {
		return violated("only a flip changes the epoch", "entry %d: the rotation is %v", index, r.State)
	}
	for _, n := range r.Plan.Loads {
		if !f.said[saying{r.Order, order.Committed}][n] {
			return violated("the flip comes after every unit committed", "entry %d: unit %d did not", index, n)
		}
	}
	if r.Plan.Kind != order.Rotate.String() {
		return nil
	}
	if was.Epochs.Next != view.Cluster().Epochs.Current {
		return violated("a flip moves a pointer to the next epoch", "entry %d: %d, the next was %d", index, view.Cluster().Epochs.Current, was.Epochs.Next)
	}
	expected := w.keys.expected(index)
	for n, v := range expected {
		if f.aside[n] {
			continue
		}
		if n > r.Rewrap.N {
			if !v.pair {
				return violated("what comes during a rewrap is a pair", "entry %d: number %d", index, n)
			}
			continue
		}
		if of := passOf(r, n); !another(f.verifiers[of], f.writers[of]) {
			return violated("the flip comes after every blob is verified by another unit", "entry %d: number %d, written by %v, verified by %v",
				index, n, f.writers[of], f.verifiers[of])
		}
	}
	return nil
}

// oldKeyIsGone: after `complete` the old key opens nothing in any unit that is not fenced.
func (w *world) oldKeyIsGone(view *fsm.View, r fsm.Rotation) error {
	for _, n := range w.nodes {
		if !n.takesPart(view, r) {
			continue
		}
		if n.status.Registers.CurrentPattern != masterkey.Pattern(r.To) {
			return violated("after complete no unit holds the old key", "entry %d: unit %d holds %v", view.Index(), n.number, n.status.Registers)
		}
		for epoch, blobs := range w.facts.blobs {
			for number, blob := range blobs {
				if epoch < view.CurrentEpoch() && n.unit.Check(blob) == nil {
					return violated("after complete the old key opens nothing", "entry %d: unit %d opens number %d of epoch %d", view.Index(), n.number, number, epoch)
				}
			}
		}
	}
	return nil
}

// replicaHolds is asked of a replica that has moved: the same log gives the same state, whatever the batches.
func (n *node) replicaHolds() error {
	view, err := n.store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	if n.differs(view) || view.Index() < n.reached {
		return n.unitHolds(view)
	}
	is, err := view.Digest()
	if err != nil {
		return err
	}
	want, known, err := n.world.facts.digest(view.Index())
	if err != nil || known && is != want {
		return errors.Join(err, violated("equal logs give equal states", "node %d at entry %d", n.number, view.Index()))
	}
	return n.unitHolds(view)
}

// unitHolds is asked of a node whose replica or unit has moved: its unit holds what its replica's blobs are under, once the node
// has arrived, and until it is fenced.
func (n *node) unitHolds(view *fsm.View) error {
	if n.world.liars != nil {
		return nil
	}
	status := n.status
	u, known := view.Unit(n.number)
	cluster := view.Cluster()
	if !n.serves() || !known || u.Identity != fsm.Identity(status.Identity) || !u.IsEnrolled() || u.IsFenced() || cluster.Pattern == (fsm.Pattern{}) {
		return nil
	}
	r, pattern := status.Registers, masterkey.Pattern(cluster.Pattern)
	if r.Current == masterkey.CurrentEmpty && r.New == masterkey.NewEmpty {
		return nil // it is to be given the master key
	}
	if r.CurrentPattern != pattern && (r.New != masterkey.NewFullCommitted || r.NewPattern != pattern) && r.Current != masterkey.CurrentEmpty {
		return violated("no unit drops a key that a live blob needs", "node %d at entry %d: its unit holds %v, its replica is under %v", n.number, view.Index(), r, pattern)
	}
	return nil
}

// unitChanged is asked of a unit whose file was written: which steps it may have taken.
func (n *node) unitChanged(was cryptounit.Status) error {
	f := n.world.facts
	is := n.status
	a, b := was.Registers, is.Registers
	// Where hosts lie, a generator whose file was rolled back may draw another; nobody then commits both.
	// So may units whose custodians brought them different parts.
	if b.New == masterkey.NewFullCommitted || b.New != masterkey.NewEmpty && n.world.liars == nil && f.custody[is.OpenOrder] == nil {
		if f.held(is.OpenOrder, b.NewPattern) > 1 {
			return violated("at most one pattern an order", "unit %d holds %v, others another", n.number, b.NewPattern)
		}
	}
	if was.Identity != is.Identity || was.Number == 0 {
		return nil
	}
	if err := n.obeyed(was); err != nil {
		return err
	}
	if a.New != masterkey.NewEmpty && b.New == masterkey.NewEmpty && a.CurrentPattern == b.CurrentPattern && !f.cancelled[was.OpenOrder] {
		return violated("a new register is cleared by a signed cancel alone", "unit %d", n.number)
	}
	if a.CurrentPattern == b.CurrentPattern || n.world.liars != nil {
		return nil
	}
	view, err := n.store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	r, _ := view.Rotation()
	if r.State != fsm.StateActivating && r.State != fsm.StateComplete || masterkey.Pattern(r.To) != b.CurrentPattern {
		return violated("a unit activates once its own node has seen the flip", "unit %d, its replica is %v", n.number, r.State)
	}
	return n.unitHolds(view)
}

// obeyed: whatever its host says, a unit takes up only orders that administrators signed for this very cluster, loads only what
// the order's generator drew, and gives up its current key only for one that every unit of the order has committed.
func (n *node) obeyed(was cryptounit.Status) error {
	f, is := n.world.facts, n.status
	a, b := was.Registers, is.Registers
	if is.OpenOrder != was.OpenOrder && !is.OpenOrder.IsZero() && f.orders[is.OpenOrder] == nil {
		return violated("a unit accepts only what administrators signed for its cluster", "unit %d accepted %v", n.number, is.OpenOrder)
	}
	if c := n.world.custodyOf(f.orders[is.OpenOrder]); c != nil && b.New != masterkey.NewEmpty && !c.combines(b.NewPattern) {
		return violated("a unit loads only what custodians gave", "unit %d holds %v", n.number, b.NewPattern)
	}
	if o := f.orders[is.OpenOrder]; o != nil && o.Generator != 0 && b.New != masterkey.NewEmpty && o.Generator != n.number &&
		!f.did[deed{is.OpenOrder, order.Generated, b.NewPattern}][o.Generator] {
		return violated("a unit loads only what the generator drew", "unit %d holds %v", n.number, b.NewPattern)
	}
	if a.CurrentPattern == b.CurrentPattern {
		return nil
	}
	o := f.orders[was.OpenOrder]
	if b.Current == masterkey.CurrentEmpty || o == nil {
		return violated("no unit clears its key on its host's word", "unit %d: %v", n.number, b)
	}
	for _, unit := range o.Targets() {
		if !f.did[deed{was.OpenOrder, order.Committed, b.CurrentPattern}][unit] {
			return violated("no unit clears its key on its host's word", "unit %d activated before unit %d committed", n.number, unit)
		}
	}
	return nil
}

// cameUp is asked of a node that started: its unit's file holds all that the unit has stated.
func (n *node) cameUp() error {
	status := n.unit.Status()
	if n.world.liars != nil {
		return nil
	}
	if said := n.world.facts.spokenAt[status.Identity]; status.Generation < said && n.newest == nil {
		return violated("a unit states only what its file holds", "unit %d came back at generation %d, and had stated %d", n.number, status.Generation, said)
	}
	return nil
}

// hasArrived is asked of a node that is about to serve: a unit that was rolled back does not, and no other is taken for one.
func (n *node) hasArrived() error {
	if n.world.liars != nil {
		return nil
	}
	status := n.unit.Status()
	if heard := n.world.facts.heardAt[status.Identity]; n.arrived && status.Generation < heard {
		return violated("a unit that was rolled back does not serve", "unit %d at generation %d, it had stated %d", n.number, status.Generation, heard)
	}
	if n.arrived && n.newest != nil { // nothing that it stated since was heard: the older file is as good
		n.newest = nil
		n.world.facts.spokenAt[status.Identity] = status.Generation
	}
	if errors.Is(n.failed, converge.ErrRolledBack) && n.newest == nil {
		return violated("no unit is taken for rolled back that is not", "unit %d: %v", n.number, n.failed)
	}
	return nil
}
