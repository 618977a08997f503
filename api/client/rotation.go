package client

import "time"

// States of a rotation, in their order.
const (
	StateNone       = "none"
	StatePreparing  = "preparing"
	StateGenerating = "generating"
	StateLoading    = "loading"
	StateCommitting = "committing"
	StateRewrapping = "rewrapping"
	StateVerifying  = "verifying"
	StateRewrapped  = "rewrapped"
	StateActivating = "activating"
	StateComplete   = "complete"
	StateCancelling = "cancelling"
	StateCancelled  = "cancelled"
	StateBlocked    = "blocked"
)

// Finished tells whether a rotation in that state is over (or there is none).
func Finished(state string) bool {
	return state == StateNone || state == StateComplete || state == StateCancelled
}

// RotationStatus is the open rotation, or the last one (GET rotation). With ?version=V&wait=10s the answer comes when its
// version is above V, or after the wait, whichever is first.
type RotationStatus struct {
	Version uint64 `json:"version"` // rises with every change; pass it on to wait for the next
	State   string `json:"state"`
	Open    bool   `json:"open"`              // not finished
	Hold    bool   `json:"hold"`              // it will stop at rewrapped for a signature
	Waiting string `json:"waiting,omitempty"` // what it waits for now, for people

	Order *RotationOrder `json:"order,omitempty"` // none: there was never one

	PatternBefore string `json:"pattern_before,omitempty"`
	PatternAfter  string `json:"pattern_after,omitempty"` // once generated

	Keys       KeyProgress       `json:"keys"`
	Partitions PartitionProgress `json:"partitions"`
	Pace       *Pace             `json:"pace,omitempty"` // what operators asked for; none: as fast as it goes

	Units   []RotationUnit `json:"units"`             // every unit that the order names
	Fenced  []uint32       `json:"fenced"`            // units left behind
	Blocked []BlockedBlob  `json:"blocked"`           // blobs that no live unit opens
	Times   []StateTime    `json:"times"`             // when each state was entered
	Seconds float64        `json:"seconds"`           // from acceptance until the end, or until now
	Refused []string       `json:"refused,omitempty"` // what callers are refused meanwhile
}

// Pace is how fast the units of a rotation rewrap, as operators last asked.
type Pace struct {
	Paused        bool      `json:"paused"`
	KeysPerSecond uint64    `json:"keys_per_second"` // of all units together; 0: no limit
	By            string    `json:"by"`
	At            time.Time `json:"at"`
}

// PaceRequest asks every unit to pause, to go on, or to keep to a rate (POST rotation/pace); what is left out stays as it
// was. It is about the open rotation, and answered with its status.
type PaceRequest struct {
	Paused        *bool   `json:"paused,omitempty"`
	KeysPerSecond *uint64 `json:"keys_per_second,omitempty"`
}

// RotationOrder is the order that a rotation follows.
type RotationOrder struct {
	Digest    string    `json:"digest"`
	Number    uint64    `json:"number"`
	Kind      string    `json:"kind"`                // init | rotate | recover
	Policy    string    `json:"policy,omitempty"`    // documented | online
	Commit    string    `json:"commit"`              // automatic | signed
	Activate  string    `json:"activate"`            // automatic | signed
	Retire    string    `json:"retire,omitempty"`    // keep | destroy
	Generator uint32    `json:"generator,omitempty"` // unit number; 0 with key parts
	KeyParts  int       `json:"key_parts,omitempty"`
	Suite     string    `json:"suite,omitempty"`  // how key parts travel: hpke | rsa-4096-oaep | ecdh-p521-aes-kw
	Source    uint32    `json:"source,omitempty"` // of a recovery
	NotAfter  time.Time `json:"not_after"`
}

// KeyProgress counts the keys of a rewrap. Until it starts Highest is 0 and Total is the census as it is.
type KeyProgress struct {
	Highest   uint64 `json:"highest"`   // N: the rewrap covers blob numbers 1..N
	Total     uint64 `json:"total"`     // keys in 1..N (the census noted at the start)
	Rewrapped uint64 `json:"rewrapped"` // written under the new key
	Verified  uint64 `json:"verified"`  // opened under both and compared, by another unit

	Classes ClassProgress `json:"classes"`

	Percent       float64 `json:"percent"`         // of rewrapping and verifying together, 0–100
	KeysPerSecond float64 `json:"keys_per_second"` // rewrapped so far, over the time it took
}

// ClassProgress is progress by class of key.
type ClassProgress struct {
	SystemInternal Progress `json:"system_internal"`
	KMS            Progress `json:"kms"`
	EP11           Progress `json:"ep11"`
}

// Progress is done and verified out of total.
type Progress struct {
	Done     uint64 `json:"done"`     // rewrapped
	Verified uint64 `json:"verified"` // by another unit
	Total    uint64 `json:"total"`
}

// PartitionProgress is the partitions of 1..N.
type PartitionProgress struct {
	Total    int         `json:"total"`
	Written  int         `json:"written"`
	Verified int         `json:"verified"`
	List     []Partition `json:"list"`
}

// Partition is one range of blob numbers, From to To inclusive. Its owner rewraps it in that order; Cursor is the next
// number to write, To + 1 when all is written.
type Partition struct {
	Number   uint32       `json:"number"`
	From     uint64       `json:"from"`
	To       uint64       `json:"to"`
	Cursor   uint64       `json:"cursor"`
	Owner    uint32       `json:"owner,omitempty"`    // unit number
	Verifier uint32       `json:"verifier,omitempty"` // unit number
	Lease    uint64       `json:"lease"`
	Pass     uint32       `json:"pass"`
	Written  bool         `json:"written"`
	Verified bool         `json:"verified"`
	Counts   *ClassCounts `json:"counts,omitempty"` // what the verifier counted
}

// RotationUnit is a unit as the rotation sees it.
type RotationUnit struct {
	Number    uint32         `json:"number"`
	Role      string         `json:"role"`
	Alive     bool           `json:"alive"`
	Registers Registers      `json:"registers"`           // as last stated
	Statement *StatementSeen `json:"statement,omitempty"` // the last one for this order
	Awaited   string         `json:"awaited,omitempty"`   // the statement that the rotation waits for from it
	Fenced    bool           `json:"fenced"`
}

// BlockedBlob is a blob that units could not open.
type BlockedBlob struct {
	Number uint64   `json:"number"`           // blob number, which a settle order names
	Key    string   `json:"key,omitempty"`    // the key that it belongs to, if the blob's header still says so
	Class  string   `json:"class,omitempty"`  // system internal | KMS | EP11, which a settle order names
	SHA256 string   `json:"sha256,omitempty"` // of the bytes that this node has, which a settle order names
	Units  []uint32 `json:"units"`            // who stated so
}

// StateTime is when a state was entered.
type StateTime struct {
	State string    `json:"state"`
	At    time.Time `json:"at"`
}

// Rotations is the history, newest first (GET rotations).
type Rotations struct {
	Rotations []RotationStatus `json:"rotations"`
}

// Receipt is an order with its statements and the administrators' list: order.Evidence in DER (GET
// rotations/{digest}/receipt). It is checked offline, against administrators that the reader has from elsewhere.
type Receipt struct {
	Digest  string `json:"digest"`
	State   string `json:"state"`
	Receipt []byte `json:"receipt"`
}
