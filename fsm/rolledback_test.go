package fsm

import (
	"os"
	"path/filepath"
	"testing"

	"tumbler/cryptounit/order"
)

// TestAnOlderSealedFileIsRefused: a unit whose file of last week was put back says less than it has said already, and what
// it would say anew is not believed.
func TestAnOlderSealedFileIsRefused(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	w.createKey(1)
	w.createKey(2)
	w.register()
	w.must(w.order(order.Rotate, nil))
	w.until(StateCommitting)
	path := filepath.Join(w.dirs[1], "unit.sealed")
	older, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w.until(StateRewrapping)
	w.doesNotOpen(1, 2)
	newer, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	putBack := func(file []byte) {
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		w.restartUnit(2)
	}
	putBack(older)
	w.refuses(t, refusal{"it registers", w.registration(2), ErrRolledBack})
	// What it said before it says again, and the state has it.
	_, ev, _ := w.evidence()
	again, err := w.units[1].Commit(ev)
	if err != nil {
		t.Fatal(err)
	}
	w.refuses(t, refusal{"it commits again", w.statement(again, nil), nil})
	r, _, _ := w.evidence()
	anew, err := w.units[1].CannotOpen(order.Digest(r.Order), 2, w.spoiled(2))
	if err != nil {
		t.Fatal(err)
	}
	w.refuses(t, refusal{"it says something new", w.statement(anew, nil), ErrGeneration})
	putBack(newer)
	w.must(w.registration(2))
	w.doesNotOpen(2, 2)
}
