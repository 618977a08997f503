package order

import (
	"errors"
	"fmt"
	"strings"

	"tumbler/cryptounit/masterkey"
)

// The refusals of Needs, beyond a MissingError.
var (
	ErrNotNamed       = errors.New("the order does not name this unit for this step")
	ErrWrongKind      = errors.New("an order of this kind has no such step")
	ErrTwoPatterns    = errors.New("two verification patterns under one order")
	ErrSameAsCurrent  = errors.New("the new master key is the current one")
	ErrCensus         = errors.New("what was verified does not add up to the census")
	ErrNotCancelled   = errors.New("no cancel is signed for this order")
	ErrMissing        = errors.New("evidence is missing")
	errNothingToCheck = errors.New("no key is generated or loaded yet")
)

// MissingError says what a step still waits for; it is ErrMissing.
type MissingError struct {
	Step Step
	// What is the kind of statement awaited, 0 where it is an approval.
	What StatementKind
	// Units are those whose statement is awaited, by rising number.
	Units []uint32
	// Partitions are those not yet verified.
	Partitions []uint32
}

func (e *MissingError) Error() string {
	switch e.What { //nolint:exhaustive // the other kinds are awaited of units by name
	case 0:
		return fmt.Sprintf("%v waits for the administrators' signature", e.Step)
	case Verified:
		return fmt.Sprintf("%v waits for %d partitions to be verified", e.Step, len(e.Partitions))
	}
	return fmt.Sprintf("%v waits for `%v` of crypto unit %s", e.Step, e.What, strings.Trim(strings.Join(strings.Fields(fmt.Sprint(e.Units)), ", "), "[]"))
}

// Unwrap returns ErrMissing.
func (e *MissingError) Unwrap() error { return ErrMissing }

// Needs reports whether the record holds all that a step needs: nil, a
// *MissingError when something is still to come, or a refusal that no
// further statement mends. The replicated state calls it with unit 0, which
// stands for every unit of the step; a unit calls it with its own number on
// evidence that it verified. What only the unit knows (its registers, its
// list, what it accepted before) is checked there.
func Needs(step Step, unit uint32, r *Record) error {
	if !r.Order.Kind.StaysOpen() {
		return fmt.Errorf("%w: %v of an order of kind %v", ErrWrongKind, step, r.Order.Kind)
	}
	switch step {
	case StepPrepare:
		return named(step, unit, r.Order.Participants())
	case StepGenerate:
		return r.needsGenerate(unit)
	case StepLoad:
		return r.needsLoad(unit)
	case StepCommit:
		return r.needsCommit(unit)
	case StepRewrap:
		return r.needsRewrap(unit)
	case StepActivate:
		return r.needsActivate(unit)
	case StepClear:
		if r.Cancel == nil {
			return ErrNotCancelled
		}
		return named(step, unit, numbers(r.Order.Units))
	case StepSetImmediate:
		return r.needsSetImmediate(unit)
	case StepClearCurrent, StepZeroize:
		return fmt.Errorf("%w: %v goes by an approval of its own", ErrWrongKind, step)
	}
	return fmt.Errorf("%w: step %d", ErrWrongKind, step)
}

// Pattern returns the pattern of the key that the order brings, from the
// statements made so far; all must agree, and it is never the current one.
func (r *Record) Pattern() (masterkey.Pattern, error) {
	var p masterkey.Pattern
	for _, s := range r.Statements {
		if s.Pattern.IsZero() {
			continue
		}
		if !p.IsZero() && s.Pattern != p {
			return p, fmt.Errorf("%w: %v and %v", ErrTwoPatterns, p, s.Pattern)
		}
		p = s.Pattern
	}
	if p.IsZero() {
		return p, errNothingToCheck
	}
	if r.Order.Kind == Rotate && p == r.Order.Current {
		return p, ErrSameAsCurrent
	}
	if r.Order.Kind == Recover && p != r.Order.Subject.Pattern {
		return p, fmt.Errorf("%w: the order recovers %v, not %v", ErrTwoPatterns, r.Order.Subject.Pattern, p)
	}
	return p, nil
}

func named(step Step, unit uint32, among []uint32) error {
	if unit == 0 {
		return nil
	}
	for _, n := range among {
		if n == unit {
			return nil
		}
	}
	return fmt.Errorf("%w: unit %d, %v", ErrNotNamed, unit, step)
}

// said asks for one kind of statement of every unit among.
func (r *Record) said(step Step, kind StatementKind, among []uint32) error {
	missing := &MissingError{Step: step, What: kind}
	for _, n := range among {
		if r.Said(kind, n) == nil {
			missing.Units = append(missing.Units, n)
		}
	}
	if len(missing.Units) > 0 {
		return missing
	}
	return nil
}

