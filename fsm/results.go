package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// maxResults is how many recent results are kept; part of the state, so the same on every node.
const maxResults = 8192

// results finds the recent results by request id: a proposal that comes twice is answered as at first. The records lie in
// the store by entry index; this is the index over them.
type results struct {
	byID   map[RequestID]uint64
	oldest []uint64 // indices, ascending
	// forgotten is the highest index whose result is no longer kept.
	forgotten uint64
}

type resultRecord struct {
	Request []byte `cbor:"1,keyasint"`
	Answer  []byte `cbor:"2,keyasint"`
}

func loadResults(from reader) (*results, error) {
	r := &results{byID: map[RequestID]uint64{}}
	if value, err := getBytes(from, keyForgotten); err == nil && len(value) == 8 {
		r.forgotten = binary.BigEndian.Uint64(value)
	} else if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return r, scan(from, space(spaceResult), func(key, value []byte) (bool, error) {
		var record resultRecord
		if err := decoding.Unmarshal(value, &record); err != nil {
			return false, err
		}
		if len(record.Request) != len(RequestID{}) {
			return false, fmt.Errorf("%w: a result's request id of %d bytes", ErrUndecodable, len(record.Request))
		}
		index := binary.BigEndian.Uint64(key[1:])
		r.byID[RequestID(record.Request)] = index
		r.oldest = append(r.oldest, index)
		return true, nil
	})
}

// remembers is false for commands that are the same when repeated: batches, by their cursor.
func remembers(command Command) bool {
	_, batch := command.(*PutBatch)
	return !batch
}

// recall answers a request that was answered before, or that is so old that its answer may have been forgotten.
func (r *results) recall(from reader, request RequestID, index uint64) (answer []byte, known bool, err error) {
	if at, known := r.byID[request]; known {
		var record resultRecord
		err := get(from, space(spaceResult, u64(at)), &record)
		return record.Answer, true, err
	}
	if request.Since() < r.forgotten {
		answer, err := encodeResult(Result{Index: index}, ErrOutcomeUnknown)
		return answer, true, err
	}
	return nil, false, nil
}

func (r *results) remember(b *pebble.Batch, request RequestID, index uint64, answer []byte) error {
	value, err := encoding.Marshal(resultRecord{request[:], answer})
	if err != nil {
		return err
	}
	if err := b.Set(space(spaceResult, u64(index)), value, nil); err != nil {
		return err
	}
	r.byID[request] = index
	r.oldest = append(r.oldest, index)
	if len(r.oldest) <= maxResults {
		return nil
	}
	gone := r.oldest[0]
	r.oldest = r.oldest[1:]
	var record resultRecord
	if err := get(b, space(spaceResult, u64(gone)), &record); err != nil {
		return err
	}
	delete(r.byID, RequestID(record.Request))
	r.forgotten = gone
	if err := b.Delete(space(spaceResult, u64(gone)), nil); err != nil {
		return err
	}
	return b.Set(keyForgotten, u64(gone), nil)
}
