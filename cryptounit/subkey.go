package cryptounit

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"sync"
)

// purpose names a subkey of a register. A register's value is never used directly.
type purpose string

// The purposes and their HKDF infos are part of the blob format: they are forever.
const (
	purposeBlob           purpose = "tumbler/v1/blob"            // seals the blobs of keys
	purposeKEK            purpose = "tumbler/v1/kek"             // seals the blobs of key-encryption keys
	purposePublicKey      purpose = "tumbler/v1/public-key"      // authenticates EP11 public-key objects
	purposeOperationState purpose = "tumbler/v1/operation-state" // seals the states of EP11 multi-part operations
)

// subkeys are what was derived from a register so far, each a secret of its own, which goes with it: a derivation costs more
// than all else of a wrap.
type subkeys struct {
	mu   sync.Mutex
	made map[purpose]*secret
}

// subkeyOf gives a register's subkey, derived once.
func (k *subkeys) subkeyOf(register *secret, p purpose) (*secret, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if made := k.made[p]; made != nil {
		return made, nil
	}
	key, err := subkey(register.bytes, p)
	if err != nil {
		return nil, err
	}
	made, err := secretOf(key)
	if err != nil {
		return nil, err
	}
	if k.made == nil {
		k.made = map[purpose]*secret{}
	}
	k.made[p] = made
	return made, nil
}

// free erases them.
func (k *subkeys) free() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, made := range k.made {
		made.free()
	}
	k.made = nil
}

// subkey derives the 32-byte key of a purpose: HKDF-SHA256 (RFC 5869), no salt, the purpose as info.
func subkey(register []byte, p purpose) ([]byte, error) {
	key, err := hkdf.Key(sha256.New, register, nil, string(p), xaesKeySize)
	if err != nil {
		return nil, fmt.Errorf("derive the %s subkey: %w", p, err)
	}
	return key, nil
}
