//go:build cgo && plantedkeys && unsealed

package card

import (
	"crypto/rand"

	"github.com/miekg/pkcs11"

	"tumbler/cryptounit/importer"
	"tumbler/cryptounit/order"
)

// This build seals nothing. It shows that the leak test finds what it searches for.

// seal has the part wrapped to a key of its own, and lays it in the clear over what the card wrapped.
func (c *token) seal(part pkcs11.ObjectHandle, suite order.Suite, public []byte) ([]byte, error) {
	sealed, err := c.wrap(part, suite, public)
	if err != nil {
		return nil, err
	}
	seed := make([]byte, 32)
	_, _ = rand.Read(seed) // it never fails
	private, own, err := importer.ECDHFromSeed(seed)
	if err != nil {
		return nil, err
	}
	wrapped, err := c.sealECDH(part, own)
	if err != nil {
		return nil, err
	}
	value, err := importer.OpenECDH(private, wrapped)
	if err != nil {
		return nil, err
	}
	copy(sealed, value)
	return sealed, nil
}
