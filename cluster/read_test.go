package cluster

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// A reader's round must start after the reader came: an answer that is older proves nothing.
func TestAReaderNeverSharesARoundThatStartedBefore(t *testing.T) {
	started, proceed := make(chan uint64), make(chan struct{})
	var rounds atomic.Uint64
	b := batcher{round: func() (uint64, error) {
		n := rounds.Add(1)
		started <- n
		<-proceed
		return n, nil
	}}
	ctx := context.Background()
	first := make(chan uint64, 1)
	go func() { first <- must(b.join(ctx)) }()
	if n := <-started; n != 1 {
		t.Fatalf("round %d", n)
	}
	// These come while round 1 is under way: they wait for round 2, and share it.
	const readers = 50
	late := make(chan uint64, readers)
	var came sync.WaitGroup
	for range readers {
		came.Add(1)
		go func() {
			came.Done()
			late <- must(b.join(ctx))
		}()
	}
	came.Wait()
	proceed <- struct{}{}
	if n := <-first; n != 1 {
		t.Errorf("the first reader had round %d", n)
	}
	done := make(chan struct{})
	go func() { // later rounds, for readers that were slow to arrive
		for {
			select {
			case <-started:
				proceed <- struct{}{}
			case <-done:
				return
			}
		}
	}()
	for range readers {
		if n := <-late; n < 2 {
			t.Errorf("a late reader had round %d", n)
		}
	}
	close(done)
	if n := rounds.Load(); n > 20 {
		t.Errorf("%d rounds for %d readers", n, readers)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	go func() { <-started; proceed <- struct{}{} }()
	if _, err := b.join(canceled); !errors.Is(err, context.Canceled) {
		t.Errorf("a reader that gave up: %v", err)
	}
}

// As many rounds as may be run at once, so that one slow round does not hold up who comes after it; and no more, so that who
// comes then shares one.
func TestASlowRoundHoldsUpNobody(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	began, proceed := make(chan struct{}), make(chan struct{})
	b := batcher{round: func() (uint64, error) { began <- struct{}{}; <-proceed; return 0, nil }}
	begins := func() {
		t.Helper()
		select {
		case <-began:
		case <-ctx.Done():
			t.Fatal("a round waits for another")
		}
	}
	var readers sync.WaitGroup
	for range roundsAtOnce {
		readers.Go(func() { _, _ = b.join(ctx) })
		begins()
	}
	readers.Go(func() { _, _ = b.join(ctx) })
	for waits := false; !waits; runtime.Gosched() {
		b.mu.Lock()
		if waits = b.open != nil; b.running > roundsAtOnce {
			t.Fatalf("%d rounds run", b.running)
		}
		b.mu.Unlock()
	}
	proceed <- struct{}{}
	begins()
	close(proceed)
	readers.Wait()
}

// A leader that was cut off for longer than it notices, as one that was paused, still believes in itself while the others
// have elected another and moved on. (Its lease is longer than the test.)
func TestADeposedLeaderThatDoesNotKnowItServesNoRead(t *testing.T) {
	f := newFarm(t)
	old, rest := f.stubborn()
	f.propose(old, "x")
	f.noError(old.ReadIndex(f.ctx()))

	f.wires.Cut(1, 2, 3)
	next := f.leader(rest...)
	f.propose(next, "written at the new leader")
	if number, ok := old.Leader(); !ok || number != 1 {
		t.Fatalf("the old leader has noticed: the test shows nothing (%d)", number)
	}
	short, cancel := context.WithTimeout(f.ctx(), 500*time.Millisecond)
	defer cancel()
	if err := old.ReadIndex(short); err == nil {
		t.Fatal("the deposed leader served a read that misses a finished write")
	}
	// The other way around too: what it is told to write is not committed, and it says that it does not know.
	short, cancel = context.WithTimeout(f.ctx(), 300*time.Millisecond)
	defer cancel()
	_, err := old.Propose(short, []byte("lost"), bigTable())
	f.isError(err, ErrOutcomeUnknown)

	f.wires.Heal()
	f.noError(old.ReadIndex(f.ctx()))
	if old.fsm.Count("written at the new leader") != 1 {
		t.Error("a linearizable read misses a finished write")
	}
	if old.fsm.Count("lost") != 0 {
		t.Error("an entry without a majority was applied")
	}
	f.waitFor("the table of the lost entry to go", func() bool { return len(tableFiles(t, old.config.Dir)) == 0 })
}

// stubborn makes a cluster whose leader, node 1, does not notice that it has lost the others.
func (f *farm) stubborn() (leader *node, rest []*node) {
	f.t.Helper()
	nodes := f.cluster(3)
	f.kill(nodes[0])
	config := nodes[0].config
	config.Timeouts = Timeouts{Heartbeat: time.Hour, Election: time.Hour, Commit: time.Millisecond}
	old, rest := f.open(config), nodes[1:]
	f.noError(old.ReadIndex(f.ctx()))
	f.noError(rest[0].TransferLeadership(f.ctx(), old.Number()))
	return old, rest
}

// Why ReadIndex is not Raft's VerifyLeader: the leader is paused with acknowledgements under way to it; the others elect
// another, which finishes a write; and the old one goes on, asks whether it leads, and hears the old acknowledgements.
// Whether acknowledgements are under way at the pause is chance: without them nobody answers the old leader, and it is tried
// again.
func TestVerifyLeaderIsNoReadIndex(t *testing.T) {
	for range 8 {
		if verifyLeaderBelievesOldAcknowledgements(t) {
			return
		}
	}
	t.Error("VerifyLeader no longer believes old acknowledgements: this test has lost its point")
}

func verifyLeaderBelievesOldAcknowledgements(t *testing.T) (believed bool) {
	f := newFarm(t)
	old, rest := f.stubborn()
	f.propose(old, "x")
	f.noError(old.ReadIndex(f.ctx())) // else the read below waits for an entry of the old leader's own term, which proves less
	resume := f.wires.Pause(1, 2, 3)
	defer func() {
		resume()
		f.wires.Cut(1, 2, 3) // nothing waits for answers that never come
	}()
	next := f.leader(rest...)
	f.propose(next, "written at the new leader")

	short, cancel := context.WithTimeout(f.ctx(), time.Second)
	defer cancel()
	read := make(chan error, 1)
	go func() { read <- old.ReadIndex(short) }()
	for began := false; !began; runtime.Gosched() {
		old.reads.mu.Lock()
		began = old.reads.running > 0
		old.reads.mu.Unlock()
	}
	verified := make(chan error, 1)
	future := old.raft.VerifyLeader()
	go func() { verified <- future.Error() }()
	for range 64 { // Raft's main loop has by then taken in what was asked above
		f.isError(old.raft.BootstrapCluster(raft.Configuration{Servers: []raft.Server{{ID: "1", Address: "x"}}}).Error(), raft.ErrCantBootstrap)
	}
	resume()
	if err := <-read; err == nil {
		t.Error("a deposed leader served a read that misses a finished write")
	}
	if old.fsm.Count("written at the new leader") != 0 {
		t.Error("the old leader knows the write: the test shows nothing")
	}
	select {
	case err := <-verified:
		return err == nil
	case <-short.Done():
		return false
	}
}

// While leaders change, a read after a finished write always sees it, wherever both are asked.
func TestReadsSeeFinishedWritesWhileLeadersChange(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	ctx, cancel := context.WithCancel(f.ctx())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_ = nodes[i%3].TransferLeadership(ctx, 0) // may fail while another is under way
		}
	})
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := range 25 {
				word := fmt.Sprintf("w%d-%d", w, i)
				if _, err := nodes[(w+i)%3].Propose(f.ctx(), []byte(word), nil); err != nil {
					t.Errorf("propose: %v", err)
					return
				}
				reader := nodes[(w+2*i+1)%3]
				if err := reader.ReadIndex(f.ctx()); err != nil {
					t.Errorf("read: %v", err)
					return
				}
				if reader.fsm.Count(word) == 0 {
					t.Errorf("node %d does not see %s", reader.Number(), word)
				}
			}
		})
	}
	workers.Wait()
	cancel()
	wg.Wait()
}

