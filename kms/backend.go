package kms

import (
	"context"

	"tumbler/fsm"
)

// Proposer puts commands into the log.
type Proposer interface {
	// Propose returns once this node has applied the command. A refusal of the state is a *fsm.Refusal. Other errors
	// wrap ErrUnavailable when nothing was proposed, and ErrOutcomeUnknown when it may have been.
	Propose(ctx context.Context, command fsm.Command) (fsm.Result, error)
}

// Reader gives this node's replica of the state.
type Reader interface {
	// ReadIndex returns once the replica holds everything that was answered before the call. Its errors wrap
	// ErrUnavailable.
	ReadIndex(ctx context.Context) error
	// View gives the replica as it is now; the caller closes it.
	View() (View, error)
}

// View is the state at one moment; *fsm.View is one. What is not there is fsm.ErrNotFound.
type View interface {
	Cluster() fsm.Cluster
	ServiceState() fsm.ServiceState
	Key(id fsm.ID) (fsm.Key, error)
	KeyByAlias(alias string) (fsm.Key, error)
	// Keys gives at most limit of the chosen keys from offset on, in an order of its own that stays.
	Keys(filter fsm.KeyFilter, offset, limit int) ([]fsm.Key, error)
	// Blob of a number of an epoch; fsm.ErrSetAside if a quorum set it aside.
	Blob(epoch, number uint64) (fsm.BlobRecord, error)
	APIKey(id fsm.ID) (fsm.APIKeyRecord, error)
	Close() error
}

// Unit is this node's crypto unit, as far as callers' keys need it. A pattern that neither register holds is
// ErrPatternUnknown, of a blob as of what is to be sealed.
type Unit interface {
	// Make gives each key sealed under each pattern, the same material in each: all of them or none.
	Make(keys []KeyToMake, under []fsm.Pattern) ([][][]byte, error)
	// Export opens a blob of UseStandard.
	Export(blob []byte) ([]byte, error)
	// Wrap encrypts with the key in a blob of UseRoot (AES-GCM); a new iv each time.
	Wrap(blob, plaintext, aad []byte) (iv, ciphertext []byte, err error)
	// Unwrap is its inverse; what is not authentic is ErrNotAuthentic.
	Unwrap(blob, iv, ciphertext, aad []byte) ([]byte, error)
	// MAC is HMAC-SHA-256 with the key in a blob of UseMAC.
	MAC(blob, message []byte) ([]byte, error)
}

// Use says what the key in a blob may be used for, and nothing else; the numbers are those of the crypto unit's blobs.
type Use uint8

// The uses.
const (
	UseRoot     Use = 1 // wraps and unwraps
	UseStandard Use = 2 // Export may open it
	UseMAC      Use = 3 // MAC may use it
)

// KeyToMake is a key to be made in the unit, with the material that a caller brought or else of Size random bytes.
type KeyToMake struct {
	Header   Header
	Material []byte // nil: it is drawn
	Size     int
}

// Header describes a blob to be sealed; it is bound to it and a rewrap keeps it.
type Header struct {
	Use      Use
	Class    fsm.Class // ClassKMS, or ClassSystem for the token-signing key
	Instance fsm.ID
	Key      fsm.ID
	Version  uint32 // of the key, from 1
	Owner    string
}

// Auditor is the audit trail.
type Auditor interface {
	// Record returns once the event is written. If it fails the call that it tells of is refused.
	Record(ctx context.Context, event Event) error
}
