package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// Cluster is this node's part in a cluster. All methods may be called by many goroutines at once.
type Cluster struct {
	cfg    Config
	logger hclog.Logger

	log       *logStore
	snapshots *snapshotStore
	port      *port
	calls     *calls
	gossip    *gossip
	raft      *raft.Raft
	live      atomic.Pointer[raft.Raft] // the same, for what Raft itself calls while it starts
	leader    *leadership

	transport *transport
	last      *lastApplied
	asks      batcher       // of readers here, to the leader
	reads     batcher       // of nodes that ask, while this one leads
	ownTerm   atomic.Uint64 // of which this node, leading, has applied an entry
	progress  progress

	changing     sync.Mutex // Bootstrap and Join
	snapshotting sync.Mutex
	grown        chan struct{} // the log has

	ending
}

// ending is how a cluster ends: closed, or failed first.
type ending struct {
	ctx    context.Context // of all that runs in the background
	cancel context.CancelFunc
	wg     sync.WaitGroup
	closed sync.Once
	// orderly: the node ends because it was asked to, see Ending.
	orderly atomic.Bool

	failOnce sync.Once
	failed   chan struct{}
	failure  error // set before failed is closed

	stopOnce sync.Once
	stopped  raft.Future
}

// handOver is how long a leader that closes tries to make another node the leader.
const handOver = 2 * time.Second

// Open starts this node's part: a member goes on where it stopped, a new node waits for Bootstrap or Join. What it binds is
// listening when it returns.
func Open(config Config) (*Cluster, error) {
	cfg, err := config.withDefaults()
	if err != nil {
		return nil, err
	}
	c := &Cluster{cfg: cfg, logger: cfg.Logger.Named("cluster"), grown: make(chan struct{}, 1), last: newLastApplied()}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.failed = make(chan struct{})
	c.asks.round, c.reads.round = c.askIndex, c.readRound
	for _, step := range []func() error{c.openStores, c.openNetwork, c.startRaft} {
		if err := step(); err != nil {
			return nil, errors.Join(err, c.closeAll())
		}
	}
	c.start()
	return c, nil
}

// openStores makes log and snapshots whole, and has the state machine compare itself with them.
func (c *Cluster) openStores() (err error) {
	if c.log, err = openLogStore(c.cfg.Dir, c.logger); err != nil {
		return err
	}
	if c.snapshots, err = openSnapshotStore(c.cfg.Dir, c.logger); err != nil {
		return err
	}
	c.log.covered, c.log.damaged = c.snapshots.newestIndex, c.fail
	c.log.grown = func() {
		select {
		case c.grown <- struct{}{}:
		default:
		}
	}
	metas, err := c.snapshots.List()
	if err != nil {
		return err
	}
	var durable Durable
	var term uint64
	if len(metas) > 0 {
		durable.Snapshot, durable.SnapshotIndex, term = c.snapshots.checkpoint(metas[0].ID), metas[0].Index, metas[0].Term
	}
	if err := c.log.recover(durable.SnapshotIndex, term); err != nil {
		return err
	}
	if durable.FirstIndex, err = c.log.FirstIndex(); err != nil {
		return err
	}
	if durable.LastIndex, err = c.log.LastIndex(); err != nil {
		return err
	}
	if c.cfg.Recover != nil {
		return c.cfg.Recover(durable)
	}
	return nil
}

func (c *Cluster) openNetwork() error {
	creds, err := newCredentials(c.cfg.TLS, c.cfg.Number, c.logger)
	if err != nil {
		return err
	}
	if c.port, err = openPort(c.ctx, c.cfg, creds.server(), c.logger); err != nil {
		return err
	}
	if c.gossip, err = openGossip(c.cfg, c.Address(), quiet{c.cfg.Logger.Named("gossip"), c.orderly.Load}); err != nil {
		return err
	}
	c.calls = newCalls(c.cfg, creds, c.logger)
	c.calls.address, c.calls.heard, c.calls.cluster = c.addressOf, c.gossip.addressOf, c.identity
	c.calls.leader = func() uint32 {
		number, _ := c.leader.get()
		return number
	}
	for method, handler := range map[string]Handler{
		methodPropose:   c.forwarded,
		methodReadIndex: c.members(c.readIndexHere),
		methodRemove:    c.members(c.removeHere),
		methodTransfer:  c.members(c.transferHere),
		methodLoad:      c.members(c.loadHere),
		methodTerm:      c.answerTerm,
		methodCommitted: c.answerCommitted,
		methodProgress:  c.answerProgress,
		methodHello:     c.answerHello,
		methodJoin:      c.answerJoin,
		methodGossip:    c.answerGossip,
	} {
		c.calls.handle(method, handler)
	}
	return nil
}

