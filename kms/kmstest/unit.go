package kmstest

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"

	"tumbler/fsm"
	"tumbler/kms"
)

// Unit is a crypto unit that holds the master keys of some patterns. Its blobs are marked with a pattern and are not
// encrypted.
type Unit struct {
	mu    sync.Mutex
	holds []fsm.Pattern
}

// NewUnit makes a unit that holds the master keys of these patterns.
func NewUnit(holds ...fsm.Pattern) *Unit { return &Unit{holds: holds} }

// Hold changes what it holds.
func (u *Unit) Hold(patterns ...fsm.Pattern) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.holds = patterns
}

// Rewrap is the blob under another pattern.
func Rewrap(blob []byte, to fsm.Pattern) []byte {
	return append(to[:len(to):len(to)], blob[len(to):]...)
}

func (u *Unit) knows(pattern fsm.Pattern) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !slices.Contains(u.holds, pattern) {
		return fmt.Errorf("pattern %x: %w", pattern[:4], kms.ErrPatternUnknown)
	}
	return nil
}

func (u *Unit) open(blob []byte, use kms.Use) ([]byte, error) {
	pattern := fsm.Pattern(blob[:32])
	if err := u.knows(pattern); err != nil {
		return nil, err
	}
	if kms.Use(blob[32]) != use {
		return nil, fmt.Errorf("a blob of use %d, not %d", blob[32], use)
	}
	return blob[33:], nil
}

// Make marks each key's material with each pattern.
func (u *Unit) Make(keys []kms.KeyToMake, under []fsm.Pattern) ([][][]byte, error) {
	out := make([][][]byte, len(keys))
	for i, k := range keys {
		material := k.Material
		if material == nil {
			material = make([]byte, k.Size)
			rand.Read(material)
		}
		for _, pattern := range under {
			if err := u.knows(pattern); err != nil {
				return nil, err
			}
			out[i] = append(out[i], slices.Concat(pattern[:], []byte{byte(k.Header.Use)}, material))
		}
	}
	return out, nil
}

// Export opens a blob of UseStandard.
func (u *Unit) Export(blob []byte) ([]byte, error) {
	material, err := u.open(blob, kms.UseStandard)
	return bytes.Clone(material), err
}

func (u *Unit) gcm(blob []byte) (cipher.AEAD, error) {
	material, err := u.open(blob, kms.UseRoot)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(material)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// Wrap encrypts with AES-GCM.
func (u *Unit) Wrap(blob, plaintext, aad []byte) (iv, ciphertext []byte, err error) {
	gcm, err := u.gcm(blob)
	if err != nil {
		return nil, nil, err
	}
	iv = make([]byte, gcm.NonceSize())
	rand.Read(iv)
	return iv, gcm.Seal(nil, iv, plaintext, aad), nil
}

// Unwrap is its inverse.
func (u *Unit) Unwrap(blob, iv, ciphertext, aad []byte) ([]byte, error) {
	gcm, err := u.gcm(blob)
	if err != nil {
		return nil, err
	}
	if len(iv) != gcm.NonceSize() {
		return nil, kms.ErrNotAuthentic
	}
	plaintext, err := gcm.Open(nil, iv, ciphertext, aad)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", kms.ErrNotAuthentic, err)
	}
	return plaintext, nil
}

// MAC is HMAC-SHA-256.
func (u *Unit) MAC(blob, message []byte) ([]byte, error) {
	material, err := u.open(blob, kms.UseMAC)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, material)
	mac.Write(message)
	return mac.Sum(nil), nil
}
