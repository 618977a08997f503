package converge

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// clearing is the administrators' approval that a unit empties its current register.
func (r *rig) clearing(unit uint32, by ...order.Signer) *fsm.ClearCurrent {
	r.t.Helper()
	s := r.nodes[unit-1].unit.Status()
	a := order.Approval{Step: order.StepClearCurrent, Cluster: order.ID{1}, Incarnation: 1, Unit: s.Identity, Generation: s.Generation}
	der, err := a.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	signed := order.SignedApproval{Approval: der}
	for _, signer := range by {
		if err := signed.Sign(signer); err != nil {
			r.t.Fatal(err)
		}
	}
	encoded, err := signed.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	return &fsm.ClearCurrent{Approval: encoded, At: fsm.TimeOf(time.Now())}
}

func (r *rig) registers() {
	r.t.Helper()
	for _, n := range r.nodes {
		if err := n.speaker.Register(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	}
}

// TestACurrentRegisterIsEmptiedOnceThatIsAccepted: not before this node has applied it, after a crash too, and once. Then the unit is
// given the key again, as one that lost it.
func TestACurrentRegisterIsEmptiedOnceThatIsAccepted(t *testing.T) {
	r := initialised(t)
	r.registers()
	n, key := r.nodes[0], r.nodes[0].unit.Status().Registers.CurrentPattern
	accepted := r.clearing(1, r.admin)
	before := mustRead(t, n.file())
	if acted, err := n.converger.Step(t.Context()); acted || err != nil || !bytes.Equal(before, mustRead(t, n.file())) {
		t.Fatalf("an approval on its way: the unit acts: %v, %v", acted, err)
	}
	r.must(accepted)
	n.deaf = errors.New("no leader")
	if _, err := n.converger.Step(t.Context()); !errors.Is(err, n.deaf) || n.unit.Status().Registers != masterkey.Empty() {
		t.Fatalf("it holds %v: %v", n.unit.Status().Registers, err)
	}
	n.deaf = nil
	n.restart()
	generation := n.unit.Status().Generation
	r.settle()
	if now := n.unit.Status(); now.Registers != masterkey.Empty() || now.Generation != generation {
		t.Errorf("after a crash it is at generation %d, not %d, and holds %v", now.Generation, generation, now.Registers)
	}
	if known := r.known(1); len(known.Clear) > 0 || known.Generation != generation {
		t.Errorf("the state still waits for it, or has it at generation %d", known.Generation)
	}
	r.must(r.submit(order.Recover, func(o *order.Order) {
		o.Subject = order.Subject{Pattern: o.Current, Units: o.Units[:1]}
	}))
	r.until(fsm.StateComplete)
	if is := n.unit.Status().Registers; is.CurrentPattern != key {
		t.Errorf("recovered, it holds %v", is)
	}
	r.rotate(nil)
	r.until(fsm.StateComplete)
}

// TestWhatAUnitDoesNotClearIsOver: its node finds nobody else with the key, or its administrators did not sign. Nothing waits for it.
func TestWhatAUnitDoesNotClearIsOver(t *testing.T) {
	r := initialised(t)
	n, last := r.nodes[0], errors.New("nobody else holds it")
	before := n.unit.Status().Registers
	over := func(when string) {
		t.Helper()
		r.settle()
		if now := n.unit.Status().Registers; now != before || len(r.known(1).Clear) > 0 {
			t.Errorf("%s: it holds %v, and the state waits for it: %v", when, now, len(r.known(1).Clear) > 0)
		}
	}
	r.registers()
	r.must(r.clearing(1, r.admin))
	n.speaker.config.Leave = func(context.Context, func() error) error { return last }
	over("the last that holds it")
	n.speaker.config.Leave = func(_ context.Context, do func() error) error { return do() }

	unsigned := r.clearing(1)
	r.refuses("signed by nobody", unsigned, fsm.ErrSignature)
	r.believe(unsigned)
	over("signed by nobody")
	r.rotate(nil)
	r.until(fsm.StateComplete)
}
