package fsm

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// ID is a 16-byte identifier: of the cluster, an instance, a key, a token.
type ID = [16]byte

// Digest is the SHA-256 of an order's DER.
type Digest = [32]byte

// Pattern is a master key's verification pattern.
type Pattern = [32]byte

// Identity is a unit's Ed25519 public key.
type Identity = [32]byte

// Time is nanoseconds since the Unix epoch, chosen by the proposer; 0 is none.
type Time int64

// TimeOf is t as the state keeps it.
func TimeOf(t time.Time) Time {
	if t.IsZero() {
		return 0
	}
	return Time(t.UnixNano())
}

// Time is t in UTC; the zero time for 0.
func (t Time) Time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(t)).UTC()
}

// Role of a crypto unit.
type Role uint8

// The roles.
const (
	RoleOperational Role = 1
	RoleRecovery    Role = 2
)

// Class of a key: what census and progress count by.
type Class uint8

// The classes.
const (
	ClassSystem Class = 1
	ClassKMS    Class = 2
	ClassEP11   Class = 3
)

func (c Class) valid() bool { return c >= ClassSystem && c <= ClassEP11 }

// Counts of blobs by class.
type Counts struct {
	System uint64 `cbor:"1,keyasint"`
	KMS    uint64 `cbor:"2,keyasint"`
	EP11   uint64 `cbor:"3,keyasint"`
}

// Sum is the number of blobs of all classes.
func (c Counts) Sum() uint64 { return c.System + c.KMS + c.EP11 }

func (c *Counts) at(class Class) *uint64 {
	switch class {
	case ClassSystem:
		return &c.System
	case ClassKMS:
		return &c.KMS
	case ClassEP11:
		return &c.EP11
	}
	return nil
}

// plus is c and d together.
func (c Counts) plus(d Counts) Counts {
	return Counts{System: c.System + d.System, KMS: c.KMS + d.KMS, EP11: c.EP11 + d.EP11}
}

// KeyState is a KMS key's state, numbered as the KMS API has it (NIST SP
// 800-57, section 7).
type KeyState uint8

// The key states.
const (
	KeyPreActive   KeyState = 0
	KeyActive      KeyState = 1
	KeySuspended   KeyState = 2
	KeyDeactivated KeyState = 3
	KeyDestroyed   KeyState = 5
)

// settable: a caller may give it to a key; KeyDestroyed comes by deletion alone.
func (s KeyState) settable() bool { return s <= KeyDeactivated }

// RotationState is where a rotation, an init or a recovery stands.
type RotationState uint8

// The rotation states.
const (
	StateNone       RotationState = 0
	StatePreparing  RotationState = 1
	StateGenerating RotationState = 2
	StateLoading    RotationState = 3
	StateCommitting RotationState = 4
	StateRewrapping RotationState = 5
	StateVerifying  RotationState = 6
	StateRewrapped  RotationState = 7
	StateActivating RotationState = 8
	StateComplete   RotationState = 9
	StateCancelling RotationState = 10
	StateCancelled  RotationState = 11
	StateBlocked    RotationState = 12
)

var stateNames = [...]string{"none", "preparing", "generating", "loading", "committing", "rewrapping",
	"verifying", "rewrapped", "activating", "complete", "cancelling", "cancelled", "blocked"}

func (s RotationState) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Open is true from the acceptance of the order to complete or cancelled.
func (s RotationState) Open() bool {
	return s != StateNone && s != StateComplete && s != StateCancelled
}

// RequestID is the same on every retry of a proposal. Its first 8 bytes are an
// index that the proposer had applied when it first proposed, by which the
// state knows that the first result may have been forgotten
// (ErrOutcomeUnknown); the rest is random.
type RequestID [24]byte

// NewRequestID makes a fresh id; applied is the proposer's Store.AppliedIndex.
func NewRequestID(applied uint64) RequestID {
	var r RequestID
	binary.BigEndian.PutUint64(r[:], applied)
	rand.Read(r[8:])
	return r
}

// Since is that index.
func (r RequestID) Since() uint64 { return binary.BigEndian.Uint64(r[:]) }

func (r RequestID) String() string { return hex.EncodeToString(r[:]) }
