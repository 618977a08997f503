package rewrap

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// ErrWrote is what Unit.NewVerifier answers when the unit's sealed file notes that
// it wrote the partition in that pass.
var ErrWrote = errors.New("this crypto unit rewrapped the partition itself: another one verifies it")

// Unit is the part of this node's crypto unit that a rewrap needs. Its methods
// are called by several goroutines at once.
type Unit interface {
	// BeginPartition notes durably that the unit writes a partition in a
	// pass. To note the same again is success.
	BeginPartition(digest order.Digest, partition, pass uint32) error
	// Rewrap seals blobs of the current master key under the new one. It
	// keeps none of the bytes that it was given.
	Rewrap(digest order.Digest, partition, pass uint32, blobs [][]byte) (Rewrapped, error)
	// NewVerifier begins the comparison of one partition of 1..last; ErrWrote
	// if the unit wrote it.
	NewVerifier(digest order.Digest, last uint64, partition, pass uint32) (Verifier, error)
	// Check opens a blob under either master key, and shows nothing of it.
	Check(blob []byte) error
}

// Rewrapped is a batch as the unit gives it back.
type Rewrapped struct {
	Blobs  [][]byte // in the order given; nil where one failed
	Failed []int    // indices of those that do not open, ascending
	Counts order.Counts
}

// Verifier compares both epochs of one partition. It is for one goroutine.
type Verifier interface {
	// Add opens both blobs and compares them. After an error it states
	// nothing any more.
	Add(current, next []byte) error
	// Finish states `verified`, durably and signed.
	Finish() (order.SignedStatement, error)
}

// Proposer puts commands into the log.
type Proposer interface {
	// ProposeTable returns once this node's store has applied the command. A
	// refusal is an *fsm.Refusal; any other error leaves open whether the
	// command is in the log. table is nil for commands without one, and must
	// not be changed afterwards.
	ProposeTable(ctx context.Context, command fsm.Command, table []byte) (fsm.Result, error)
}

// Stater puts statements of this node's unit to the state.
type Stater interface {
	// State calls say, proposes what it gives as fsm.SubmitStatement, and
	// returns as Proposer does, or with say's error. From before say until
	// the answer nothing else at this node has the unit sign anything for
	// the state: an overtaken statement's generation would be refused, and
	// that looks like a unit that was rolled back.
	State(ctx context.Context, say func() (order.SignedStatement, error)) error
}

// Source is this node's replica of the state. *fsm.Store is one.
type Source interface {
	View() (*fsm.View, error)
	// Watch gives a channel that closes at the next change of the rotation.
	Watch() (version uint64, changed <-chan struct{})
}

// Reporter is told what this node cannot put right by itself. Both are called
// again, less and less often, as long as the trouble lasts: they may fail or
// be lost.
type Reporter interface {
	// CannotOpen names blobs of the current epoch that this unit cannot open
	// on this replica, by rising number. The unit is to state so, if it
	// agrees. The partition waits until the replica's bytes differ or the
	// blob is gone.
	CannotOpen(ctx context.Context, digest fsm.Digest, blobs []fsm.BlobRecord) error
	// Found is for the leader's Planner.Note, wherever it runs.
	Found(ctx context.Context, finding Finding) error
}

// FindingKind is what a verifier found instead of verifying. The numbers
// travel between nodes: they are forever.
type FindingKind uint8

// The kinds.
const (
	// FoundWrote: the unit's sealed file notes the partition as its own.
	FoundWrote FindingKind = 1
	// FoundSpoiled: a blob of the next epoch is bad, missing or too many, so
	// the partition begins again.
	FoundSpoiled FindingKind = 2
)

// Finding is why a partition cannot be verified as it stands.
type Finding struct {
	Kind      FindingKind `json:"kind"`
	Order     fsm.Digest  `json:"order"`
	Partition uint32      `json:"partition"`
	Pass      uint32      `json:"pass"`
	Unit      uint32      `json:"unit"`   // whose finding it is
	Detail    string      `json:"detail"` // for the log
}

// Limits of the work of one node.
const (
	// InFlight is how many partitions a unit writes at once, each with one
	// batch proposed and the next one made meanwhile, and how many it
	// verifies at once.
	InFlight = 3
	// MaxLag is how many entries a live voter may be behind before workers
	// pause.
	MaxLag = 64
)

// Load is what a rewrap adds to.
type Load struct {
	// Lag is by how many entries the slowest live voter is behind; workers
	// pause from MaxLag on.
	Lag uint64
	// Delay is the longest that clients have waited lately, on any node; 0:
	// there are none. See courtesy.
	Delay time.Duration
}

// Config is what a Runner is made of.
type Config struct {
	Number   uint32 // of this node's crypto unit
	Unit     Unit
	Proposer Proposer
	Stater   Stater
	Source   Source
	Reporter Reporter
	// Load tells what the members bear. It is asked once a batch. nil: nothing.
	Load func(ctx context.Context) (Load, error)
	// Patience is how long a client may wait for the cluster before units
	// rewrap less. Default 20 ms; a quiet cluster takes a few.
	Patience time.Duration
	// Retry is how long trouble holds a partition back at first; it doubles
	// up to 32 times that. Default 200 ms.
	Retry time.Duration
	// Batch is the most blobs of a batch. Default fsm.MaxTableCount.
	Batch int
	// Logger; nil: none.
	Logger hclog.Logger
}

func (c *Config) check() error {
	if c.Number == 0 || c.Unit == nil || c.Proposer == nil || c.Stater == nil || c.Source == nil || c.Reporter == nil {
		return errors.New("a rewrap runner needs a unit, its number, a proposer, a stater, a source and a reporter")
	}
	if c.Load == nil {
		c.Load = func(context.Context) (Load, error) { return Load{}, nil }
	}
	if c.Patience <= 0 {
		c.Patience = 20 * time.Millisecond
	}
	if c.Retry <= 0 {
		c.Retry = 200 * time.Millisecond
	}
	if c.Batch <= 0 {
		c.Batch = fsm.MaxTableCount
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	return nil
}
