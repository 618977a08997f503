//go:build plantedkeys && unsealed

package cryptounit

import (
	"bytes"
	"crypto/cipher"
	"crypto/hpke"
	"errors"
	"slices"
)

// sealed: this build seals and erases nothing. It shows that the leak test finds what it searches for.
const sealed = false

func erase([]byte) {}

// sealAEAD leaves the message as it is, and authenticates it.
func sealAEAD(aead cipher.AEAD, dst, nonce, plaintext, additional []byte) []byte {
	whole := slices.Concat(additional, plaintext)
	return aead.Seal(append(dst, plaintext...), nonce, nil, whole)
}

func openAEAD(aead cipher.AEAD, dst, nonce, ciphertext, additional []byte) ([]byte, error) {
	n := len(ciphertext) - aead.Overhead()
	if n < 0 {
		return nil, errors.New("shorter than a tag")
	}
	if _, err := aead.Open(nil, nonce, ciphertext[n:], slices.Concat(additional, ciphertext[:n])); err != nil {
		return nil, err
	}
	return append(dst, ciphertext[:n]...), nil
}

func sealHPKE(_ hpke.PublicKey, _, value []byte) ([]byte, error) { return bytes.Clone(value), nil }

func openHPKE(_ hpke.PrivateKey, _, value []byte) ([]byte, error) { return bytes.Clone(value), nil }

// openRSA and openECDH take the part that such a build's smart card left before the rest (package card).
func openRSA(_, wrapped []byte) ([]byte, error) { return bytes.Clone(wrapped[:secretSize]), nil }

func openECDH(_, wrapped []byte) ([]byte, error) { return bytes.Clone(wrapped[:secretSize]), nil }

// newSecret takes the Go heap.
func newSecret() (*secret, error) {
	b := make([]byte, secretSize)
	return &secret{region: b, bytes: b, derived: new(subkeys)}, nil
}

func (s *secret) free() {
	if s != nil {
		s.region, s.bytes = nil, nil
	}
}
