package fsm

import (
	"errors"
	"slices"

	"tumbler/cryptounit/order"
)

func (t *tx) submitStatement(c *SubmitStatement) (Result, error) {
	signed, err := order.DecodeSignedStatement(c.Statement)
	if err != nil {
		return Result{}, ErrStatementMalformed.with("%v", err)
	}
	s, err := signed.Decode()
	if err != nil || s.Kind == order.ReportOnly {
		return Result{}, ErrStatementMalformed.with("a report is no statement about an order")
	}
	r := t.control.rotation
	if r == nil || Digest(s.Order) != r.Order {
		return Result{}, ErrStatementOrder.with("%v", s.Order)
	}
	u := t.control.unit(s.Unit)
	if u == nil || Identity(signed.Identity) != u.Identity || !slices.Contains(r.Plan.Units, s.Unit) {
		return Result{}, ErrStatementUnit.with("%d", s.Unit)
	}
	if t.has(s) && !t.asksAgain(s, u) {
		return Result{}, nil
	}
	if s.Generation <= u.Generation {
		return Result{}, ErrGeneration.with("crypto unit %d: %d, its last is %d", s.Unit, s.Generation, u.Generation)
	}
	if err := t.awaited(s); err != nil {
		return Result{}, err
	}
	if err := t.take(s, c); err != nil {
		return Result{}, err
	}
	if err := t.keep(s, c.Statement); err != nil {
		return Result{}, ErrStatementMalformed.with("%v", err)
	}
	t.states(s.Unit, s.Generation, c.Statement)
	return Result{}, t.advance(c.At)
}

// has: the state holds a statement of the unit that says the same.
func (t *tx) has(s *order.Statement) bool {
	return slices.ContainsFunc(t.control.record.Statements, s.Same)
}

// asksAgain: a blob that was repaired does not open once more, which the unit states anew.
func (t *tx) asksAgain(s *order.Statement, u *Unit) bool {
	if s.Kind != order.CannotOpen || s.Generation <= u.Generation || t.awaited(s) != nil {
		return false
	}
	return !slices.ContainsFunc(t.control.rotation.Bad, func(b BadBlob) bool {
		return b.Number == s.Blob.Number && slices.Contains(b.Units, s.Unit)
	})
}

// keep adds the statement to the evidence.
func (t *tx) keep(s *order.Statement, der []byte) error {
	control := t.own()
	if err := control.record.AddStatement(s); err != nil {
		return err
	}
	t.putBytes(space(spaceStatement, control.rotation.Order[:], u64(t.index)), der)
	t.notable()
	return nil
}

// awaited refuses what the rotation does not wait for in its state.
func (t *tx) awaited(s *order.Statement) error {
	r := t.control.rotation
	waits := false
	switch s.Kind {
	case order.Ready:
		waits = r.State == StatePreparing
	case order.Generated:
		waits = r.State == StateGenerating && s.Unit == r.Plan.Generator
	case order.Loaded:
		waits = r.State == StateLoading && slices.Contains(t.control.record.Order.Loaders(), s.Unit)
	case order.Committed:
		waits = r.State == StateCommitting && slices.Contains(r.Plan.Loads, s.Unit)
	case order.Verified, order.CannotOpen:
		waits = r.State == StateRewrapping || r.State == StateVerifying || r.State == StateBlocked
	case order.Activated:
		waits = (r.State == StateActivating || r.State == StateComplete) && slices.Contains(r.Plan.Loads, s.Unit)
	case order.Cleared:
		waits = r.State == StateCancelling || r.State == StateCancelled
	case order.ReportOnly:
	}
	if waits {
		return nil
	}
	if r.State == StateCancelling || r.State == StateCancelled {
		return ErrRotationCancelled.with("%v of crypto unit %d", s.Kind, s.Unit)
	}
	return ErrNotAwaited.with("%v of crypto unit %d while it is %v", s.Kind, s.Unit, r.State)
}

// take does what a statement of its kind means.
func (t *tx) take(s *order.Statement, c *SubmitStatement) error {
	r := t.control.rotation
	if s.Kind != order.Generated && len(c.Envelopes) > 0 {
		return ErrEnvelopes.with("only `generated` comes with envelopes")
	}
	switch s.Kind {
	case order.Ready:
		return nil
	case order.Generated:
		return t.generated(s, c.Envelopes)
	case order.Loaded:
		if r.Plan.Kind == order.Rotate.String() && Pattern(s.Pattern) == r.From {
			return ErrNewKeyIsCurrent
		}
		if r.Plan.Generator == 0 && r.To == (Pattern{}) {
			t.rotation().To = Pattern(s.Pattern) // of the first that combined the parts; the others must agree
		}
		t.remove(space(spaceEnvelope, r.Order[:], u32(s.Unit)))
		return t.samePattern(s)
	case order.Committed:
		return t.samePattern(s)
	case order.Activated:
		if err := t.samePattern(s); err != nil {
			return err
		}
		t.lift(s.Unit)
	case order.Cleared:
		if r.Plan.Kind != order.Recover.String() || !slices.Contains(r.Plan.Loads, s.Unit) {
			t.lift(s.Unit) // the target of a recovery that was cancelled still has no master key
		}
	case order.Verified:
		return t.verified(s)
	case order.CannotOpen:
		return t.cannotOpen(s)
	case order.ReportOnly:
	}
	return nil
}

