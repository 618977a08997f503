package cluster

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/tests/authority"
)

// issue gives the files of a certificate with that URI, for instance tumbler://node/1.
func issue(ca *authority.CA, uri string, usage ...x509.ExtKeyUsage) TLSFiles {
	files := ca.Issue(uri, usage...)
	return TLSFiles{Certificate: files.Cert, Key: files.Key, CA: files.CA}
}

// wires are the network of a test: any pair of nodes can be cut off from each other.
type wires struct {
	mu    sync.Mutex
	hosts map[string]uint32 // node by address
	cut   map[[2]uint32]bool
	conns map[*wire]bool
	held  map[uint32]chan struct{} // of a paused node: closed when it goes on
}

type wire struct {
	net.Conn
	wires  *wires
	ends   [2]uint32
	dialer uint32
}

func newWires() *wires {
	return &wires{hosts: map[string]uint32{}, cut: map[[2]uint32]bool{}, conns: map[*wire]bool{}, held: map[uint32]chan struct{}{}}
}

// Pause has a node hear and say nothing, as one that is stopped: what was sent to it on its own connections before waits,
// and reaches it when the returned function is called. What it says from then on is lost, and nobody connects to it.
func (w *wires) Pause(a uint32, others ...uint32) (resume func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	hold := make(chan struct{})
	w.held[a] = hold
	for _, b := range others {
		w.cut[pair(a, b)] = true
	}
	for conn := range w.conns {
		if w.cut[conn.ends] && conn.dialer != a {
			conn.Conn.Close()
			delete(w.conns, conn)
		}
	}
	return sync.OnceFunc(func() { close(hold) })
}

func (w *wire) hold() chan struct{} {
	w.wires.mu.Lock()
	defer w.wires.mu.Unlock()
	return w.wires.held[w.dialer]
}

func (w *wire) Read(b []byte) (int, error) {
	n, err := w.Conn.Read(b)
	if hold := w.hold(); hold != nil {
		<-hold
	}
	return n, err
}

func (w *wire) Write(b []byte) (int, error) {
	if w.hold() != nil {
		return len(b), nil
	}
	return w.Conn.Write(b)
}

func pair(a, b uint32) [2]uint32 { return [2]uint32{min(a, b), max(a, b)} }

// Cut separates a from each of the others.
func (w *wires) Cut(a uint32, others ...uint32) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, b := range others {
		w.cut[pair(a, b)] = true
	}
	for conn := range w.conns {
		if w.cut[conn.ends] {
			conn.Conn.Close()
			delete(w.conns, conn)
		}
	}
}

func (w *wires) Heal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = map[[2]uint32]bool{}
}

// from is the network as one node sees it.
type from struct {
	*wires
	number uint32
}

func (f from) Listen(ctx context.Context, address string) (net.Listener, error) {
	l, err := tcp{}.Listen(ctx, address)
	if err == nil {
		f.mu.Lock()
		f.hosts[l.Addr().String()] = f.number
		f.mu.Unlock()
	}
	return l, err
}

func (f from) Dial(ctx context.Context, address string) (net.Conn, error) {
	f.mu.Lock()
	ends := pair(f.number, f.hosts[address])
	cut := f.cut[ends]
	f.mu.Unlock()
	if cut {
		return nil, errors.New("the test cut this connection")
	}
	conn, err := tcp{}.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	out := &wire{conn, f.wires, ends, f.number}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.conns[out] = true
	return out, nil
}

func (w *wire) Close() error {
	w.wires.mu.Lock()
	delete(w.wires.conns, w)
	w.wires.mu.Unlock()
	return w.Conn.Close()
}

// farm is the nodes of one test.
type farm struct {
	t      testing.TB
	ca     *authority.CA
	wires  *wires
	nodes  map[uint32]*node
	delays [16]atomic.Int64 // what clients wait, by node
}

type node struct {
	*Cluster
	fsm    *tally
	config Config
}

const goodToken = "let me in"

func newFarm(t testing.TB) *farm {
	t.Helper()
	f := &farm{t: t, ca: authority.New(t), wires: newWires(), nodes: map[uint32]*node{}}
	t.Cleanup(func() {
		for _, n := range f.nodes {
			if err := n.Close(); err != nil {
				t.Errorf("close node %d: %v", n.Number(), err)
			}
		}
	})
	return f
}

