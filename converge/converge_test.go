package converge

import (
	"bytes"
	"errors"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/fsm"
)

// TestAUnitActsOnWhatItsNodeHasApplied: a cancel that is signed and on its way clears nothing, one that came after the flip
// never reaches the unit, and no unit activates before the flip is applied here.
func TestAUnitActsOnWhatItsNodeHasApplied(t *testing.T) {
	r := initialised(t)
	n, other := r.nodes[0], r.nodes[1]
	stays := func(when string) {
		t.Helper()
		before, registers := mustRead(t, n.file()), n.unit.Status().Registers
		if acted, err := n.converger.Step(t.Context()); acted || err != nil {
			t.Errorf("%s: the unit acted, %v", when, err)
		}
		if !bytes.Equal(before, mustRead(t, n.file())) || n.unit.Status().Registers != registers {
			t.Errorf("%s: the unit changed: %v", when, n.unit.Status().Registers)
		}
	}
	acts := func(when string, current, next masterkey.Pattern) {
		t.Helper()
		if acted, err := n.converger.Step(t.Context()); !acted || err != nil {
			t.Errorf("%s: the unit did not act, %v", when, err)
		}
		if is := n.unit.Status().Registers; is.CurrentPattern != current || is.NewPattern != next {
			t.Errorf("%s: the unit holds %v", when, is)
		}
	}
	none, old := masterkey.Pattern{}, n.unit.Status().Registers.CurrentPattern

	r.rotate(nil)
	r.until(fsm.StateCommitting)
	fresh := n.unit.Status().Registers.NewPattern
	acts("it commits", old, fresh)
	cancel := r.cancel()
	stays("a cancel is on its way")
	r.must(cancel)
	acts("the cancel is applied", old, none)
	r.until(fsm.StateCancelled)

	r.rotate(nil)
	r.until(fsm.StateCommitting)
	fresh = n.unit.Status().Registers.NewPattern
	acts("it commits", old, fresh)
	stays("the other has not committed, or its statement is on its way")
	if acted, err := other.converger.Step(t.Context()); !acted || err != nil {
		t.Fatal(err)
	}
	if state := r.rotation().State; state != fsm.StateActivating {
		t.Fatal(state)
	}
	if _, err := r.propose(r.cancel()); !errors.Is(err, fsm.ErrTooLateToCancel) {
		t.Errorf("a cancel after the flip: %v", err)
	}
	acts("the flip is applied", fresh, none)
	r.until(fsm.StateComplete)
}
