package fsm

import (
	"errors"
	"reflect"
	"testing"
)

// FuzzDecodeResult: an answer from another node is a result, a refusal or an error, and comes back as it was.
func FuzzDecodeResult(f *testing.F) {
	for _, refusal := range []*Refusal{nil, ErrKeyNotFound, ErrSealAgain.with("2 blobs")} {
		answer, failed := encodeResult(Result{Index: 7, Blob: 8, Version: 9, Count: 10, Cursor: 11, Grouped: []Result{{Index: 7, Blob: 12}}}, refusal)
		if failed != nil {
			f.Fatal(failed)
		}
		f.Add(answer)
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		r, err := DecodeResult(answer)
		var refusal *Refusal
		if err != nil && !errors.As(err, &refusal) {
			return
		}
		again, failed := encoding.Marshal(r)
		if failed != nil {
			t.Fatal(failed)
		}
		if s, err := DecodeResult(again); !reflect.DeepEqual(s, r) || (err == nil) != (refusal == nil) {
			t.Fatalf("%+v comes back as %+v, %v", r, s, err)
		}
	})
}
