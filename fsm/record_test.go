package fsm

import (
	"bytes"
	"testing"
)

// FuzzRecords: a record of the store is read as before when it is written again.
func FuzzRecords(f *testing.F) {
	for _, record := range []any{
		Cluster{ID: ID{1}, Retired: []RetiredKey{{Units: []uint32{4}}}}, Unit{Number: 1, Stated: []byte{1}}, Key{Versions: []KeyVersion{{Number: 1}}},
		Rotation{}, OrderRecord{}, APIKeyRecord{Name: "app"}, TokenRecord{Unit: 2}, resultRecord{Request: make([]byte, 24)},
	} {
		value, err := encoding.Marshal(record)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		sameAgain[Cluster](t, value)
		sameAgain[Unit](t, value)
		sameAgain[Key](t, value)
		sameAgain[Rotation](t, value)
		sameAgain[OrderRecord](t, value)
		sameAgain[APIKeyRecord](t, value)
		sameAgain[TokenRecord](t, value)
		sameAgain[resultRecord](t, value)
	})
}

func sameAgain[T any](t *testing.T, value []byte) {
	t.Helper()
	var first, second T
	if decoding.Unmarshal(value, &first) != nil {
		return
	}
	written, err := encoding.Marshal(first)
	if err != nil {
		t.Fatalf("%x is read as %+v, which cannot be written: %v", value, first, err)
	}
	err = decoding.Unmarshal(written, &second)
	again, failed := encoding.Marshal(second)
	if err != nil || failed != nil || !bytes.Equal(again, written) {
		t.Errorf("%x is written as %x, and that as %x, %v, %v", value, written, again, err, failed)
	}
}
