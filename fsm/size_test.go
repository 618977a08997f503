package fsm

import (
	"testing"

	"tumbler/cryptounit/order"
)

func TestAnEpochIsMeasured(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	if n, err := w.store.EpochBytes(); err != nil || n != 0 {
		t.Errorf("of no key: %d bytes, %v", n, err)
	}
	const keys = 200
	for i := range keys {
		w.createKey(byte(i + 1))
	}
	if err := w.store.db.Flush(); err != nil {
		t.Fatal(err)
	}
	n, err := w.store.EpochBytes()
	if err != nil || n < keys*140 || n > keys*400 {
		t.Errorf("%d keys are estimated to take %d bytes, %v", keys, n, err)
	}
}
