package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
)

// Config is what Open needs. Fields without a default must be set.
type Config struct {
	// Number is this node's crypto unit, from 1. Its decimal form is Raft's server id.
	Number uint32

	// Dir is the folder for the log, the tables beside it and the snapshots; made if missing. No other process may use it.
	Dir string

	// Address is the host:port at which other nodes reach this one for Raft and for calls, and the address that is
	// listened on unless Listen says otherwise. Port 0 takes a free one.
	Address string

	// Listen is the host:port to bind instead of Address, for instance 0.0.0.0:8444. Default: Address.
	Listen string

	// Gossip is memberlist's address and keys.
	Gossip Gossip

	// Meta is told to the other nodes by gossip.
	Meta Meta

	// TLS names this node's certificate, key and authority.
	TLS TLSFiles

	// Timeouts of elections and calls; zero fields take their defaults.
	Timeouts Timeouts

	// Sizes bound memory and disk; zero fields take their defaults.
	Sizes Sizes

	// FSM is the replicated state, open. It is not closed by Close.
	FSM StateMachine

	// Recover, if set, is called once before Raft starts, so that the state machine is compared with what the log and the
	// snapshots hold, and restored from the newest snapshot if it is behind that. An error ends Open.
	Recover func(Durable) error

	// Admit, if set, is asked on the leader before a node becomes a member. It must accept a token that the same number
	// has used already: a join that was cut off is repeated.
	Admit func(ctx context.Context, number uint32, token string) error

	// Examine, if set, is asked on the leader before a command of some node, itself or another, goes into the log. An answer is
	// given to that node in the place of the state machine's, and the command is dropped. After an error the command is tried
	// again, here or on the next leader.
	Examine func(ctx context.Context, from uint32, data []byte) (answer []byte, err error)

	// Delay, if set, tells the longest that this node's clients have waited lately; 0: there are none. It is told to who asks
	// for the Load.
	Delay func() time.Duration

	// Logger receives everything that Raft, memberlist and this package say. Default: discarded.
	Logger hclog.Logger

	network network // replaced by tests that cut connections
}

// Gossip configures memberlist.
type Gossip struct {
	// Address is the host:port that other nodes reach by UDP and TCP. The host is an IP address or resolves to one. Port
	// 0 takes a free one.
	Address string

	// Listen is the IP address and port to bind instead of Address. Default: Address.
	Listen string

	// Keyring holds one to eight keys of 16, 24 or 32 bytes. The first encrypts; all decrypt, so that a key can be replaced
	// node by node.
	Keyring [][]byte
}

// Meta is what a node tells the others by gossip; together at most 400 bytes.
type Meta struct {
	// APIAddress is the host:port of this node's API, for clients to be pointed to.
	APIAddress string

	// Role is the unit's role, for display.
	Role string
}

// TLSFiles are PEM files. They are read again when they change: a renewed certificate needs no restart.
type TLSFiles struct {
	// Certificate is this node's chain: SAN URI tumbler://node/<number>, for servers and clients.
	Certificate string

	// Key is the certificate's private key.
	Key string

	// CA is the authority of all nodes' certificates.
	CA string
}

// Timeouts of the cluster. A killed leader is replaced after Heartbeat to twice that, plus an election.
type Timeouts struct {
	// Heartbeat is how long a follower hears nothing of its leader before it stands for election. Default 600 ms.
	Heartbeat time.Duration

	// Election is how long a candidate waits for votes; at least Heartbeat. Default 600 ms.
	Election time.Duration

	// Lease is how long a leader goes on without a majority; at most Heartbeat. Default: five sixths of Heartbeat.
	Lease time.Duration

	// Commit is how often Raft tells a follower what is committed when nothing else is sent, at most twice that. It costs an
	// idle leader a message each time. Default 50 ms; the leader itself tells sooner, see commitment.
	Commit time.Duration

	// Call is the longest time to connect, and for one Raft message of ordinary size. Default 5 s.
	Call time.Duration
}

// Sizes bound memory and disk.
type Sizes struct {
	// SnapshotBytes of log after the last snapshot cause the next. Default 64 MiB.
	SnapshotBytes int64

	// TrailingBytes of log are kept below a snapshot, so that a node that was away shortly need not be sent one. At least
	// 256 entries are kept. Default: SnapshotBytes.
	TrailingBytes int64

	// AppendEntries is the most entries in one Raft message and in one disk sync. Default 32. A follower that catches up
	// holds that many tables in memory.
	AppendEntries int

	// ApplyBacklog is how many bytes of committed tables may wait for this node's state machine before the node takes no
	// further ones. Default 32 MiB.
	ApplyBacklog int64

	// LogCache is how many of the newest entries are kept in memory. Default 64.
	LogCache int
}

// network makes this node's connections, before TLS.
type network interface {
	Listen(ctx context.Context, address string) (net.Listener, error)
	Dial(ctx context.Context, address string) (net.Conn, error)
}

const maxMeta = 400

func or[T comparable](value, fallback T) T {
	var zero T
	if value == zero {
		return fallback
	}
	return value
}

