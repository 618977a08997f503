package fsm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// reader is what a Pebble store, batch and snapshot have in common.
type reader = pebble.Reader

// get decodes the record of a key; ErrNotFound if there is none.
func get(from reader, key []byte, record any) error {
	value, closer, err := from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	if err := decoding.Unmarshal(value, record); err != nil {
		return fmt.Errorf("%w: record %q: %w", ErrUndecodable, key[:1], err)
	}
	return nil
}

// getBytes copies the value of a key; ErrNotFound if there is none.
func getBytes(from reader, key []byte) ([]byte, error) {
	value, closer, err := from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return slices.Clone(value), nil
}

// scanKeys is how many keys one iterator gives. While an iterator is open the disk keeps every file that was there when it was
// opened, so none lives for longer than a batch.
const scanKeys = 4096

// scanRange calls f for every key from lower (included) to upper (excluded; nil: to the end), in order, until f is false or fails.
// What f gets is valid until it returns.
func scanRange(from reader, lower, upper []byte, f func(key, value []byte) (bool, error)) error {
	for more := true; more; {
		var err error
		if lower, more, err = scanBatch(from, lower, upper, f); err != nil {
			return err
		}
	}
	return nil
}

// scanBatch goes through so many keys, and tells where and whether to go on.
func scanBatch(from reader, lower, upper []byte, f func(key, value []byte) (bool, error)) (next []byte, more bool, err error) {
	iter, err := from.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, false, err
	}
	defer iter.Close()
	keys := 0
	for valid := iter.First(); valid; valid = iter.Next() {
		if keys++; keys > scanKeys {
			return slices.Clone(iter.Key()), true, nil
		}
		if more, err := f(iter.Key(), iter.Value()); err != nil || !more {
			return nil, false, err
		}
	}
	return nil, false, iter.Error()
}

// scan goes through every key with a prefix.
func scan(from reader, prefix []byte, f func(key, value []byte) (bool, error)) error {
	return scanRange(from, prefix, after(prefix), f)
}

// records decodes every record with a prefix.
func records[T any](from reader, prefix []byte) ([]T, error) {
	var all []T
	err := scan(from, prefix, func(_, value []byte) (bool, error) {
		var record T
		if err := decoding.Unmarshal(value, &record); err != nil {
			return false, fmt.Errorf("%w: record %q: %w", ErrUndecodable, prefix[:1], err)
		}
		all = append(all, record)
		return true, nil
	})
	return all, err
}
