//go:build cgo && !(plantedkeys && unsealed)

package card

import (
	"github.com/miekg/pkcs11"

	"tumbler/cryptounit/order"
)

// What the leak test takes away, to see what its search finds then: sealing_off.go.

// seal gives what leaves the card of a part.
func (c *token) seal(part pkcs11.ObjectHandle, suite order.Suite, public []byte) ([]byte, error) {
	return c.wrap(part, suite, public)
}