// withDefaults checks the configuration and fills in what was left out.
func (c Config) withDefaults() (Config, error) {
	c.Timeouts.Heartbeat = or(c.Timeouts.Heartbeat, 600*time.Millisecond)
	c.Timeouts.Election = or(c.Timeouts.Election, max(c.Timeouts.Heartbeat, 600*time.Millisecond))
	c.Timeouts.Lease = or(c.Timeouts.Lease, c.Timeouts.Heartbeat*5/6)
	c.Timeouts.Commit = or(c.Timeouts.Commit, 50*time.Millisecond)
	c.Timeouts.Call = or(c.Timeouts.Call, 5*time.Second)
	c.Sizes.SnapshotBytes = or(c.Sizes.SnapshotBytes, 64<<20)
	c.Sizes.TrailingBytes = or(c.Sizes.TrailingBytes, c.Sizes.SnapshotBytes)
	c.Sizes.AppendEntries = or(c.Sizes.AppendEntries, 32)
	c.Sizes.ApplyBacklog = or(c.Sizes.ApplyBacklog, 32<<20)
	c.Sizes.LogCache = or(c.Sizes.LogCache, 64)
	c.Listen = or(c.Listen, c.Address)
	c.Gossip.Listen = or(c.Gossip.Listen, c.Gossip.Address)
	if c.Examine == nil {
		c.Examine = func(context.Context, uint32, []byte) ([]byte, error) { return nil, nil }
	}
	if c.Delay == nil {
		c.Delay = func() time.Duration { return 0 }
	}
	if c.Logger == nil {
		c.Logger = hclog.NewNullLogger()
	}
	if c.network == nil {
		c.network = tcp{}
	}
	return c, c.check()
}

func (c Config) check() error {
	wrong := func(key string, value any, err, hint string) error {
		return &ConfigError{Key: key, Value: fmt.Sprint(value), Err: errors.New(err), Hint: hint}
	}
	switch {
	case c.Number == 0:
		return wrong("number", c.Number, "a unit's number is from 1", "give each node its own number")
	case c.Dir == "":
		return wrong("dir", c.Dir, "no folder", "name a folder on this machine's disk")
	case c.FSM == nil:
		return errors.New("cluster: Config.FSM is not set")
	case c.Timeouts.Heartbeat < 50*time.Millisecond:
		return wrong("timeouts.heartbeat", c.Timeouts.Heartbeat, "below 50ms", "leave it out for the default, 600ms")
	case c.Timeouts.Election < c.Timeouts.Heartbeat:
		return wrong("timeouts.election", c.Timeouts.Election, "below timeouts.heartbeat", "raise it to at least that, or leave it out")
	case c.Timeouts.Lease < 10*time.Millisecond || c.Timeouts.Lease > c.Timeouts.Heartbeat:
		return wrong("timeouts.lease", c.Timeouts.Lease, "not between 10ms and timeouts.heartbeat", "leave it out for five sixths of the heartbeat")
	case c.Timeouts.Commit < time.Millisecond || c.Timeouts.Commit > c.Timeouts.Heartbeat:
		return wrong("timeouts.commit", c.Timeouts.Commit, "not between 1ms and timeouts.heartbeat", "leave it out for the default, 50ms")
	case c.Timeouts.Call < 100*time.Millisecond:
		return wrong("timeouts.call", c.Timeouts.Call, "below 100ms", "leave it out for the default, 5s")
	case c.Sizes.SnapshotBytes < 0 || c.Sizes.TrailingBytes < 0 || c.Sizes.ApplyBacklog < 0 || c.Sizes.LogCache < 0:
		return wrong("sizes", fmt.Sprintf("%+v", c.Sizes), "a negative size", "leave sizes out for the defaults")
	case c.Sizes.AppendEntries < 1 || c.Sizes.AppendEntries > 1024:
		return wrong("sizes.append_entries", c.Sizes.AppendEntries, "not between 1 and 1024", "leave it out for the default, 32")
	case len(c.Gossip.Keyring) == 0 || len(c.Gossip.Keyring) > maxGossipKeys:
		return wrong("gossip.keyring", fmt.Sprintf("%d keys", len(c.Gossip.Keyring)), "not one to eight keys", "put the same key of 32 bytes on every node")
	case len(c.Meta.APIAddress)+len(c.Meta.Role) > maxMeta:
		return wrong("api.address", c.Meta.APIAddress, "longer than gossip carries", "use a shorter host name")
	}
	for _, key := range c.Gossip.Keyring {
		if n := len(key); n != 16 && n != 24 && n != 32 {
			return wrong("gossip.keyring", fmt.Sprintf("a key of %d bytes", n), "a key has 16, 24 or 32 bytes", "make one of 32 random bytes")
		}
	}
	for _, address := range []struct{ key, value string }{
		{"address", c.Address}, {"listen", c.Listen}, {"gossip.address", c.Gossip.Address}, {"gossip.listen", c.Gossip.Listen},
	} {
		if _, _, err := net.SplitHostPort(address.value); err != nil {
			return &ConfigError{Key: address.key, Value: address.value, Err: err, Hint: "write host:port, for instance 127.0.0.1:8444"}
		}
	}
	if host, _, _ := net.SplitHostPort(c.Address); unspecified(host) {
		return wrong("address", c.Address, "no other node can dial this", "name the host here, and bind all addresses with listen")
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return &ConfigError{Key: "dir", Value: c.Dir, Err: err, Hint: "give the process a folder that it may write to"}
	}
	return nil
}

func unspecified(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// newIdentity is the id that a bootstrap gives its cluster.
func newIdentity() (id [16]byte) {
	rand.Read(id[:]) // never fails
	return id
}
