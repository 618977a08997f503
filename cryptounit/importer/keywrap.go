package importer

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
)

// The initial values of AES key wrap: of RFC 3394, section 2.2.3.1, and of RFC 5649, section 3, for 32 bytes.
var (
	keyWrapIV = [8]byte{0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6, 0xa6}
	paddedIV  = [8]byte{0xa6, 0x59, 0x59, 0xa6, 0, 0, 0, 32}
)

// wrapKey wraps two or more blocks of 8 bytes (RFC 3394, section 2.2.1).
func wrapKey(key []byte, iv [8]byte, value []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(value) < 16 || len(value)%8 != 0 {
		return nil, refuse(ErrSealed, "%d bytes under a key of %d: %v", len(value), len(key), err)
	}
	out := append(iv[:], value...)
	var b [aes.BlockSize]byte
	for t := range uint64(6 * len(value) / 8) {
		r := out[8+t*8%uint64(len(value)):][:8]
		copy(b[:], out[:8])
		copy(b[8:], r)
		block.Encrypt(b[:], b[:])
		binary.BigEndian.PutUint64(out, binary.BigEndian.Uint64(b[:])^(t+1))
		copy(r, b[8:])
	}
	return out, nil
}

// unwrap is the inverse of wrapKey, and gives the initial value that it comes to.
func unwrap(key, wrapped []byte) (iv [8]byte, value []byte, err error) {
	block, err := aes.NewCipher(key)
	if err != nil || len(wrapped) < 24 || len(wrapped)%8 != 0 {
		return iv, nil, refuse(ErrSealed, "%d wrapped bytes under a key of %d: %v", len(wrapped), len(key), err)
	}
	copy(iv[:], wrapped)
	value = append([]byte{}, wrapped[8:]...)
	var b [aes.BlockSize]byte
	for t := uint64(6 * len(value) / 8); t > 0; t-- {
		r := value[(t-1)*8%uint64(len(value)):][:8]
		binary.BigEndian.PutUint64(b[:], binary.BigEndian.Uint64(iv[:])^t)
		copy(b[8:], r)
		block.Decrypt(b[:], b[:])
		copy(iv[:], b[:8])
		copy(r, b[8:])
	}
	return iv, value, nil
}

// unwrapKey opens 32 bytes that were wrapped in either way.
func unwrapKey(key, wrapped []byte) ([]byte, error) {
	iv, value, err := unwrap(key, wrapped)
	if err != nil {
		return nil, err
	}
	known := subtle.ConstantTimeCompare(iv[:], keyWrapIV[:]) | subtle.ConstantTimeCompare(iv[:], paddedIV[:])
	if known != 1 || len(value) != 32 {
		clear(value)
		return nil, refuse(ErrSealed, "its integrity value is wrong")
	}
	return value, nil
}
