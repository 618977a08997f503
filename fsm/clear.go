package fsm

import (
	"bytes"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// clearCurrent has a unit empty its current register, where another keeps the master key: from this entry on nobody counts on that
// unit any more, so that of two units that are to be emptied the second is refused.
func (t *tx) clearCurrent(c *ClearCurrent) (Result, error) {
	signed, err := order.DecodeSignedApproval(c.Approval)
	if err != nil {
		return Result{}, ErrApprovalMalformed.with("%v", err)
	}
	a, err := order.DecodeApproval(signed.Approval)
	if err != nil || a.Step != order.StepClearCurrent {
		return Result{}, ErrApprovalMalformed.with("it is none of clear-current")
	}
	u := t.unitOf(Identity(a.Unit))
	if u != nil && bytes.Equal(u.Clear, c.Approval) {
		return Result{}, nil // the same again
	}
	if err := t.clearable(u, a); err != nil {
		return Result{}, err
	}
	t.unit(u.Number).Clear = c.Approval
	t.notable()
	return Result{}, nil
}

func (t *tx) unitOf(identity Identity) *Unit {
	for i := range t.control.units {
		if t.control.units[i].Identity == identity {
			return &t.control.units[i]
		}
	}
	return nil
}

// clearable holds the guards, together.
func (t *tx) clearable(u *Unit, a *order.Approval) error {
	cluster := &t.control.cluster
	switch {
	case u == nil || !u.IsEnrolled():
		return ErrUnitUnknown.with("%v is no unit of the instance", a.Unit)
	case ID(a.Cluster) != cluster.ID || a.Incarnation != uint64(cluster.Incarnation):
		return ErrOrderCluster.with("the approval is for cluster %v, incarnation %d", a.Cluster, a.Incarnation)
	case t.control.open() != nil:
		return ErrOrderOpen.with("order %d is %v", t.control.rotation.Number, t.control.rotation.State)
	case cluster.Pattern == (Pattern{}):
		return ErrNoMasterKey
	case u.IsFenced():
		return ErrUnitFenced.with("crypto unit %d", u.Number)
	case a.Generation != u.Generation:
		return ErrGeneration.with("the approval is for crypto unit %d at generation %d, and it is at %d", u.Number, a.Generation, u.Generation)
	}
	report, err := t.report(u.Number)
	if err != nil {
		return err
	}
	if report.Registers.Current == masterkey.CurrentEmpty {
		return ErrCurrentRegister.with("that of crypto unit %d is Empty already", u.Number)
	}
	for i := range t.control.units {
		if other := &t.control.units[i]; other.Number == u.Number || !other.IsEnrolled() || other.IsFenced() || len(other.Clear) > 0 {
			continue
		}
		report, err := t.report(t.control.units[i].Number)
		if err != nil {
			return err
		}
		if report.Registers.Current == masterkey.CurrentValid && Pattern(report.Registers.CurrentPattern) == cluster.Pattern {
			return nil
		}
	}
	return ErrLastHolder.with("crypto unit %d", u.Number)
}
