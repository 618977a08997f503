package fsm

import "github.com/cockroachdb/pebble/v2"

// deleteRange removes the keys from (included) to (excluded), in one operation.
func deleteRange(from, to []byte) func(*pebble.Batch) error {
	return func(b *pebble.Batch) error { return b.DeleteRange(from, to, nil) }
}
