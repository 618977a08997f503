package kms

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"time"

	"tumbler/fsm"
)

// An API key's secret is this prefix and base64url of the key's id and 32 random bytes.
const (
	apiKeyPrefix = "tumbler_"
	apiKeyRandom = 32
)

// NewAPIKey makes a record for the state, and the secret to be shown once: the record holds a hash of it alone.
// The hash needs no stretching, since the secret is 32 random bytes.
func NewAPIKey(name string, role Role, by string, now time.Time) (record fsm.APIKeyRecord, secret string, err error) {
	if err := checkName(name); err != nil {
		return record, "", err
	}
	if !role.Valid() {
		return record, "", ErrField.with("%q is not a role: want Manager, Writer or Reader", printable(string(role)))
	}
	random := make([]byte, apiKeyRandom)
	rand.Read(random)
	record = fsm.APIKeyRecord{
		ID: newID(), Name: name, Role: string(role), Hash: sha256.Sum256(random),
		Created: fsm.Stamp{At: fsm.TimeOf(now), By: by},
	}
	return record, apiKeyPrefix + base64.RawURLEncoding.EncodeToString(append(record.ID[:len(record.ID):len(record.ID)], random...)), nil
}

// parseAPIKey gives the id and the hash of a secret.
func parseAPIKey(secret string) (id fsm.ID, hash [32]byte, ok bool) {
	rest, found := strings.CutPrefix(secret, apiKeyPrefix)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	// Base64 decoders skip line breaks, even strict ones: only the one form is accepted.
	if !found || err != nil || len(raw) != len(id)+apiKeyRandom || base64.RawURLEncoding.EncodeToString(raw) != rest {
		return id, hash, false
	}
	copy(id[:], raw)
	return id, sha256.Sum256(raw[len(id):]), true
}

func sameHash(a, b [32]byte) bool { return subtle.ConstantTimeCompare(a[:], b[:]) == 1 }

// newID makes a random id (a version 4 UUID).
func newID() fsm.ID {
	var id fsm.ID
	rand.Read(id[:])
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}
