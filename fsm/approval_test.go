package fsm

import (
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// say has units state something that they did not.
func (w *world) say(kind order.StatementKind, pattern masterkey.Pattern, units ...uint32) {
	w.t.Helper()
	for _, n := range units {
		w.must(w.forged(kind, n, func(s *order.Statement) { s.Pattern = pattern }))
	}
}

// byParts has the key come in parts, and every step signed.
func byParts(o *order.Order) {
	o.Generator, o.Parts, o.Commit, o.Activate = 0, 2, order.Signed, order.Signed
}

// TestApprovalsOfAnInitWithPartsWaitForTheirTurn: what is approved can be seen by who signs it, commit comes before what ends it, and
// that is set-immediate. One administrator's approval of another pattern bars nothing.
func TestApprovalsOfAnInitWithPartsWaitForTheirTurn(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, byParts))
	w.until(StateLoading)
	r, _, _ := w.evidence()
	key, other := masterkey.Pattern{77}, Pattern{78}
	approval := func(step order.Step, p Pattern) *SubmitApproval { return w.approval(step, p, r.Order) }
	w.refuses(t,
		refusal{"commit before any key", approval(order.StepCommit, Pattern(key)), ErrApprovalEarly},
		refusal{"set-immediate before any key", approval(order.StepSetImmediate, Pattern(key)), ErrApprovalEarly},
	)
	w.say(order.Loaded, key, 1, 2)
	w.refuses(t,
		refusal{"commit before all have loaded", approval(order.StepCommit, Pattern(key)), ErrApprovalEarly},
		refusal{"set-immediate before all have loaded", approval(order.StepSetImmediate, Pattern(key)), ErrApprovalEarly},
	)
	w.say(order.Loaded, key, 3)
	w.refuses(t,
		refusal{"activate", approval(order.StepActivate, Pattern(key)), ErrApprovalNotAsked},
		refusal{"commit of another key", approval(order.StepCommit, other), ErrApproval},
		refusal{"set-immediate of another key", approval(order.StepSetImmediate, other), ErrApproval},
		refusal{"committed before the quorum signed", w.forged(order.Activated, 1, nil), ErrNotAwaited},
	)
	w.must(approval(order.StepSetImmediate, Pattern(key)))
	w.must(approval(order.StepCommit, Pattern(key)))
	w.say(order.Committed, key, 1, 2)
	if state := w.rotationState(); state != StateCommitting {
		t.Fatalf("before every unit has committed it is %v", state)
	}
	w.say(order.Committed, key, 3)
	if state := w.rotationState(); state != StateActivating {
		t.Fatalf("every unit has committed, and it is %v", state)
	}
	w.say(order.Activated, key, 1, 2, 3)
	if state := w.rotationState(); state != StateComplete {
		t.Fatalf("every unit has activated, and it is %v", state)
	}
}

// TestAnActivationIsApprovedOnceEveryUnitHasCommitted: before that it is refused, then it is taken and waits for the rewrap.
func TestAnActivationIsApprovedOnceEveryUnitHasCommitted(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	w.createKey(1)
	w.register()
	w.must(w.order(order.Rotate, byParts))
	w.until(StateLoading)
	r, _, _ := w.evidence()
	key := masterkey.Pattern{77}
	activate := w.approval(order.StepActivate, Pattern(key), r.Order)
	early := func(when string) {
		t.Helper()
		w.refuses(t, refusal{when, activate, ErrApprovalEarly},
			refusal{when, w.approval(order.StepSetImmediate, Pattern(key), r.Order), ErrApprovalNotAsked})
	}
	early("before any key")
	w.say(order.Loaded, key, 1, 2, 3)
	early("before it is committed")
	w.must(w.approval(order.StepCommit, Pattern(key), r.Order))
	w.say(order.Committed, key, 1, 2)
	early("before the last has committed")
	w.say(order.Committed, key, 3)
	w.must(activate)
	if state := w.rotationState(); state != StateRewrapping {
		t.Fatalf("with the approval it is %v", state)
	}
}

// TestAnInitThatIsHeldIsApprovedOnceEveryUnitHasCommitted: it has nothing to rewrap.
func TestAnInitThatIsHeldIsApprovedOnceEveryUnitHasCommitted(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.must(w.order(order.Init, func(o *order.Order) { o.Activate = order.Signed }))
	w.until(StateCommitting)
	r, _, _ := w.evidence()
	activate := w.approval(order.StepActivate, r.To, r.Order)
	w.refuses(t, refusal{"before it is committed", activate, ErrApprovalEarly})
	w.converge(StateActivating)
	w.must(activate)
	w.until(StateComplete)
}

// TestApprovalsWaitForTheirTurnFromTheirLevelOn: members of an older release take them before.
func TestApprovalsWaitForTheirTurnFromTheirLevelOn(t *testing.T) {
	w := newWorldAt(t, levelTurn-1, 2, 1)
	w.must(w.order(order.Init, byParts))
	w.until(StateLoading)
	r, _, _ := w.evidence()
	key := masterkey.Pattern{77}
	w.say(order.Loaded, key, 1)
	w.must(w.approval(order.StepCommit, Pattern(key), r.Order))
	w.must(w.approval(order.StepActivate, Pattern(key), r.Order))
}
