package admin

import (
	"errors"
	"testing"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// removal is an order that removes units of this world.
func (w *world) removal(numbers ...uint32) []byte {
	o := w.rotate()
	o.Kind, o.Generator = order.Remove, 0
	for _, n := range numbers {
		u, _ := o.Unit(n)
		o.Subject.Units = append(o.Subject.Units, u)
	}
	return w.encode(w.sign(o, w.admins[0], w.admins[1]))
}

func TestARemovalDoesNotWaitForTheUnitThatIsLost(t *testing.T) {
	w := newWorld(t)
	w.silent[5] = true
	if _, err := w.client.SubmitOrder(t.Context(), w.removal(5)); err != nil {
		t.Fatal(err)
	}
	submit, ok := w.proposed[0].(*fsm.SubmitOrder)
	if !ok || len(submit.Short) != 0 || len(w.refreshed) != 5 {
		t.Errorf("proposed %+v after %v registered", w.proposed[0], w.refreshed)
	}
}

func TestARemovalLeavesAMajorityThatAnswers(t *testing.T) {
	w := newWorld(t)
	w.silent[1], w.silent[2] = true, true // gossip may not have noticed
	_, err := w.client.SubmitOrder(t.Context(), w.removal(5))
	var got *client.Error
	if !errors.As(err, &got) || got.Code != codeNoMajority || got.Hint == "" || len(w.proposed) != 0 {
		t.Errorf("got %+v, %d proposals", err, len(w.proposed))
	}
	w.silent[2] = false
	if _, err := w.client.SubmitOrder(t.Context(), w.removal(5)); err != nil {
		t.Error(err)
	}
}

// What the state has of units 2 to 4 is older than their zeroize.
func TestARemovalLeavesAUnitThatHoldsTheMasterKey(t *testing.T) {
	w := newWorld(t)
	w.registers[2], w.registers[3], w.registers[4] = masterkey.Empty(), masterkey.Empty(), masterkey.Empty()
	if _, err := w.client.SubmitOrder(t.Context(), w.removal(1, 5)); !client.HasCode(err, codeLastHolder) || len(w.proposed) != 0 {
		t.Errorf("got %+v, %d proposals", err, len(w.proposed))
	}
	w.registers[3] = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: patternOf(1), New: masterkey.NewEmpty}
	w.silent[3] = true
	if _, err := w.client.SubmitOrder(t.Context(), w.removal(1, 5)); !client.HasCode(err, codeLastHolder) {
		t.Errorf("the only one does not answer: %v", err)
	}
	w.silent[3] = false
	if _, err := w.client.SubmitOrder(t.Context(), w.removal(1, 5)); err != nil {
		t.Error(err)
	}
}
