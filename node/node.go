// Package node is one process of a cluster: it builds the crypto unit, the
// replicated state, consensus, the key service and the interfaces, connects
// them, and brings the unit to what the state wants of it.
//
// It promises: a node that starts does what a node does that never stopped; it
// converges, judges and serves only once its state holds what a quorum
// confirmed after the start; it ends, with a message that says what to do,
// when it can no longer follow the log or its unit was rolled back.
package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cluster"
	"tumbler/converge"
	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/fsm"
	"tumbler/kms"
	"tumbler/rewrap"
)

// Version is the release, set by the linker.
var version = "development"

// Version is this build's release.
func Version() string { return version }

// Node is one running node.
type Node struct {
	config  Config
	log     hclog.Logger
	started time.Time

	unit    *cryptounit.Unit
	sealer  *sealer
	store   *fsm.Store
	cluster *cluster.Cluster
	replica *replica
	keys    *kms.Service
	calls   *calls
	speaker *converge.Speaker
	disk    *disk
	waits   *waits
	locked  *os.File // data_dir

	joined    chan struct{} // closed once this node's state is the cluster's
	joinedYet atomic.Bool
	converged atomic.Bool
	removedBy atomic.Uint64 // number of the order that removed the unit; 0: none did
	failed    chan error    // why the node must end; the first counts
	work      sync.WaitGroup
}

// Run runs a node until ctx ends, then shuts it down in order. The error says why it could not start or go on.
func Run(ctx context.Context, config Config) error {
	type started struct {
		node *Node
		err  error
	}
	failed, done := make(chan error, 1), make(chan started, 1)
	go func() {
		n, err := start(config, failed)
		done <- started{n, err}
	}()
	select {
	case s := <-done:
		if s.err != nil {
			return config.explained(s.err)
		}
		return s.node.serve(ctx)
	case err := <-failed: // a store that cannot be written may never come back from its opening
		return config.explained(err)
	}
}

