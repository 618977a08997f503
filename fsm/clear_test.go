package fsm

import (
	"testing"

	"tumbler/cryptounit/order"
)

// clearing is the administrators' approval that a unit empties its current register.
func (w *world) clearing(unit uint32, change func(*order.Approval)) *ClearCurrent {
	w.t.Helper()
	s := w.units[unit-1].Status()
	a := &order.Approval{Step: order.StepClearCurrent, Cluster: w.cluster, Incarnation: 1, Unit: s.Identity, Generation: s.Generation}
	if change != nil {
		change(a)
	}
	der, err := a.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	signed := &order.SignedApproval{Approval: der}
	if err := signed.Sign(w.admin); err != nil {
		w.t.Fatal(err)
	}
	encoded, err := signed.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return &ClearCurrent{Approval: encoded, At: w.clock}
}

// clear has a unit do what the state has accepted, and say what it is then.
func (w *world) clear(unit uint32) {
	w.t.Helper()
	v := w.view()
	u, _ := v.Unit(unit)
	v.Close()
	signed, err := order.DecodeSignedApproval(u.Clear)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.units[unit-1].ClearCurrent(*signed); err != nil {
		w.t.Fatal(err)
	}
	w.must(w.registration(unit))
}

// TestACurrentRegisterIsEmptiedWhereAnotherKeepsTheKey: the last that shows it keeps it, whatever is on its way to the others; and
// nothing begins before the unit has said that it is empty. Then it is recovered.
func TestACurrentRegisterIsEmptiedWhereAnotherKeepsTheKey(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.refuses(t, refusal{"before there is a master key", w.clearing(1, nil), ErrUnitUnknown})
	w.must(w.order(order.Init, nil))
	w.until(StateGenerating)
	w.register()
	w.refuses(t, refusal{"while the units are enrolled", w.clearing(1, nil), ErrUnitUnknown})
	w.until(StateComplete)
	w.refuses(t, refusal{"by reports of before the init", w.clearing(1, nil), ErrCurrentRegister})
	w.register()
	w.createKey(1)
	w.must(w.order(order.Rotate, nil))
	w.until(StateRewrapping)
	w.register()
	w.refuses(t, refusal{"while an order is open", w.clearing(1, nil), ErrOrderOpen})
	r, _, _ := w.evidence()
	w.must(w.order(order.Cancel, func(o *order.Order) { o.Subject = order.Subject{Order: order.Digest(r.Order), OrderNumber: r.Number} }))
	w.until(StateCancelled)
	w.register()
	w.refuses(t,
		refusal{"no approval", &ClearCurrent{Approval: []byte{1}}, ErrApprovalMalformed},
		refusal{"another step", w.clearing(1, func(a *order.Approval) { a.Step = order.StepZeroize }), ErrApprovalMalformed},
		refusal{"another cluster", w.clearing(1, func(a *order.Approval) { a.Cluster[0] ^= 1 }), ErrOrderCluster},
		refusal{"another incarnation", w.clearing(1, func(a *order.Approval) { a.Incarnation++ }), ErrOrderCluster},
		refusal{"a unit that nobody knows", w.clearing(1, func(a *order.Approval) { a.Unit[0] ^= 1 }), ErrUnitUnknown},
		refusal{"the unit as it was", w.clearing(1, func(a *order.Approval) { a.Generation-- }), ErrGeneration},
	)

	first := w.clearing(1, nil)
	w.must(first)
	w.must(first) // the same again
	w.refuses(t,
		refusal{"a rotation", w.unsaid(order.Rotate, nil), ErrCurrentRegister},
		refusal{"a removal of the others", w.unsaid(order.Remove, func(o *order.Order) { o.Subject.Units = o.Units[1:] }), ErrLastUnits},
	)
	w.must(w.clearing(2, nil))
	w.refuses(t, refusal{"the last", w.clearing(3, nil), ErrLastHolder})
	w.clear(1)
	w.refuses(t,
		refusal{"the last, once one is empty", w.clearing(3, nil), ErrLastHolder},
		refusal{"one that is empty", w.clearing(1, nil), ErrCurrentRegister},
	)
	w.clear(2)
	w.must(w.order(order.Recover, func(o *order.Order) {
		o.Subject = order.Subject{Pattern: o.Current, Units: o.Units[:2]}
	}))
	w.until(StateComplete)
	for _, u := range w.units {
		if s := u.Status(); Pattern(s.Registers.CurrentPattern) != r.From {
			t.Errorf("crypto unit %d holds %v", s.Number, s.Registers)
		}
	}
	w.register()
	w.must(w.clearing(3, nil))
}

// TestAnApprovalToClearIsForOneGeneration: once the unit has written its file since, nothing waits for it.
func TestAnApprovalToClearIsForOneGeneration(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	w.register()
	w.must(w.clearing(1, nil))
	w.register() // nothing was written
	if err := w.units[0].Reseal(); err != nil {
		t.Fatal(err)
	}
	w.refuses(t, refusal{"a rotation", w.unsaid(order.Rotate, nil), ErrCurrentRegister})
	w.register()
	w.must(w.order(order.Rotate, nil))
}
