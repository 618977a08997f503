package fsm

import (
	"fmt"
	"sync"
	"testing"

	"github.com/hashicorp/raft"
)

// TestAViewIsOfOneMoment: what a view counts, what its control records say and its index belong together, however the entries
// meanwhile come in batches.
func TestAViewIsOfOneMoment(t *testing.T) {
	const keys = 400
	s := newState(t)
	var log []*raft.Log
	for i := range keys {
		data, err := Encode(&CreateAPIKey{APIKey: APIKeyRecord{ID: ID{byte(i), byte(i >> 8), 1}, Name: "n", Role: "Reader", Hash: [32]byte{1}, Created: Stamp{At: 1, By: "b"}}}, NewRequestID(s.index))
		if err != nil {
			t.Fatal(err)
		}
		log = append(log, &raft.Log{Index: s.index + 1 + uint64(i), Term: 1, Type: raft.LogCommand, Data: data})
	}
	base := s.index
	whole := func() (uint64, error) {
		v, err := s.store.View()
		if err != nil {
			return 0, err
		}
		defer v.Close()
		all, err := v.APIKeys()
		if err != nil {
			return 0, err
		}
		stored, err := readApplied(v.snap)
		if err != nil {
			return 0, err
		}
		if v.index != stored || v.index-base != uint64(len(all)) {
			return 0, fmt.Errorf("a view is of index %d, its store of %d, and %d entries of %d are in it", v.index, stored, len(all), keys)
		}
		return v.index, nil
	}
	var reading sync.WaitGroup
	failed := make(chan error, 2)
	for range 2 {
		reading.Go(func() {
			for {
				index, err := whole()
				if err != nil || index == base+keys {
					failed <- err
					return
				}
			}
		})
	}
	for from, size := 0, 1; from < keys; from, size = from+size, size%7+1 {
		apply(t, s.store, log[from:min(from+size, keys)])
	}
	for range 2 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
	reading.Wait()
}