// start opens what the node is made of, in the order of what needs what; failed is told why it must end.
func start(config Config, failed chan error) (n *Node, err error) {
	n = &Node{
		config: config, started: time.Now(), log: newLogger(config, os.Stderr),
		joined: make(chan struct{}), failed: failed,
	}
	if n.sealer, err = newSealer(config.Sealing); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(config.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	if n.locked, err = lock(config.DataDir); err != nil {
		return nil, err
	}
	if err := errors.Join(config.checkRestored(), config.checkSame()); err != nil {
		return nil, err
	}
	n.disk, n.waits = newDisk(config, n.log.Named("disk")), newWaits(time.Now)
	if n.unit, err = cryptounit.Open(cryptounit.Config{
		Dir: filepath.Join(config.DataDir, "unit"), Number: config.Number, Role: unitRole(config.Role), Sealer: n.sealer, Now: wallClock,
		OneCustodian: config.OneCustodian,
	}); err != nil {
		return nil, err
	}
	if err = n.openState(); err != nil {
		return nil, errors.Join(err, n.unit.Close())
	}
	n.replica = &replica{n.cluster, n.store}
	n.speaker = n.newSpeaker()
	n.calls = &calls{
		cluster: n.cluster, unit: n.unit, store: n.store, speaker: n.speaker, config: config, replica: n.replica, log: n.log.Named("unit"),
		disk: n.disk, planner: new(atomic.Pointer[rewrap.Planner]),
	}
	n.calls.handle()
	n.cluster.Handle(callDiffers, n.differ)
	n.keys, err = kms.New(kms.Config{
		Proposer: newKeyProposer(n.replica, n.disk, n.waits), Reader: keyReader{n.replica, n.waits}, Unit: keyUnit{n.unit}, Auditor: auditLog{n.log.Named("audit")}, Now: wallClock,
	})
	if err != nil {
		return nil, errors.Join(err, n.close())
	}
	return n, nil
}

// openState opens the replica and the cluster over it.
func (n *Node) openState() error {
	raftDir := filepath.Join(n.config.DataDir, "raft")
	var opened atomic.Pointer[cluster.Cluster] // it applies entries before it is open
	store, err := fsm.Open(fsm.Config{
		Dir:        filepath.Join(n.config.DataDir, "state"),
		TablePath:  func(index, term uint64) string { return cluster.TablePath(raftDir, index, term) },
		SmallTable: cluster.SmallTable,
		TableDigest: func(index, term uint64) (digest [32]byte, known bool) {
			if c := opened.Load(); c != nil {
				return c.TableDigest(index, term)
			}
			return digest, false
		},
		Fatal:  n.fail,
		Logger: n.log.Named("store"),
	})
	if err != nil {
		return err
	}
	config, err := n.clusterConfig(raftDir, store)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	c, err := cluster.Open(config)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	opened.Store(c)
	n.store, n.cluster = store, c
	return nil
}

// clusterAddress is where other nodes reach this one.
func (c Config) clusterAddress() string {
	return net.JoinHostPort(c.Listen.Advertise, strconv.Itoa(c.Listen.Cluster))
}

func (n *Node) clusterConfig(dir string, store *fsm.Store) (cluster.Config, error) {
	keyring, err := ReadKeys(n.config.Gossip.KeyFile)
	if err != nil {
		return cluster.Config{}, fmt.Errorf("gossip.key_file: %w", err)
	}
	l := n.config.Listen
	at := func(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
	return cluster.Config{
		Number:  n.config.Number,
		Dir:     dir,
		Address: n.config.clusterAddress(),
		Listen:  at(l.Host, l.Cluster),
		Gossip:  cluster.Gossip{Address: at(l.Advertise, l.Gossip), Listen: at(l.Host, l.Gossip), Keyring: keyring},
		Meta:    cluster.Meta{APIAddress: at(l.Advertise, l.API), Role: n.config.Role},
		TLS:     cluster.TLSFiles{Certificate: n.config.TLS.Cert, Key: n.config.TLS.Key, CA: n.config.TLS.CA},
		Timeouts: cluster.Timeouts{
			Heartbeat: n.config.Timeouts.Heartbeat, Election: n.config.Timeouts.Election,
		},
		Sizes: logSizes(),
		FSM:   store,
		Recover: func(d cluster.Durable) error {
			return store.Recover(d.Snapshot, d.SnapshotIndex, d.LastIndex)
		},
		Admit:   n.admit,
		Examine: (&converge.Examiner{Store: store, Logger: n.log.Named("examiner")}).Examine,
		Delay:   n.waits.slowest,
		Logger:  n.log.Named("cluster"),
	}, nil
}

// fail ends the node.
func (n *Node) fail(err error) {
	select {
	case n.failed <- err:
	default:
	}
}

// serve opens the interfaces, does the node's work, and shuts down in order.
func (n *Node) serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	tls, err := newAPICredentials(n.config.TLS, n.log.Named("api"))
	if err != nil {
		return errors.Join(err, n.close())
	}
	servers, err := n.openServers(tls)
	if err != nil {
		return errors.Join(err, n.close())
	}
	n.work.Go(func() { n.renew(ctx, tls) })
	n.work.Go(func() { n.join(ctx) })
	n.work.Go(func() { n.disk.run(ctx, n.cluster) })
	n.work.Go(func() { n.standStill(ctx) })
	n.work.Go(func() { n.watchRemoval(ctx) })
	n.log.Info("node started", "role", n.config.Role, "identity", n.unit.Status().Identity.String(), "api", n.config.Listen.API, "version", version)
	select {
	case <-ctx.Done():
		err = nil
	case err = <-n.failed:
	case <-n.cluster.Failed():
		err = n.cluster.Err()
	}
	if err = n.config.explained(err); err != nil {
		n.log.Error("the node cannot go on, and stops", "error", err)
	} else {
		n.cluster.Ending()
		n.log.Info("the node was asked to stop")
	}
	stop()
	for _, s := range servers {
		s.close(shutdownTime)
	}
	n.work.Wait()
	return errors.Join(err, n.closeAfter(err))
}

// shutdownTime bounds how long calls under way are waited for.
const shutdownTime = 5 * time.Second

func (n *Node) close() error {
	return errors.Join(n.cluster.Close(), n.store.Close(), n.unit.Close(), n.locked.Close())
}

// join waits until this node has arrived, and then begins to converge, to judge and to serve.
func (n *Node) join(ctx context.Context) {
	if n.config.StandBy {
		n.log.Warn(standsBy)
		return
	}
	a := converge.Arrival{Speaker: n.speaker, Bootstrapped: n.cluster.Bootstrapped}
	if err := a.Wait(ctx); err != nil {
		n.fail(err)
		return
	}
	if ctx.Err() != nil {
		return
	}
	n.joinedYet.Store(true)
	close(n.joined)
	n.log.Info("node is up to date")
	n.begin(ctx)
}

// standsBy is why a node that stands by does not serve.
const standsBy = "the node stands by: its crypto unit answers for itself and can be zeroized (`tumbler tke cryptounit-zeroize`), and does nothing else"

// begin starts what works on the state.
func (n *Node) begin(ctx context.Context) {
	converger := converge.NewConverger(n.speaker, n.converged.Store)
	repairer := converge.NewRepairer(n.speaker, n.log.Named("repair"))
	runner, err := rewrap.NewRunner(rewrap.Config{
		Number: n.config.Number, Unit: rewrapUnit{n.unit, n.troubled}, Proposer: n.replica, Stater: n.speaker, Source: n.store,
		Reporter: reporter{repairer, n.calls, n.log.Named("repair")},
		Load:     n.load, Patience: n.config.Timeouts.Client, Logger: n.log.Named("rewrap"),
	})
	if err != nil {
		n.fail(err)
		return
	}
	leader := &leader{
		number: n.config.Number, cluster: n.cluster, replica: n.replica, keys: n.keys, lease: n.config.Timeouts.Lease, fence: n.config.Timeouts.Fence,
		log: n.log.Named("leader"), disk: n.disk, planner: n.calls.planner,
	}
	rewrap := func(ctx context.Context) {
		if err := runner.Run(ctx); err != nil {
			n.fail(err)
		}
	}
	for _, run := range []func(context.Context){converger.Run, repairer.Run, rewrap, leader.run} {
		n.work.Go(func() { run(ctx) })
	}
}

// load is for whom rewraps: a member whose disk is nearly full is as far behind as one may be.
func (n *Node) load(ctx context.Context) (rewrap.Load, error) {
	if n.disk.anyLow() {
		return rewrap.Load{Lag: rewrap.MaxLag}, nil
	}
	load, err := n.cluster.Load(ctx)
	return rewrap.Load(load), err
}

// notReady says why this node does not serve yet, or "".
func (n *Node) notReady() string {
	switch {
	case !n.cluster.Bootstrapped():
		return cluster.ErrNotBootstrapped.Error()
	case n.config.StandBy:
		return standsBy
	case !n.joinedYet.Load():
		return "the node is catching up with its cluster"
	}
	if number := n.removedBy.Load(); number != 0 {
		return fmt.Sprintf("the crypto unit was removed by order %d: the node ends when it is no member any more", number)
	}
	if _, known := n.cluster.Leader(); !known {
		return "no leader is known"
	}
	view, err := n.store.View()
	if err != nil {
		return err.Error()
	}
	defer view.Close()
	return n.unitNotReady(view)
}

// unitNotReady says why the unit cannot do its part, or "".
func (n *Node) unitNotReady(view *fsm.View) string {
	u, ok := view.Unit(n.config.Number)
	pattern := masterkey.Pattern(view.Cluster().Pattern)
	registers := n.unit.Status().Registers
	switch {
	case !ok:
		return "the crypto unit is not known to the cluster yet"
	case u.IsEnrolled() && u.Identity != fsm.Identity(n.unit.Status().Identity):
		return fmt.Sprintf("the crypto unit is not the one that is enrolled, it was zeroized: `tumbler tke unenrol --units %d` takes the former one out", u.Number)
	case u.IsFenced():
		return "the crypto unit is fenced: it converges first"
	case pattern.IsZero():
		return "" // there is no master key yet that it could lack
	case !u.IsEnrolled():
		return "the crypto unit is not enrolled: `tumbler tke enrol` enrols it"
	case registers.CurrentPattern != pattern && registers.NewPattern != pattern:
		return "the crypto unit does not hold the instance's master key: `tumbler tke auto-recover` gives it"
	}
	return ""
}
