package fsm

import (
	"bytes"
	"errors"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

func TestInitAndRotation(t *testing.T) {
	w := newWorld(t, 3, 2)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	v := w.view()
	before := v.Cluster().Pattern
	v.Close()
	if before == (Pattern{}) {
		t.Fatal("no master key after the init")
	}
	for i := range 20 {
		w.createKey(byte(i + 1))
	}
	w.register()
	w.must(w.order(order.Rotate, nil))
	w.until(StateRewrapping)
	w.createKey(99) // a pair
	w.rewrap(1, 4)
	if got := w.rotationState(); got != StateActivating {
		t.Fatalf("after the last verified it is %v", got)
	}
	w.until(StateComplete)
	v = w.view()
	defer v.Close()
	after := v.Cluster().Pattern
	if after == before || v.Census() != (Counts{KMS: 21}) {
		t.Fatalf("pattern %x, census %v", after, v.Census())
	}
	count := 0
	if err := v.Blobs(v.CurrentEpoch(), 1, 100, func(_ uint64, b []byte) (bool, error) {
		count++
		return true, w.units[2].Check(b)
	}); err != nil || count != 21 {
		t.Fatalf("%d blobs open: %v", count, err)
	}
	for _, u := range w.units {
		s := u.Status()
		if s.Registers.Current != masterkey.CurrentValid || Pattern(s.Registers.CurrentPattern) != after || s.Registers.New != masterkey.NewEmpty {
			t.Errorf("unit %d: %+v", s.Number, s.Registers)
		}
		if retired := len(s.Retired); (retired == 1) != (s.Role == order.Recovery) {
			t.Errorf("unit %d keeps %d retired keys", s.Number, retired)
		}
	}
	rotations, err := v.Rotations()
	if err != nil || len(rotations) != 2 {
		t.Fatal(rotations, err)
	}
	receipt, err := v.Receipt(rotations[1].Order)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := receipt.Evidence(rotations[1])
	if err != nil {
		t.Fatal(err)
	}
	rec, err := ev.Verify(&w.list)
	if err != nil {
		t.Fatal(err)
	}
	if err := order.Needs(order.StepActivate, 0, rec); err != nil {
		t.Fatal(err)
	}
}

func TestCancelLeavesBlobsAsTheyWere(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	w.createKey(1)
	w.register()
	submit := w.order(order.Rotate, func(o *order.Order) { o.Activate = order.Signed })
	w.must(submit)
	w.until(StateRewrapping)
	v := w.view()
	blob, err := v.Blob(v.CurrentEpoch(), 1)
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	w.rewrap(1, 2)
	if got := w.rotationState(); got != StateRewrapped {
		t.Fatalf("held at %v", got)
	}
	signed, err := order.DecodeSignedOrder(submit.Order)
	if err != nil {
		t.Fatal(err)
	}
	number := w.number
	w.must(w.order(order.Cancel, func(o *order.Order) {
		o.Subject = order.Subject{Order: signed.Digest(), OrderNumber: number}
	}))
	w.until(StateCancelled)
	v = w.view()
	defer v.Close()
	again, err := v.Blob(v.CurrentEpoch(), 1)
	if err != nil || !bytes.Equal(again.Blob, blob.Blob) {
		t.Fatal("the current blob changed", err)
	}
	if _, err := v.Blob(2, 1); !errors.Is(err, ErrNotFound) {
		t.Fatalf("the next epoch is still there: %v", err)
	}
}
