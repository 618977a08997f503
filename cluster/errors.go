package cluster

import (
	"errors"
	"fmt"
)

var (
	// ErrNoLeader: no leader could be reached before the context ended. Nothing was proposed; the same call may be made
	// again at any time.
	ErrNoLeader = errors.New("the cluster has no leader that this node can reach: check that a majority of its members runs and is connected")

	// ErrNotBootstrapped: this node belongs to no cluster yet.
	ErrNotBootstrapped = errors.New("this node belongs to no cluster yet: run `tumbler cluster bootstrap` on the first node, or `tumbler cluster join` to add this one")

	// ErrAlreadyBootstrapped: this node already has a log; it cannot start or enter another cluster.
	ErrAlreadyBootstrapped = errors.New("this node already belongs to a cluster: to move it, remove it there, empty its data folder and join again")

	// ErrOtherCluster: the seed belongs to another cluster than this node's log.
	ErrOtherCluster = errors.New("this node's log is of another cluster than the seed's: give the seed's address in this node's own cluster, or empty the data folder")

	// ErrOutcomeUnknown: the context ended while a proposal was on its way; it may yet be committed. Proposing the same
	// bytes again tells.
	ErrOutcomeUnknown = errors.New("the outcome of the proposal is unknown: send the same request again to learn it")

	// ErrShutdown: the cluster is closed or failed on this node.
	ErrShutdown = errors.New("the cluster is closed on this node")

	// ErrNotMember: the number is of no member of the cluster.
	ErrNotMember = errors.New("no member of the cluster has that number: see `tumbler cluster members`")

	// ErrLastVoter: the only voter can be neither removed nor leave.
	ErrLastVoter = errors.New("this is the cluster's only voter: add another member before it goes")

	// ErrUnreachable: the node named by the call does not answer.
	ErrUnreachable = errors.New("the node does not answer")

	// ErrUnknownMethod: the called node has no handler of that name.
	ErrUnknownMethod = errors.New("the node has no such method: it may run another version")

	// ErrNoAdmission: this node lets no one in, since Config.Admit is not set.
	ErrNoAdmission = errors.New("this node cannot admit new members")

	// ErrNotAdmitted: Config.Admit refused the joining node.
	ErrNotAdmitted = errors.New("the cluster does not admit this node: make a token with `tumbler cluster token create`, and join with it before it expires")

	// ErrLostLog: a voter comes back with an empty log. It must not vote again under the same membership.
	ErrLostLog = errors.New("this node is a voter of the cluster, and its log is empty: remove it from the cluster, then join again")

	// ErrNumberTaken: another node has that number.
	ErrNumberTaken = errors.New("another node of the cluster has that number: give each node its own")

	// ErrTooLarge: a proposal or the body of a call is above the limit.
	ErrTooLarge = errors.New("the message is too large")

	// ErrPeer: the other end of a connection is not the node that it should be.
	ErrPeer = errors.New("the other end is not the expected node")

	// ErrDamaged: a file of the log or of a snapshot is not what was written.
	ErrDamaged = errors.New("damaged")
)

// ConfigError says which key of the configuration is wrong, and what to do.
type ConfigError struct {
	Key   string // as in Config, lower case with dots: number, dir, address, gossip.address, gossip.keyring, tls.certificate, tls.key, tls.ca, timeouts.…
	Value string // what it says now
	Err   error
	Hint  string
}

func (e *ConfigError) Error() string {
	return fmt.Sprintf("configuration: %s %q: %v; %s", e.Key, e.Value, e.Err, e.Hint)
}

func (e *ConfigError) Unwrap() error { return e.Err }

// RemoteError is the error of another node's handler. errors.Is finds the errors above in it.
type RemoteError struct {
	Node    uint32 // 0 when it was called by address
	Method  string
	Message string

	kind   error  // one of the errors above, or nil
	leader uint32 // who leads instead, if known
}

func (e *RemoteError) Unwrap() error { return e.kind }

func (e *RemoteError) Error() string {
	return fmt.Sprintf("node %d, %s: %s", e.Node, e.Method, e.Message)
}
