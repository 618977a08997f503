package admin

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// State is this node's replica of the replicated state: *fsm.Store, by way of StateOf.
type State interface {
	// View gives a snapshot, which the caller closes.
	View() (View, error)
	// Watch gives the version of the control records (units, rotation) and a channel that closes at the next change.
	Watch() (version uint64, changed <-chan struct{})
}

// View is a snapshot of the state: the part of *fsm.View that this package reads.
type View interface {
	ServiceState() fsm.ServiceState
	Cluster() fsm.Cluster
	Units() []fsm.Unit
	Unit(number uint32) (fsm.Unit, bool)
	Rotation() (fsm.Rotation, bool)     // the open one, or the last
	Rotations() ([]fsm.Rotation, error) // all, oldest first
	Record() *order.Record              // of Rotation, not to be changed
	Order(fsm.Digest) (fsm.OrderRecord, error)
	Receipt(fsm.Digest) (fsm.Receipt, error)
	Blob(epoch, number uint64) (fsm.BlobRecord, error)
	APIKeys() ([]fsm.APIKeyRecord, error)
	Tokens() ([]fsm.TokenRecord, error)
	Close() error
}

// Proposer puts commands into the log.
type Proposer interface {
	// Propose returns once this node has applied the command. A refusal of the state is a *fsm.Refusal. Other errors
	// wrap ErrNoLeader or ErrNotReady when nothing was proposed, else ErrOutcomeUnknown.
	Propose(ctx context.Context, command fsm.Command) (fsm.Result, error)
	// ReadIndex returns once this node's state holds everything that was committed before the call.
	ReadIndex(ctx context.Context) error
}

// Node is this process.
type Node interface {
	// Status is cheap: it asks nobody.
	Status() client.NodeStatus
	// Bootstrap makes this node the only member of a new cluster, and the first API key, in the name of by.
	// On a node that is a member already it is fsm.ErrAlreadyBootstrapped.
	Bootstrap(ctx context.Context, by string) (client.Bootstrapped, error)
	// Log reads entries of this node's log, from 1 ≤ limit ≤ 1,000; from 0 is the first that it has.
	Log(ctx context.Context, from uint64, limit int) (client.Log, error)
	// NewAPIKey makes a record for CreateAPIKey, and the secret that goes with it. The role has been checked.
	NewAPIKey(name, role, by string) (record fsm.APIKeyRecord, secret string, err error)
}

// Cluster is the membership. Unknown numbers are ErrNotFound.
type Cluster interface {
	// Members is what this node knows, by number; empty before bootstrap or join. It asks nobody.
	Members() []client.Member
	// Join has this node join the cluster of the member whose Raft address it is.
	Join(ctx context.Context, address, token string) error
	// Leave has this node leave; Remove takes another member out, dead or alive.
	Leave(ctx context.Context) error
	Remove(ctx context.Context, number uint32) error
	// TransferLeader hands leadership to a member; 0: the most up to date.
	TransferLeader(ctx context.Context, number uint32) error
}

// Units reaches crypto units, this node's and others', through their nodes. A node that does not answer is
// ErrUnitUnreachable.
type Units interface {
	// Report has a unit sign a fresh report: order.SignedStatement, DER.
	Report(ctx context.Context, number uint32) ([]byte, error)
	// SetAdministrators hands order.Administrators (DER) and signatures (order.Signature, DER) to a unit in imprint
	// mode, which checks them itself.
	SetAdministrators(ctx context.Context, number uint32, administrators []byte, signatures [][]byte) error
	// Zeroize hands an approval (order.SignedApproval, DER; empty for a unit in imprint mode) to a unit, which checks it
	// itself, and gives the report of what the unit is then. If no other unit would keep the instance's master key it is
	// ErrLastHolder, unless masterKey is that key's pattern.
	Zeroize(ctx context.Context, number uint32, approval []byte, masterKey string) ([]byte, error)
	// LoadPart hands a key part of the open order (order.Envelope, DER) to its unit, and gives the unit's reply to the
	// custodian (order.SignedPartReply, DER), nil where the unit had loaded before, and whether it has loaded by now.
	LoadPart(ctx context.Context, number uint32, envelope []byte) (reply []byte, loaded bool, err error)
	// Refresh has units register again, so that the state judges an order by what is so now, and returns those whose
	// disk has no room for a second epoch. Those that do not answer are in the error; the others have registered.
	Refresh(ctx context.Context, units []uint32) (short []uint32, err error)
}

// Checks look at the whole cluster and change nothing in it.
type Checks interface {
	// Digest has every node hash its state at one index.
	Digest(ctx context.Context) (client.DigestReport, error)
	// DryRun opens every blob of the current epoch. The caller adds what the units' reports say against a rotation.
	DryRun(ctx context.Context) (client.DryRun, error)
	// Archive makes a backup of the state, which the caller closes; with a unit's number that unit's sealed file is in it.
	Archive(ctx context.Context, unit uint32) (*Archive, error)
}

// Archive is a backup that is about to be written.
type Archive struct {
	Size  int64 // bytes
	Write func(io.Writer) error
	Close func() error
}

// Backend is what node gives this package.
type Backend struct {
	State    State
	Proposer Proposer
	Node     Node
	Cluster  Cluster
	Units    Units
	Checks   Checks

	// Errors tells how errors of packages that this one cannot know (cluster, cryptounit) travel: the first that
	// errors.Is finds. The code decides the HTTP status and the return codes; codes unknown here are a conflict.
	Errors []ErrorCode

	// KeyOf reads from a blob's header which key it belongs to; "" if it does not say. May be nil.
	KeyOf func(blob []byte) string

	Now    func() time.Time // nil: time.Now
	Logger hclog.Logger     // nil: none. One structured line a call: who, what, result
}

// ErrorCode is how one sentinel travels.
type ErrorCode struct {
	Err  error
	Code client.Code
	Hint string // what to do next, unless the error says so itself
}

// What backends answer with, wrapped around the cause, where they have no error of their own in Backend.Errors.
var (
	ErrNotReady        = errors.New("this node is not ready")           // nothing was done
	ErrNoLeader        = errors.New("the cluster has no leader now")    // nothing was done
	ErrOutcomeUnknown  = errors.New("the outcome is unknown")           // it may have been done
	ErrUnitUnreachable = errors.New("the unit's node does not answer")  // asked for one unit
	ErrNotFound        = errors.New("there is none with that name")     // of a member, a log index
	ErrNotAccepted     = errors.New("this node does not accept it now") // a member already, the last voter…
	ErrLastHolder      = errors.New("it is the last one that answers and holds the master key")
	ErrBadAddress      = errors.New("the address or token is not valid") // of a join
)