// approved asks for an approval of the order's pattern; one of another
// pattern, which a single administrator can make, stands in nobody's way.
func (r *Record) approved(step Step) error {
	p, err := r.Pattern()
	if err != nil {
		return err
	}
	for _, a := range r.Approvals {
		if a.Step == step && a.Pattern == p {
			return nil
		}
	}
	if a := r.Approved(step); a != nil {
		return fmt.Errorf("%w: %v was approved for %v, the key is %v", ErrTwoPatterns, step, a.Pattern, p)
	}
	return &MissingError{Step: step}
}

func (r *Record) needsGenerate(unit uint32) error {
	if r.Order.Generator == 0 {
		return fmt.Errorf("%w: its key comes in parts", ErrWrongKind)
	}
	if err := named(StepGenerate, unit, []uint32{r.Order.Generator}); err != nil {
		return err
	}
	return r.said(StepGenerate, Ready, r.Order.Participants())
}

func (r *Record) needsLoad(unit uint32) error {
	if err := named(StepLoad, unit, r.Order.Loaders()); err != nil {
		return err
	}
	if r.Order.Generator == 0 {
		return r.said(StepLoad, Ready, r.Order.Participants())
	}
	if err := r.said(StepLoad, Generated, []uint32{r.Order.Generator}); err != nil {
		return err
	}
	_, err := r.Pattern()
	return err
}

func (r *Record) needsCommit(unit uint32) error {
	if err := named(StepCommit, unit, r.Order.Targets()); err != nil {
		return err
	}
	if r.Order.Generator != 0 {
		if err := r.said(StepCommit, Generated, []uint32{r.Order.Generator}); err != nil {
			return err
		}
	}
	if err := r.said(StepCommit, Loaded, r.Order.Loaders()); err != nil {
		return err
	}
	if _, err := r.Pattern(); err != nil {
		return err
	}
	if r.Order.Commit == Signed {
		return r.approved(StepCommit)
	}
	return nil
}

func (r *Record) needsRewrap(unit uint32) error {
	if r.Order.Kind != Rotate {
		return fmt.Errorf("%w: there is nothing to rewrap", ErrWrongKind)
	}
	if err := named(StepRewrap, unit, r.Order.Targets()); err != nil {
		return err
	}
	if err := r.said(StepRewrap, Committed, r.Order.Targets()); err != nil {
		return err
	}
	_, err := r.Pattern()
	return err
}

func (r *Record) needsActivate(unit uint32) error {
	if err := named(StepActivate, unit, r.Order.Targets()); err != nil {
		return err
	}
	if err := r.said(StepActivate, Committed, r.Order.Targets()); err != nil {
		return err
	}
	if _, err := r.Pattern(); err != nil {
		return err
	}
	if r.Order.Kind == Rotate {
		if err := r.CheckVerified(); err != nil {
			return err
		}
	}
	if r.Order.Activate == Signed {
		return r.approved(StepActivate)
	}
	return nil
}

func (r *Record) needsSetImmediate(unit uint32) error {
	if r.Order.Kind != Init || r.Order.Generator != 0 {
		return fmt.Errorf("%w: set-immediate ends an init with key parts", ErrWrongKind)
	}
	if err := named(StepSetImmediate, unit, r.Order.Targets()); err != nil {
		return err
	}
	if err := r.said(StepSetImmediate, Committed, r.Order.Targets()); err != nil {
		return err
	}
	return r.approved(StepSetImmediate)
}

// CheckVerified reports whether `verified` statements cover 1..Last and
// their counts sum to the census less what was settled. Of several for one
// partition the one of the highest pass counts.
func (r *Record) CheckVerified() error {
	n := Partitions(r.Last)
	latest := make([]*Verification, n)
	for _, s := range r.Statements {
		if s.Kind != Verified {
			continue
		}
		v := s.Verification
		if v.Last != r.Last || v.Partition >= n {
			return fmt.Errorf("%w: unit %d verified partition %d of 1..%d, the rewrap covers 1..%d", ErrCensus, s.Unit, v.Partition, v.Last, r.Last)
		}
		if latest[v.Partition] == nil || v.Pass >= latest[v.Partition].Pass {
			latest[v.Partition] = v
		}
	}
	missing := &MissingError{Step: StepActivate, What: Verified}
	var sum Counts
	for p, v := range latest {
		if v == nil {
			missing.Partitions = append(missing.Partitions, uint32(p))
			continue
		}
		sum = sum.Plus(v.Counts)
	}
	if len(missing.Partitions) > 0 {
		return missing
	}
	want, ok := r.Census.Minus(r.Settled)
	if !ok || sum != want {
		return fmt.Errorf("%w: verified %v, census %v, settled %v", ErrCensus, sum, r.Census, r.Settled)
	}
	return nil
}
