package admin

import (
	"testing"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// TestAKeyPartGoesStraightToItsUnit: nothing of it is proposed, and what cannot be meant for that unit never reaches it.
func TestAKeyPartGoesStraightToItsUnit(t *testing.T) {
	w := newWorld(t)
	digest := w.rotating(func(r *fsm.Rotation, _ *fsm.Receipt) {
		r.State, r.Plan.Generator = fsm.StateLoading, 0
	})
	envelope := func(change func(*order.Envelope)) []byte {
		e := &order.Envelope{Suite: order.SuiteHPKE, Order: digest, Unit: 2, Part: 1, Source: [32]byte{1}, Sealed: []byte{1}, Signature: []byte{1}}
		if change != nil {
			change(e)
		}
		return w.encode(e)
	}
	state := func(s fsm.RotationState, generator uint32) {
		w.change(func(v *view) {
			last := &v.rotations[len(v.rotations)-1]
			last.State, last.Plan.Generator = s, generator
		})
	}
	refused := func(name string, unit uint32, order string, e []byte, code client.Code) {
		t.Helper()
		_, err := w.client.LoadPart(t.Context(), unit, client.LoadPartRequest{Order: order, Envelope: e})
		if !client.HasCode(err, code) || len(w.parts) != 0 {
			t.Errorf("%s: %v, want %s", name, err, code)
		}
	}
	refused("no digest", 2, "ab", envelope(nil), client.CodeInvalidRequest)
	refused("no envelope", 2, digest.String(), []byte{1}, client.CodeInvalidOrder)
	refused("for another unit", 3, digest.String(), envelope(nil), client.CodeInvalidRequest)
	refused("a whole key", 2, digest.String(), envelope(func(e *order.Envelope) { e.Part = 0 }), client.CodeInvalidRequest)
	refused("of another order", 2, digest.String(), envelope(func(e *order.Envelope) { e.Order[0] ^= 1 }), client.CodeInvalidRequest)
	refused("a unit that nobody knows", 9, digest.String(), envelope(func(e *order.Envelope) { e.Unit = 9 }), client.CodeNotFound)
	other := order.Digest{7}
	refused("an order that is not open", 2, other.String(), envelope(func(e *order.Envelope) { e.Order = other }), client.CodeNotFound)
	state(fsm.StatePreparing, 0)
	refused("before the units are ready", 2, digest.String(), envelope(nil), codeNotLoading)
	state(fsm.StateCancelling, 0)
	refused("while it is cancelled", 2, digest.String(), envelope(nil), "order_not_open")
	state(fsm.StateLoading, 4)
	refused("where a unit draws the key", 2, digest.String(), envelope(nil), client.CodeInvalidRequest)
	state(fsm.StateLoading, 0)
	for i := range 2 {
		got, err := w.client.LoadPart(t.Context(), 2, client.LoadPartRequest{Order: digest.String(), Envelope: envelope(nil)})
		if err != nil || string(got.Reply) != "reply" || got.Loaded != (i == 1) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	if len(w.proposed) != 0 {
		t.Errorf("proposed: %v", w.proposed)
	}
}