// members answers a request that members pass to the leader; the answer ends with the leader's commitment.
func (c *Cluster) members(here local) Handler {
	return func(ctx context.Context, peer uint32, body []byte) ([]byte, error) {
		if _, ok := c.server(peer); !ok {
			return nil, fmt.Errorf("%w: node %d", ErrNotMember, peer)
		}
		answer, err := here(ctx, body)
		if err != nil {
			return nil, err
		}
		return c.commitment().appendTo(slices.Clip(answer)), nil
	}
}

// raftConfig is what Raft is told.
func (c *Cluster) raftConfig(logger hclog.Logger) *raft.Config {
	conf := raft.DefaultConfig()
	conf.LocalID = serverID(c.cfg.Number)
	conf.Logger = logger
	conf.HeartbeatTimeout = c.cfg.Timeouts.Heartbeat
	conf.ElectionTimeout = c.cfg.Timeouts.Election
	conf.LeaderLeaseTimeout = c.cfg.Timeouts.Lease
	conf.CommitTimeout = c.cfg.Timeouts.Commit
	conf.MaxAppendEntries = c.cfg.Sizes.AppendEntries
	conf.NoSnapshotRestoreOnStart = true // the state machine is on disk itself, see Config.Recover
	conf.SnapshotInterval = 24 * time.Hour
	conf.SnapshotThreshold = ^uint64(0) // snapshots come by bytes, see snapshotLoop
	conf.ShutdownOnRemove = false
	conf.NoLegacyTelemetry = true
	return conf
}

// cachedLog is the log as Raft has it: the newest entries, which followers are about to be sent, are not read from disk.
func (c *Cluster) cachedLog() (*raft.LogCache, error) {
	return raft.NewLogCache(c.cfg.Sizes.LogCache, writing{c.log, c.fail})
}

func (c *Cluster) startRaft() error {
	logger := quiet{c.cfg.Logger.Named("raft"), c.orderly.Load}
	waiting := &backlog{limit: c.cfg.Sizes.ApplyBacklog, applied: c.cfg.FSM.AppliedIndex, wait: c.cfg.FSM.WaitApplied}
	waiting.committed = func() uint64 {
		if r := c.live.Load(); r != nil {
			return r.CommitIndex()
		}
		return 0
	}
	c.log.room = func(index uint64, bytes int64) { waiting.room(c.ctx, index, bytes) }
	cached, err := c.cachedLog()
	if err != nil {
		return err
	}
	c.transport = newTransport(raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: &stream{
			acceptor: c.port.raft, network: c.cfg.network, creds: c.calls.creds, timeout: c.cfg.Timeouts.Call,
			number: c.numberAt, heard: c.gossip.addressOf, same: c.sameCluster,
		},
		Logger:                  logger,
		MaxPool:                 4,
		Timeout:                 max(c.cfg.Timeouts.Call, 10*time.Second),
		MsgpackUseNewTimeFormat: true,
	}))
	stable := &votes{StableStore: c.log.bolt, dir: c.log.dir, fail: c.fail}
	r, err := stable.newRaft(c.raftConfig(logger), &applier{fsm: c.cfg.FSM, last: c.last, fail: c.fail}, cached, c.snapshots, c.transport)
	if err != nil {
		return errors.Join(fmt.Errorf("start raft: %w", err), c.Err(), c.transport.Close())
	}
	c.raft = r
	c.live.Store(r)
	return c.Err() // the state machine may have failed by now
}

func (c *Cluster) numberAt(address raft.ServerAddress) (uint32, bool) {
	for _, s := range c.servers() {
		if s.Address == address {
			return s.number, true
		}
	}
	return 0, false
}