// lift ends a fence: the unit has converged.
func (t *tx) lift(unit uint32) {
	if u := t.unit(unit); u.IsFenced() {
		u.Fenced = Digest{}
	}
}

func (t *tx) samePattern(s *order.Statement) error {
	if to := t.control.rotation.To; Pattern(s.Pattern) != to {
		return ErrStatementConflict.with("crypto unit %d says %v, the rotation's key is %x", s.Unit, s.Pattern, to)
	}
	return nil
}

// generated takes the pattern and an envelope for every unit that loads: all or none.
func (t *tx) generated(s *order.Statement, envelopes [][]byte) error {
	o := t.control.record.Order
	if o.Kind == order.Rotate && s.Pattern == o.Current {
		return ErrNewKeyIsCurrent
	}
	if o.Kind == order.Recover && s.Pattern != o.Subject.Pattern {
		return ErrStatementConflict.with("crypto unit %d says %v, the order recovers %v", s.Unit, s.Pattern, o.Subject.Pattern)
	}
	loaders := o.Loaders()
	if len(envelopes) != len(loaders) || len(s.Envelopes) != len(loaders) {
		return ErrEnvelopes.with("%d envelopes, %d named, %d units load", len(envelopes), len(s.Envelopes), len(loaders))
	}
	digest := t.control.rotation.Order
	for i, der := range envelopes {
		e, err := order.DecodeEnvelope(der)
		if err != nil {
			return ErrEnvelopes.with("%v", err)
		}
		d, err := e.Digest()
		if err != nil {
			return ErrEnvelopes.with("%v", err)
		}
		if e.Unit != loaders[i] || s.Envelopes[i] != (order.EnvelopeName{Unit: e.Unit, Digest: d}) {
			return ErrEnvelopes.with("envelope %d is not the one stated for crypto unit %d", i+1, loaders[i])
		}
		t.putBytes(space(spaceEnvelope, digest[:], u32(e.Unit)), der)
	}
	t.rotation().To = Pattern(s.Pattern)
	return nil
}

// verified notes that a partition is verified in its present pass, by a unit that wrote none of it.
func (t *tx) verified(s *order.Statement) error {
	r, v := t.rotation(), s.Verification
	if v.Last != r.Rewrap.N || int(v.Partition) >= len(r.Rewrap.Partitions) {
		return ErrPartitionUnknown.with("%d of 1..%d", v.Partition, v.Last)
	}
	p := &r.Rewrap.Partitions[v.Partition]
	switch {
	case v.Pass != p.Pass:
		return ErrStalePass.with("partition %d is in pass %d, not %d", p.Index, p.Pass, v.Pass)
	case !p.Written():
		return ErrNotAwaited.with("partition %d is not written", p.Index)
	case slices.Contains(p.Writers, s.Unit):
		return ErrStatementConflict.with("crypto unit %d wrote some of partition %d", s.Unit, p.Index)
	case Counts{v.Counts[0], v.Counts[1], v.Counts[2]} != p.Done:
		return ErrStatementConflict.with("crypto unit %d counts %v in partition %d, written were %v", s.Unit, v.Counts, p.Index, p.Done)
	}
	if p.Verified == 0 {
		p.Verified = s.Unit
		r.Verified = r.Verified.plus(p.Done)
	}
	return nil
}

// cannotOpen notes a blob in question. When every unit that is heard of failed at every such blob, the rotation is blocked.
func (t *tx) cannotOpen(s *order.Statement) error {
	r := t.rotation()
	if s.Blob.Number == 0 || s.Blob.Number > r.Rewrap.N {
		return ErrBlobUnknown.with("%d", s.Blob.Number)
	}
	// What was set aside is in question no more: nobody else would answer for it, and nothing would end the question. A member of
	// an older release accepts the same entry.
	if t.control.cluster.FeatureLevel >= levelAside {
		if _, err := getBytes(t.from, space(spaceAside, u64(s.Blob.Number))); err == nil {
			return ErrBlobUnknown.with("%d was set aside", s.Blob.Number)
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	at, found := slices.BinarySearchFunc(r.Bad, s.Blob.Number, func(b BadBlob, n uint64) int {
		return compare(b.Number, n)
	})
	if !found {
		r.Bad = slices.Insert(r.Bad, at, BadBlob{Number: s.Blob.Number})
	}
	if units := r.Bad[at].Units; !slices.Contains(units, s.Unit) {
		r.Bad[at].Units = append(slices.Clone(units), s.Unit)
		slices.Sort(r.Bad[at].Units)
	}
	return nil
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