func (f *farm) config(number uint32) Config {
	admit := func(_ context.Context, number uint32, token string) error {
		if token != goodToken {
			return fmt.Errorf("node %d has no good token", number)
		}
		return nil
	}
	return Config{
		Number: number, Dir: filepath.Join(f.t.TempDir(), "raft"), Address: "127.0.0.1:0",
		Gossip:   Gossip{Address: "127.0.0.1:0", Keyring: [][]byte{[]byte("0123456789abcdef0123456789abcdef")}},
		Meta:     Meta{APIAddress: fmt.Sprintf("127.0.0.1:%d", 8433+10*number), Role: "operational"},
		TLS:      issue(f.ca, fmt.Sprintf("tumbler://node/%d", number)),
		Timeouts: Timeouts{Heartbeat: 400 * time.Millisecond, Election: 400 * time.Millisecond},
		Admit:    admit,
		Delay:    func() time.Duration { return time.Duration(f.delays[number].Load()) },
		Logger:   testLogger(f.t, number),
		network:  from{f.wires, number},
	}
}

func testLogger(t testing.TB, number uint32) hclog.Logger {
	level := hclog.LevelFromString(os.Getenv("CLUSTER_TEST_LOG"))
	if level == hclog.NoLevel {
		level = hclog.Off
	}
	return hclog.New(&hclog.LoggerOptions{Name: fmt.Sprintf("%s/%d", t.Name(), number), Level: level, Output: os.Stderr})
}

// open starts a node with a fresh state machine on what its folder holds.
func (f *farm) open(config Config) *node {
	f.t.Helper()
	n, err := f.tryOpen(config)
	if err != nil {
		f.t.Fatalf("open node %d: %v", config.Number, err)
	}
	return n
}

func (f *farm) tryOpen(config Config) (*node, error) {
	fsm := newTally(config.Dir)
	config.FSM, config.Recover = fsm, fsm.Recover
	c, err := Open(config)
	if err != nil {
		return nil, err
	}
	config.Address, config.Gossip.Address = c.Address(), c.GossipAddress() // the same ports after a restart
	n := &node{c, fsm, config}
	f.nodes[config.Number] = n
	return n, nil
}

// cluster starts nodes 1 to n as one cluster.
func (f *farm) cluster(n uint32) []*node {
	f.t.Helper()
	first := f.open(f.config(1))
	f.noError(first.Bootstrap(f.ctx()))
	nodes := []*node{first}
	for number := uint32(2); number <= n; number++ {
		nodes = append(nodes, f.open(f.config(number)))
		f.noError(nodes[number-1].Join(f.ctx(), nodes[number-2].Address(), goodToken))
	}
	return nodes
}

// stop closes a node; kill closes it without a word to the others.
func (f *farm) stop(n *node) {
	f.t.Helper()
	f.noError(n.Close())
	delete(f.nodes, n.Number())
}

func (f *farm) kill(n *node) {
	f.t.Helper()
	n.closed.Do(func() {})
	f.noError(n.closeAll())
	delete(f.nodes, n.Number())
}

func (f *farm) restart(n *node) *node {
	f.t.Helper()
	return f.open(n.config)
}

func (f *farm) ctx() context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	f.t.Cleanup(cancel)
	return ctx
}

func (f *farm) noError(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatal(err)
	}
}

func (f *farm) isError(err, want error) {
	f.t.Helper()
	if !errors.Is(err, want) {
		f.t.Fatalf("got %v, want %v", err, want)
	}
}

// waitFor waits until the condition holds.
func (f *farm) waitFor(what string, condition func() bool) {
	f.t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-deadline.C:
			f.t.Fatalf("waited for: %s", what)
		}
	}
}

// leader waits until one of the nodes leads, and all of them know it.
func (f *farm) leader(nodes ...*node) *node {
	f.t.Helper()
	var leader *node
	f.waitFor("a leader that all nodes know", func() bool {
		leader = nil
		number, ok := nodes[0].Leader()
		for _, n := range nodes {
			if got, _ := n.Leader(); !ok || got != number {
				return false
			}
			if n.Number() == number {
				leader = n
			}
		}
		return leader != nil
	})
	return leader
}

func (f *farm) propose(n *node, word string) string {
	f.t.Helper()
	answer, err := n.Propose(f.ctx(), []byte(word), nil)
	f.noError(err)
	return string(answer)
}

func others(nodes []*node, n *node) []*node {
	return slices.DeleteFunc(slices.Clone(nodes), func(m *node) bool { return m == n })
}

func must[T any](v T, err error) T {
	check(err)
	return v
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func contains(err error, text string) bool { return err != nil && strings.Contains(err.Error(), text) }
