package fsm

import (
	"errors"
	"slices"

	"tumbler/cryptounit/order"
)

// advance moves the rotation on, inside the entry that brought the last thing a step waits for, until it waits for something
// more. What a step needs is order.Needs, the same function by which units decide whether to obey.
func (t *tx) advance(at Time) error {
	for {
		was := t.control.rotation.State
		if err := t.advanceOnce(at); err != nil {
			return err
		}
		if t.control.rotation.State == was {
			return nil
		}
		t.notable()
	}
}

// met: nothing is missing for a step, but perhaps an approval.
func (t *tx) met(step order.Step, butApproval bool) bool {
	err := order.Needs(step, 0, t.control.record)
	var missing *order.MissingError
	return err == nil || butApproval && errors.As(err, &missing) && missing.What == 0
}

func (t *tx) advanceOnce(at Time) error {
	r := t.control.rotation
	o := t.control.record.Order
	switch r.State {
	case StatePreparing:
		if r.Plan.Generator != 0 && t.met(order.StepGenerate, false) {
			t.rotation().State = StateGenerating
		}
		if r.Plan.Generator == 0 && t.met(order.StepLoad, false) {
			t.rotation().State = StateLoading
		}
	case StateGenerating:
		if t.met(order.StepLoad, false) {
			t.rotation().State = StateLoading
		}
	case StateLoading:
		if t.met(order.StepCommit, true) {
			t.rotation().State = StateCommitting
		}
	case StateCommitting:
		switch {
		case o.Kind == order.Rotate && t.met(order.StepRewrap, false):
			t.startRewrap(at)
		case o.Kind != order.Rotate && (t.met(order.StepActivate, false) || t.met(order.StepSetImmediate, false)):
			t.flip(at)
		}
	case StateRewrapping:
		t.block()
		if r := t.control.rotation; r.State == StateRewrapping && !slices.ContainsFunc(r.Rewrap.Partitions, unwritten) {
			t.rotation().State = StateVerifying
		}
	case StateVerifying:
		t.block()
		if r := t.control.rotation; r.State == StateVerifying && t.met(order.StepActivate, true) {
			t.rotation().State = StateRewrapped
		}
	case StateRewrapped:
		if t.met(order.StepActivate, false) {
			t.flip(at)
		}
	case StateActivating:
		if t.allSaid(order.Activated, r.Plan.Loads) {
			t.complete(at)
		}
	case StateCancelling:
		if t.allSaid(order.Cleared, r.Plan.Units) {
			r := t.rotation()
			r.State, r.Closed = StateCancelled, at
		}
	case StateNone, StateComplete, StateCancelled, StateBlocked:
	}
	return nil
}

func unwritten(p Partition) bool { return !p.Written() }

// allSaid: each unit has said it, or was left behind.
func (t *tx) allSaid(kind order.StatementKind, units []uint32) bool {
	for _, n := range units {
		u := t.control.unit(n)
		if t.control.record.Said(kind, n) == nil && (u == nil || u.Fenced != t.control.rotation.Order) {
			return false
		}
	}
	return true
}

// block: every unit that is heard of failed to open every blob in question.
func (t *tx) block() {
	r := t.control.rotation
	if len(r.Bad) == 0 {
		return
	}
	for _, bad := range r.Bad {
		if !r.opensNowhere(bad) {
			return
		}
	}
	r = t.rotation()
	r.State, r.Resume = StateBlocked, r.State
}

// startRewrap notes what the rewrap covers and opens the next epoch: from here on new blobs come as pairs.
func (t *tx) startRewrap(at Time) {
	r, cluster := t.rotation(), t.cluster()
	cluster.Epochs.Last++
	cluster.Epochs.Next = cluster.Epochs.Last
	n := cluster.NextBlob - 1
	r.State = StateRewrapping
	r.Rewrap = Rewrap{N: n, Epoch: cluster.Epochs.Next, Census: cluster.Census, Started: at}
	for i := range order.Partitions(n) {
		from, to, _ := order.PartitionRange(n, i)
		r.Rewrap.Partitions = append(r.Rewrap.Partitions, Partition{Index: i, From: from, End: to + 1, Cursor: from, Pass: 1})
	}
	record := t.own().record
	record.Last, record.Census = n, order.Counts{cluster.Census.System, cluster.Census.KMS, cluster.Census.EP11}
}

// flip makes the new master key and its epoch the current ones: it moves a pointer and nothing else.
func (t *tx) flip(at Time) {
	r, cluster := t.rotation(), t.cluster()
	r.State, r.Flipped = StateActivating, at
	cluster.Pattern = r.To
	switch t.control.record.Order.Kind {
	case order.Rotate:
		cluster.Epochs.Old, cluster.Epochs.Current, cluster.Epochs.Next = cluster.Epochs.Current, cluster.Epochs.Next, 0
		t.retire(t.control.record.Order, at)
	case order.Init:
		cluster.Epochs.Last++
		cluster.Epochs.Current = cluster.Epochs.Last
		for _, n := range r.Plan.Units {
			t.unit(n).Enrolled = r.Order
		}
	case order.Recover, order.Enrol, order.Remove, order.Administration, order.Settle, order.Restore, order.DestroyRetired, order.Cancel:
	}
	t.removeAll(space(spaceEnvelope, r.Order[:]))
}

// complete ends the rotation: the old epoch goes, in one operation.
func (t *tx) complete(at Time) {
	r, cluster := t.rotation(), t.cluster()
	r.State, r.Closed = StateComplete, at
	if cluster.Epochs.Old != 0 {
		t.removeAll(epochKey(cluster.Epochs.Old))
		cluster.Epochs.Old = 0
	}
}

// fenceUnit leaves a silent unit behind; it converges before it serves, and its statement lifts the fence.
func (t *tx) fenceUnit(c *FenceUnit) (Result, error) {
	r := t.control.rotation
	u := t.control.unit(c.Unit)
	if r == nil || c.Order != r.Order {
		return Result{}, ErrOrderUnknown
	}
	if u == nil {
		return Result{}, ErrUnitUnknown.with("%d", c.Unit)
	}
	if u.Fenced == r.Order {
		return Result{}, nil
	}
	kind, units := order.Activated, r.Plan.Loads
	if r.State == StateCancelling {
		kind, units = order.Cleared, r.Plan.Units
	}
	if r.State != StateActivating && r.State != StateCancelling || !slices.Contains(units, c.Unit) || t.control.record.Said(kind, c.Unit) != nil {
		return Result{}, ErrFenceNotAwaited.with("crypto unit %d while it is %v", c.Unit, r.State)
	}
	t.unit(c.Unit).Fenced = r.Order
	t.notable()
	return Result{}, t.advance(c.At)
}