func TestAFollowerWaitsForItsOwnState(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	leader := f.leader(nodes...)
	slow := others(nodes, leader)[0]
	release := slow.fsm.Hold()
	defer release()
	f.propose(leader, "x")
	short, cancel := context.WithTimeout(f.ctx(), 200*time.Millisecond)
	defer cancel()
	f.isError(slow.ReadIndex(short), context.DeadlineExceeded)
	release()
	f.noError(slow.ReadIndex(f.ctx()))
	if slow.fsm.Count("x") != 1 {
		t.Error("the read came before the state")
	}
}

func TestAForwardedProposalIsGivenUpWhenTheLeaderIsStuck(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	leader := f.leader(nodes...)
	rest := others(nodes, leader)
	// The leader takes the call and never answers it, as a stopped process does.
	taken := make(chan struct{}, 10)
	leader.calls.mu.Lock()
	leader.calls.handlers[methodPropose] = func(ctx context.Context, _ uint32, _ []byte) ([]byte, error) {
		taken <- struct{}{}
		<-ctx.Done()
		return nil, ctx.Err()
	}
	leader.calls.mu.Unlock()
	answer := make(chan error, 1)
	go func() {
		_, err := rest[0].Propose(f.ctx(), []byte("x"), nil)
		answer <- err
	}()
	<-taken
	f.noError(rest[1].TransferLeadership(f.ctx(), rest[1].Number()))
	f.noError(<-answer)
}
