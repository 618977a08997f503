package order

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// mostProved bounds what is remembered, at 32 bytes each.
const mostProved = 16384

// proved remembers what was found good, by a SHA-256 over all that it depends
// on: a unit meets an order's evidence at each of its steps, a verification on
// P-521 takes most of a millisecond, and a document's second encoding as long
// as reading it. What was not good is not remembered; when there is no more
// room, all is forgotten.
var proved = struct {
	sync.Mutex
	good map[[sha256.Size]byte]struct{}
}{good: map[[sha256.Size]byte]struct{}{}}

// provedOnce tells whether what is so of the parts, which prove finds out
// unless it is known. Nothing else may enter into it.
func provedOnce(what string, prove func() bool, parts ...[]byte) bool {
	h := sha256.New()
	for _, part := range append([][]byte{[]byte(what)}, parts...) {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // to a hash
		_, _ = h.Write(part)
	}
	sum := [sha256.Size]byte(h.Sum(nil))
	proved.Lock()
	_, known := proved.good[sum]
	proved.Unlock()
	if known {
		return true
	}
	if !prove() {
		return false
	}
	proved.Lock()
	defer proved.Unlock()
	if len(proved.good) == mostProved {
		clear(proved.good)
	}
	proved.good[sum] = struct{}{}
	return true
}
