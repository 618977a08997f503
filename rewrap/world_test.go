package rewrap

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// world is nodes with a real replica and a real crypto unit each, under one
// log that applies every entry to all of them at once.
type world struct {
	t     *testing.T
	nodes []*node
	admin order.KeySigner
	list  order.Administrators

	mu     sync.Mutex // the log
	index  uint64
	orders uint64
	moved  chan struct{} // has something when the log has moved

	// before, if set, may answer a proposal in the log's stead, or put
	// entries before it (with append). Called with the log locked.
	before func(from uint32, command fsm.Command) (answered bool, result fsm.Result, err error)
	// after, if set, may lose the answer of an accepted proposal.
	after func(from uint32, command fsm.Command) error
}

// node is one of them: what a real one gives to its runner.
type node struct {
	world  *world
	number uint32
	dir    string
	store  *fsm.Store
	unit   *cryptounit.Unit
	faulty Unit   // in the unit's stead, if set
	source Source // in the store's stead, if set

	stating sync.Mutex
	mu      sync.Mutex
	found   []Finding
	bad     [][]uint64
	load    func() Load
	note    func(Finding)
	stop    func()
}

var (
	testCluster  = order.ID{1}
	testInstance = order.ID{2}
)

type plainSealer struct{}

func (plainSealer) Seal(b []byte) ([]byte, error) { return bytes.Clone(b), nil }
func (plainSealer) Open(b []byte) ([]byte, error) { return bytes.Clone(b), nil }

// newWorld has nodes with units that hold a first master key.
func newWorld(t *testing.T, operational, recovery int) *world {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	must(t, err)
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	must(t, err)
	w := &world{
		t: t, admin: order.KeySigner{Key: key}, moved: make(chan struct{}, 1),
		list: order.Administrators{List: []order.Administrator{{Name: "alice", Key: spki}}, Signature: 1, Revocation: 1},
	}
	for i := range operational + recovery {
		n := &node{world: w, number: uint32(i + 1), dir: t.TempDir()}
		n.store, err = fsm.Open(fsm.Config{Dir: t.TempDir()})
		must(t, err)
		t.Cleanup(func() { must(t, n.store.Close()) })
		role := order.Operational
		if i >= operational {
			role = order.Recovery
		}
		n.open(role)
		t.Cleanup(func() { must(t, n.unit.Close()) })
		w.nodes = append(w.nodes, n)
	}
	w.must(&fsm.Bootstrap{Cluster: fsm.ID(testCluster), Instance: fsm.ID(testInstance), Incarnation: 1, FeatureLevel: fsm.FeatureLevel, At: 1})
	list, err := w.list.Encode()
	must(t, err)
	for _, n := range w.nodes {
		signed := order.SignedAdministrators{Administrators: list}
		must(t, signed.SignFor(n.unit.Status().Identity, w.admin))
		must(t, n.unit.SetAdministrators(w.list, signed.Signatures))
	}
	w.submit(order.Init, nil)
	w.converge(fsm.StateComplete)
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (n *node) open(role order.Role) {
	unit, err := cryptounit.Open(cryptounit.Config{Dir: n.dir, Number: n.number, Role: role, Sealer: plainSealer{}})
	must(n.world.t, err)
	n.unit = unit
}

// entry makes an entry of the log; the log is locked.
func (w *world) entry(command fsm.Command, table []byte) *raft.Log {
	w.index++
	data, err := fsm.Encode(command, fsm.NewRequestID(w.index))
	if err != nil {
		panic(err)
	}
	return &raft.Log{Index: w.index, Term: 1, Type: raft.LogCommand, Data: data, Extensions: table}
}

// append applies a command everywhere; the log is locked.
func (w *world) append(command fsm.Command, table []byte) (fsm.Result, error) {
	log := w.entry(command, table)
	var answer any
	for i, n := range w.nodes {
		got := n.store.Apply(log)
		if i > 0 && !bytes.Equal(got.([]byte), answer.([]byte)) {
			panic(fmt.Sprintf("replicas %d and 1 answer %T differently", n.number, command))
		}
		answer = got
	}
	select {
	case w.moved <- struct{}{}:
	default:
	}
	return fsm.DecodeResult(answer.([]byte))
}

func (w *world) propose(from uint32, command fsm.Command, table []byte) (fsm.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before != nil {
		if answered, result, err := w.before(from, command); answered {
			return result, err
		}
	}
	result, err := w.append(command, table)
	if err == nil && w.after != nil {
		err = w.after(from, command)
	}
	return result, err
}

func (w *world) must(command fsm.Command) fsm.Result {
	w.t.Helper()
	result, err := w.propose(0, command, nil)
	if err != nil {
		w.t.Fatalf("%T: %v", command, err)
	}
	return result
}

// differ applies a command to one replica and another one, of the same index,
// to the rest.
func (w *world) differ(number uint32, here, elsewhere fsm.Command) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	one := w.entry(here, nil)
	w.index--
	other := w.entry(elsewhere, nil)
	for _, n := range w.nodes {
		log := other
		if n.number == number {
			log = one
		}
		if _, err := fsm.DecodeResult(n.store.Apply(log).([]byte)); err != nil {
			w.t.Fatal(err)
		}
	}
}

