package fsm

import (
	"errors"
	"testing"

	"tumbler/cryptounit/order"
)

// TestEnvelopesLeaveTheState: each when its unit has loaded, all when the order ends; whoever steals a unit's file later
// finds nothing in the state that it opens.
func TestEnvelopesLeaveTheState(t *testing.T) {
	w := newWorld(t, 2, 1)
	holds := func(unit uint32, want bool) {
		t.Helper()
		r, _, _ := w.evidence()
		v := w.view()
		defer v.Close()
		if _, err := v.Envelope(r.Order, unit); err != nil && !errors.Is(err, ErrNotFound) || (err == nil) != want {
			t.Errorf("an envelope for unit %d while it is %v: %v", unit, r.State, err)
		}
	}
	w.must(w.order(order.Init, nil))
	w.until(StateLoading)
	holds(1, true)
	holds(2, true)
	loaded, _, ok := w.act(1)
	if !ok {
		t.Fatal("unit 1 has nothing to load")
	}
	w.must(loaded)
	holds(1, false)
	holds(2, true)
	w.until(StateComplete)
	holds(2, false)

	w.register()
	w.must(w.order(order.Rotate, nil))
	w.until(StateLoading)
	holds(1, true)
	r, _, _ := w.evidence()
	w.must(w.order(order.Cancel, func(o *order.Order) { o.Subject = order.Subject{Order: order.Digest(r.Order), OrderNumber: r.Number} }))
	holds(1, false)
	holds(2, false)
}