func (c *Cluster) start() {
	c.leader = newLeadership(c.raft, c.cfg.Number)
	c.leader.update()
	go c.calls.serve(c.port.calls)
	c.wg.Go(func() { c.leader.watch(c.ctx.Done()) })
	c.wg.Go(c.snapshotLoop)
	c.wg.Go(c.gossipLoop)
	c.wg.Go(c.moveLoop)
	c.wg.Go(c.announceLoop)
}

// fail ends this node's part for good: the error says why it cannot follow the log.
func (c *Cluster) fail(err error) {
	c.failOnce.Do(func() {
		c.logger.Error("this node can no longer follow the log, and stops", "error", err)
		c.failure = err
		close(c.failed)
		c.cancel()
		if r := c.live.Load(); r != nil {
			c.stopRaft(r)
		}
	})
}

// stopRaft begins Raft's end once, and gives what to wait for; Raft's own second answer waits for nothing.
func (c *Cluster) stopRaft(r *raft.Raft) raft.Future {
	c.stopOnce.Do(func() { c.stopped = r.Shutdown() })
	return c.stopped
}

// Failed is closed when this node can no longer follow the log; Err says why. The process should end then.
func (c *Cluster) Failed() <-chan struct{} { return c.failed }

// Err is the reason why Failed is closed, or nil.
func (c *Cluster) Err() error {
	select {
	case <-c.failed:
		return c.failure
	default:
		return nil
	}
}

// Close ends this node's part in order: a leader first hands over. The state machine is no longer called when it returns.
func (c *Cluster) Close() error {
	var err error
	c.closed.Do(func() {
		if c.ctx.Err() == nil {
			c.Ending()
		}
		if c.ctx.Err() == nil && c.raft.State() == raft.Leader && c.voters() > 1 {
			ctx, cancel := context.WithTimeout(context.Background(), handOver)
			if err := wait(ctx, c.raft.LeadershipTransfer()); err != nil {
				c.logger.Warn("closing without handing leadership over", "error", err)
			}
			cancel()
		}
		err = c.closeAll()
	})
	return err
}

// closeAll closes what is open, from Raft down to the disk.
func (c *Cluster) closeAll() error {
	c.cancel()
	var errs []error
	if c.raft != nil {
		errs = append(errs, c.stopRaft(c.raft).Error())
	}
	if c.calls != nil && c.leader != nil {
		errs = append(errs, c.calls.Close())
	}
	if c.port != nil {
		errs = append(errs, c.port.Close())
	}
	c.wg.Wait()
	if c.gossip != nil {
		errs = append(errs, c.gossip.Close())
	}
	if c.log != nil {
		errs = append(errs, c.log.Close())
	}
	return errors.Join(errs...)
}

// Number is this node's number.
func (c *Cluster) Number() uint32 { return c.cfg.Number }

// Address is the address at which other nodes reach this one.
func (c *Cluster) Address() string { return c.port.raft.address.String() }

// GossipAddress is the address of this node's gossip.
func (c *Cluster) GossipAddress() string { return c.gossip.address }

// Leader is the node that leads, as far as this node knows.
func (c *Cluster) Leader() (number uint32, ok bool) {
	number, _ = c.leader.get()
	return number, number != 0
}

// Leading gives a channel that says whether this node leads: at once, and then whenever that changes. A slow receiver sees
// the newest value only. The channel is closed by Close.
func (c *Cluster) Leading() <-chan bool { return c.leader.subscribe() }

// Handle answers calls of a method from now on; earlier ones were ErrUnknownMethod to their caller. A name is of a-z, 0-9
// and hyphens, and can be handled once.
func (c *Cluster) Handle(method string, handler Handler) { c.calls.handle("x-"+method, handler) }

// Call calls a method of another node, or of this one. A node that does not answer is ErrUnreachable; an error of its
// handler is a *RemoteError, or that error itself when this node is called.
func (c *Cluster) Call(ctx context.Context, number uint32, method string, body []byte) ([]byte, error) {
	return c.calls.call(ctx, number, "x-"+method, body)
}

// LogEntries reads up to limit entries of this node's own log, the first at or after from. Entries at its end may not be
// committed.
func (c *Cluster) LogEntries(from uint64, limit int) ([]LogEntry, error) {
	return c.log.entries(from, limit)
}