func (n *node) ProposeTable(ctx context.Context, command fsm.Command, table []byte) (fsm.Result, error) {
	if err := ctx.Err(); err != nil {
		return fsm.Result{}, err
	}
	return n.world.propose(n.number, command, table)
}

func (n *node) State(ctx context.Context, say func() (order.SignedStatement, error)) error {
	n.stating.Lock()
	defer n.stating.Unlock()
	s, err := say()
	if err != nil {
		return err
	}
	der, err := s.Encode()
	if err != nil {
		return err
	}
	_, err = n.ProposeTable(ctx, &fsm.SubmitStatement{Statement: der, At: 1}, nil)
	return err
}

// CannotOpen does what a node does: it has its unit state so.
func (n *node) CannotOpen(ctx context.Context, digest fsm.Digest, blobs []fsm.BlobRecord) error {
	var numbers []uint64
	for _, b := range blobs {
		numbers = append(numbers, b.Number)
	}
	n.mu.Lock()
	n.bad = append(n.bad, numbers)
	n.mu.Unlock()
	for _, b := range blobs {
		err := n.State(ctx, func() (order.SignedStatement, error) {
			return n.unit.CannotOpen(order.Digest(digest), b.Number, b.Blob)
		})
		if err != nil && !errors.Is(err, cryptounit.ErrOpens) {
			return err
		}
	}
	return nil
}

func (n *node) Found(_ context.Context, f Finding) error {
	n.mu.Lock()
	n.found = append(n.found, f)
	note := n.note
	n.mu.Unlock()
	if note != nil {
		note(f)
	}
	select {
	case n.world.moved <- struct{}{}:
	default:
	}
	return nil
}

func (n *node) findings() []Finding {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.found)
}

// realUnit is a crypto unit as node gives it to a runner.
type realUnit struct{ *cryptounit.Unit }

func (u realUnit) Rewrap(digest order.Digest, partition, pass uint32, blobs [][]byte) (Rewrapped, error) {
	out, err := u.Unit.Rewrap(digest, partition, pass, blobs)
	return Rewrapped(out), err
}

func (u realUnit) NewVerifier(digest order.Digest, last uint64, partition, pass uint32) (Verifier, error) {
	v, err := u.Unit.NewVerifier(digest, last, partition, pass)
	if errors.Is(err, cryptounit.ErrPartition) {
		return nil, fmt.Errorf("%w: %w", ErrWrote, err)
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// start runs a node's share, in batches of at most limit blobs.
func (n *node) start(limit int) {
	n.world.t.Helper()
	unit := n.faulty
	if unit == nil {
		unit = realUnit{n.unit}
	}
	config := Config{Number: n.number, Unit: unit, Proposer: n, Stater: n, Source: n.store, Reporter: n, Batch: limit, Retry: time.Millisecond}
	if n.source != nil {
		config.Source = n.source
	}
	if n.load != nil {
		config.Load = func(context.Context) (Load, error) { return n.load(), nil }
	}
	r, err := NewRunner(config)
	must(n.world.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	n.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			n.world.t.Errorf("runner %d: %v", n.number, err)
		}
	})
	n.world.t.Cleanup(n.stop)
}
