package importer

import (
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha512"
	"slices"
)

const (
	pointSize  = 133 // of P-521, uncompressed
	scalarSize = 66
)

// ECDHFromSeed makes a key of order.SuiteECDH of 32 random bytes, and gives it back whenever it is asked for: the scalar, and
// the public point. The scalar is the 521 bits that HKDF-SHA512 (RFC 5869) expands of them.
func ECDHFromSeed(seed []byte) (private, public []byte, err error) {
	scalar, err := hkdf.Key(sha512.New, seed, nil, "tumbler/v1/importer-p521", scalarSize)
	if err != nil {
		return nil, nil, err
	}
	scalar[0] &= 1
	key, err := ecdh.P521().NewPrivateKey(scalar) // above the group's order once in 2^260
	if err != nil {
		return nil, nil, err
	}
	return scalar, key.PublicKey().Bytes(), nil
}

// sealECDH makes a key for this one part.
func sealECDH(public, value []byte) ([]byte, error) {
	to, err := ecdh.P521().NewPublicKey(public)
	if err != nil {
		return nil, refuse(ErrPublicKey, "%v", err)
	}
	from, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := agree(from, to)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	wrapped, err := wrapKey(key, keyWrapIV, value)
	return append(from.PublicKey().Bytes(), wrapped...), err
}

// OpenECDH opens what was sealed to the public key of a scalar. Cards wrap by RFC 3394 or by RFC 5649; the latter's initial
// value names the length, which is that of a part.
func OpenECDH(private, sealed []byte) ([]byte, error) {
	key, err := ecdh.P521().NewPrivateKey(private)
	if err != nil {
		return nil, err
	}
	if len(sealed) < pointSize {
		return nil, refuse(ErrSealed, "%d bytes", len(sealed))
	}
	from, err := ecdh.P521().NewPublicKey(sealed[:pointSize])
	if err != nil {
		return nil, refuse(ErrSealed, "%v", err)
	}
	wrapping, err := agree(key, from)
	if err != nil {
		return nil, err
	}
	defer clear(wrapping)
	return unwrapKey(wrapping, sealed[pointSize:])
}

// agree gives the last 32 bytes of the shared secret (PKCS #11, CKM_ECDH1_DERIVE with CKD_NULL: a value longer than the key
// loses its leading bytes).
func agree(private *ecdh.PrivateKey, public *ecdh.PublicKey) ([]byte, error) {
	secret, err := private.ECDH(public)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	return slices.Clone(secret[len(secret)-32:]), nil
}
