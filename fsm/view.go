package fsm

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// View is the state at one index: a Pebble snapshot and the control records of
// the same moment. It must be closed soon; an open one keeps disk space.
// Returned records are shared: do not change them.
type View struct {
	snap    *pebble.Snapshot
	control *control
	index   uint64
	open    *sync.WaitGroup
}

// ServiceState says what the state asks for and refuses now.
type ServiceState struct {
	Bootstrapped bool
	Rotation     RotationState // of the open order; StateNone
	Policy       string        // of the open order
	// MasterKeyRotationInProgress: create, import and new versions are refused
	// (policy documented, from rewrapping until complete or cancelled).
	MasterKeyRotationInProgress bool
	// Order and Patterns are what Material must name: a zero order and the
	// current pattern, or the open order and the pair (current, new). No
	// pattern: there is no master key yet.
	Order    Digest
	Patterns []Pattern
}

// KeyFilter chooses keys. The zero filter is every KMS key that is not purged
// and not deleted.
type KeyFilter struct {
	Class       Class      // 0: ClassKMS
	States      []KeyState // nil: all but KeyDestroyed
	Extractable *bool
	KeyRing     string // "": any
	Search      string // in name, description or alias, case folded
}
