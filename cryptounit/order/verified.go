package order

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// mostVerified bounds what is remembered, at 32 bytes each.
const mostVerified = 16384

// verified remembers which signatures were good, by a SHA-256 over all that
// they depend on: a unit meets an order's evidence at each of its steps, and a
// verification on P-521 takes most of a millisecond. What was not good is not
// remembered; when there is no more room, all is forgotten.
var verified = struct {
	sync.Mutex
	good map[[sha256.Size]byte]struct{}
}{good: map[[sha256.Size]byte]struct{}{}}

// verifiedOnce tells whether the signature over message by the key public is
// good, which verify finds out unless it is known.
func verifiedOnce(public, message, signature []byte, verify func() bool) bool {
	h := sha256.New()
	for _, part := range [][]byte{public, message, signature} {
		_ = binary.Write(h, binary.BigEndian, uint64(len(part))) // to a hash
		_, _ = h.Write(part)
	}
	sum := [sha256.Size]byte(h.Sum(nil))
	verified.Lock()
	_, known := verified.good[sum]
	verified.Unlock()
	if known {
		return true
	}
	if !verify() {
		return false
	}
	verified.Lock()
	defer verified.Unlock()
	if len(verified.good) == mostVerified {
		clear(verified.good)
	}
	verified.good[sum] = struct{}{}
	return true
}
