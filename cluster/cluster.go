package cluster

import (
	"context"
	"errors"
	"path/filepath"
	"time"
)

// Cluster is this node's part in a cluster. All methods may be called by many goroutines at once.
type Cluster struct{}

var errTODO = errors.New("TODO")

// Open starts this node's part: a member goes on where it stopped, a new node waits for Bootstrap or Join.
func Open(Config) (*Cluster, error) { return nil, errTODO }

// Close leaves the port and the disk in order: a leader first hands over.
func (c *Cluster) Close() error { return errTODO }

// Failed is closed when this node can no longer follow the log; Err says why. The process should end then.
func (c *Cluster) Failed() <-chan struct{} { return nil }

// Err is the reason why Failed is closed.
func (c *Cluster) Err() error { return nil }

// Address is the address at which other nodes reach this one.
func (c *Cluster) Address() string { return "" }

// GossipAddress is the address of this node's gossip.
func (c *Cluster) GossipAddress() string { return "" }

// Number is this node's number.
func (c *Cluster) Number() uint32 { return 0 }

// Bootstrapped tells whether this node belongs to a cluster.
func (c *Cluster) Bootstrapped() bool { return false }

// Bootstrap starts a cluster of this node alone, and returns once it leads.
func (c *Cluster) Bootstrap(ctx context.Context) error { return errTODO }

// Join asks the node at the address seed to be let into its cluster, and returns once this node is a voter and has the
// state. It may be repeated with the same token after a crash or a cut connection.
func (c *Cluster) Join(ctx context.Context, seed, token string) error { return errTODO }

// Leave takes this node out of the cluster. Afterwards it is to be closed; to come back it starts with an empty folder.
func (c *Cluster) Leave(ctx context.Context) error { return errTODO }

// Remove takes the node with that number out of the cluster.
func (c *Cluster) Remove(ctx context.Context, number uint32) error { return errTODO }

// TransferLeadership makes that node the leader; 0 means any other voter. It returns once this node sees it lead.
func (c *Cluster) TransferLeadership(ctx context.Context, number uint32) error { return errTODO }

// Propose replicates data, with extensions as a table beside the log, and returns the state machine's answer.
func (c *Cluster) Propose(ctx context.Context, data, extensions []byte) ([]byte, error) {
	return nil, errTODO
}

// ReadIndex returns once this node's state holds every command whose proposer had its answer when ReadIndex was called.
func (c *Cluster) ReadIndex(ctx context.Context) error { return errTODO }

// Member is a node of the cluster: its first four fields are Raft's, the rest hints.
type Member struct {
	Number  uint32
	Address string // of Raft and of calls
	Voter   bool
	Leader  bool // as far as this node knows

	Alive        bool   // gossip hears of it
	APIAddress   string // from gossip
	Role         string // from gossip
	AppliedIndex uint64 // as last heard by the leader; 0 when unknown
}

// Members are the nodes of the cluster by number.
func (c *Cluster) Members() []Member { return nil }

// Leader is the node that leads, as far as this node knows.
func (c *Cluster) Leader() (number uint32, ok bool) { return 0, false }

// Leading gives a channel that says whether this node leads: at once, and then whenever that changes. A slow receiver sees
// the newest value only. The channel is closed by Close.
func (c *Cluster) Leading() <-chan bool { return nil }

// Lag is how many entries the slowest live voter is behind the leader's log.
func (c *Cluster) Lag(ctx context.Context) (uint64, error) { return 0, errTODO }

// Handler answers a call. The peer is the calling node, proven by its certificate; it need not be a member.
type Handler func(ctx context.Context, peer uint32, body []byte) ([]byte, error)

// Handle answers calls of a method from now on. A name is letters, digits and hyphens; it is handled once.
func (c *Cluster) Handle(method string, handler Handler) {}

// Call calls a method of another node, or of this one.
func (c *Cluster) Call(ctx context.Context, number uint32, method string, body []byte) ([]byte, error) {
	return nil, errTODO
}

// Snapshot takes a snapshot now.
func (c *Cluster) Snapshot(ctx context.Context) error { return errTODO }

// LogEntry is an entry of this node's own log.
type LogEntry struct {
	Index, Term     uint64
	Type            string // command, noop, barrier, configuration
	Data            []byte
	ExtensionSize   int64    // bytes of the table beside the log; 0 without one
	ExtensionDigest [32]byte // SHA-256 of the table
	AppendedAt      time.Time
}

// LogEntries reads up to limit entries of this node's own log, the first at or after from.
func (c *Cluster) LogEntries(from uint64, limit int) ([]LogEntry, error) { return nil, errTODO }

// TablePath is where the table of the entry with that index and term lies, for the Config.Dir dir.
func TablePath(dir string, index, term uint64) string {
	return filepath.Join(dir, "tables", tableName(index, term))
}
