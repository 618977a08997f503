package fsm

import (
	"tumbler/cryptounit/order"
)

// submitApproval takes what administrators sign beside the order. One that waits for its step waits in the evidence.
func (t *tx) submitApproval(c *SubmitApproval) (Result, error) {
	signed, err := order.DecodeSignedApproval(c.Approval)
	if err != nil {
		return Result{}, ErrApprovalMalformed.with("%v", err)
	}
	a, err := order.DecodeApproval(signed.Approval)
	if err != nil {
		return Result{}, ErrApprovalMalformed.with("%v", err)
	}
	r := t.control.rotation
	switch {
	case r == nil || c.Order != r.Order || Digest(a.Order) != r.Order:
		return Result{}, ErrOrderUnknown.with("%v is not the open order", a.Order)
	case t.control.record.Approved(a.Step) != nil:
		return Result{}, nil // the state has it
	case !r.State.Open() || r.State == StateCancelling:
		return Result{}, ErrOrderNotOpen.with("it is %v", r.State)
	}
	if err := t.turn(a.Step); err != nil {
		return Result{}, err
	}
	switch {
	case Pattern(a.Pattern) != r.To:
		return Result{}, ErrApproval.with("it names %v, the rotation's key is %x", a.Pattern, r.To)
	case !asked(t.control.record.Order, a.Step):
		return Result{}, ErrApproval.with("%v needs none", a.Step)
	}
	control := t.own()
	if err := control.record.AddApproval(a); err != nil {
		return Result{}, ErrApprovalMalformed.with("%v", err)
	}
	t.putBytes(space(spaceApproval, r.Order[:], u64(t.index)), c.Approval)
	t.notable()
	return Result{}, t.advance(c.At)
}

// turn refuses an approval whose step cannot come next: the signer would not see what it is that they sign for.
func (t *tx) turn(step order.Step) error {
	if t.control.cluster.FeatureLevel < levelTurn {
		return nil
	}
	state, o := t.control.rotation.State, t.control.record.Order
	byParts := o.Kind == order.Init && o.Generator == 0
	switch {
	case !asked(o, step):
		return ErrApprovalNotAsked.with("%v of order %d", step, o.Number)
	case step == order.StepActivate && byParts:
		return ErrApprovalNotAsked.with("an init with key parts ends with set-immediate")
	case step == order.StepSetImmediate && !byParts:
		return ErrApprovalNotAsked.with("only an init with key parts ends with set-immediate")
	case step == order.StepActivate && o.Kind == order.Rotate && state < StateRewrapping:
		return t.early(order.StepRewrap, state)
	case step == order.StepActivate && o.Kind != order.Rotate && !t.met(step, true):
		return t.early(step, state)
	case step != order.StepActivate && state < StateCommitting:
		return t.early(order.StepCommit, state)
	}
	return nil
}

// early says what comes before a step.
func (t *tx) early(step order.Step, state RotationState) error {
	if err := order.Needs(step, 0, t.control.record); err != nil {
		return ErrApprovalEarly.with("it is %v: %v", state, err)
	}
	return ErrApprovalEarly.with("it is %v", state)
}

func asked(o *order.Order, step order.Step) bool {
	switch step {
	case order.StepCommit:
		return o.Commit == order.Signed
	case order.StepActivate, order.StepSetImmediate:
		return o.Activate == order.Signed
	case order.StepPrepare, order.StepGenerate, order.StepLoad, order.StepRewrap, order.StepClear, order.StepClearCurrent, order.StepZeroize:
	}
	return false
}
