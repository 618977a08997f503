package cluster

import (
	"context"
	"errors"
	"net"
	"testing"
)

func TestJoinNeedsAToken(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(2)
	third := f.open(f.config(3))
	err := third.Join(f.ctx(), nodes[1].Address(), "wrong")
	f.isError(err, ErrNotAdmitted)
	if !contains(err, "no good token") {
		t.Errorf("the reason is lost: %v", err)
	}
	if len(nodes[0].Members()) != 2 {
		t.Errorf("a refused node is a member: %+v", nodes[0].Members())
	}
	follower := others(nodes, f.leader(nodes...))[0]
	f.noError(third.Join(f.ctx(), follower.Address(), goodToken))
	f.noError(third.Join(f.ctx(), nodes[0].Address(), "used up")) // a member needs none
}

func TestJoinAfterACrashBetweenAdmissionAndAnswer(t *testing.T) {
	f := newFarm(t)
	first := f.cluster(1)[0]
	config := f.config(2)
	second := f.open(config)
	// The leader admits it, and the node dies before it follows: it is a member without a vote, so nobody waits for it.
	ctx, cancel := context.WithCancel(f.ctx())
	release := holdProgress(second)
	done := make(chan error, 1)
	go func() { done <- second.Join(ctx, first.Address(), goodToken) }()
	f.waitFor("the node to be a member", func() bool { return len(first.Members()) == 2 })
	cancel()
	release()
	if err := <-done; err == nil {
		t.Fatal("the join was not cut off")
	}
	f.kill(second)
	f.propose(first, "meanwhile")
	second = f.restart(second)
	f.noError(second.Join(f.ctx(), first.Address(), goodToken))
	if second.fsm.Count("meanwhile") != 1 {
		t.Error("the node joined without the state")
	}
}

// holdProgress keeps the node from telling how far it is.
func holdProgress(n *node) (release func()) {
	held := make(chan struct{})
	n.calls.mu.Lock()
	was := n.calls.handlers[methodProgress]
	n.calls.handlers[methodProgress] = func(ctx context.Context, peer uint32, body []byte) ([]byte, error) {
		select {
		case <-held:
		case <-ctx.Done():
		}
		return was(ctx, peer, body)
	}
	n.calls.mu.Unlock()
	return func() { close(held) }
}

func TestAVoterWithAnEmptyLogIsRefused(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	lost := others(nodes, f.leader(nodes...))[0]
	f.kill(lost)
	config := lost.config
	config.Dir = t.TempDir()
	back := f.open(config)
	seed := others(nodes, lost)[0]
	f.isError(back.Join(f.ctx(), seed.Address(), goodToken), ErrLostLog)
	f.noError(seed.Remove(f.ctx(), lost.Number()))
	f.noError(back.Join(f.ctx(), seed.Address(), goodToken))
}

func TestANodeNeverMixesTwoClusters(t *testing.T) {
	f := newFarm(t)
	one := f.open(f.config(1))
	f.noError(one.Bootstrap(f.ctx()))
	two := f.open(f.config(2))
	f.noError(two.Bootstrap(f.ctx()))
	f.isError(two.Join(f.ctx(), one.Address(), goodToken), ErrOtherCluster)
}

func TestTwoNodesWithOneNumber(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(2)
	double := f.config(2)
	n, err := f.tryOpen(double)
	f.noError(err)
	defer n.Close()
	f.nodes[2] = nodes[1]
	err = n.Join(f.ctx(), nodes[0].Address(), goodToken)
	if !errors.Is(err, ErrNumberTaken) && !errors.Is(err, ErrLostLog) {
		t.Errorf("got %v", err)
	}
}

func TestLeave(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	leader := f.leader(nodes...)
	f.noError(leader.Leave(f.ctx())) // hands over first
	rest := others(nodes, leader)
	f.stop(leader)
	next := f.leader(rest...)
	if len(next.Members()) != 2 {
		t.Fatalf("members after a leader left: %+v", next.Members())
	}
	follower := others(rest, next)[0]
	f.isError(next.Remove(f.ctx(), 77), ErrNotMember)
	f.noError(follower.Leave(f.ctx()))
	f.stop(follower)
	f.propose(next, "alone")
	f.isError(next.Leave(f.ctx()), ErrLastVoter)
	f.isError(next.TransferLeadership(f.ctx(), 0), ErrLastVoter)
}

func TestANodeThatLeftIsNobody(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	gone := others(nodes, f.leader(nodes...))[0]
	stay := others(nodes, gone)[0]
	f.noError(stay.Remove(f.ctx(), gone.Number()))
	f.waitFor("all members to know", func() bool {
		return len(others(nodes, gone)[0].Members()) == 2 && len(others(nodes, gone)[1].Members()) == 2
	})
	_, err := gone.calls.call(f.ctx(), stay.Number(), methodPropose, encodeProposal([]byte("a"), nil))
	f.isError(err, ErrNotMember)
	// It may come back with its log: the same cluster.
	f.noError(gone.Join(f.ctx(), stay.Address(), goodToken))
	f.propose(gone, "again")
}

func TestTransferLeadership(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	leader := f.leader(nodes...)
	rest := others(nodes, leader)
	leading := rest[0].Leading()
	if <-leading {
		t.Error("a follower says that it leads")
	}
	f.noError(rest[1].TransferLeadership(f.ctx(), rest[0].Number()))
	if got, _ := rest[1].Leader(); got != rest[0].Number() {
		t.Errorf("node %d leads", got)
	}
	if !<-leading {
		t.Error("the new leader does not say so")
	}
	f.isError(leader.TransferLeadership(f.ctx(), 9), ErrNotMember)
	f.noError(leader.TransferLeadership(f.ctx(), 0))
	if <-leading {
		t.Error("the old leader does not say that it lost")
	}
	f.noError(rest[0].TransferLeadership(f.ctx(), leader.Number()))
	f.noError(leader.TransferLeadership(f.ctx(), leader.Number()))
}

func TestANodeMovesToAnotherAddress(t *testing.T) {
	f := newFarm(t)
	one := f.cluster(1)[0]
	before := one.Address()
	move := func(n *node) *node {
		f.stop(n)
		n.config.Address = "127.0.0.1:0"
		held := must(net.Listen("tcp", n.Address())) // nobody else gets the old port meanwhile
		t.Cleanup(func() { held.Close() })
		return f.restart(n)
	}
	one = move(one)
	f.noError(one.ReadIndex(f.ctx()))
	f.waitFor("the only member to correct its address", func() bool {
		return one.Address() != before && one.Members()[0].Address == one.Address()
	})
	two := f.open(f.config(2))
	f.noError(two.Join(f.ctx(), one.Address(), goodToken))
	f.propose(two, "x")
	f.noError(two.TransferLeadership(f.ctx(), 1))
	two = f.restart(f.killed(two))
	f.noError(one.TransferLeadership(f.ctx(), 1))
	two.config.Address = "127.0.0.1:0"
	f.kill(two)
	two = f.restart(two)
	f.noError(two.Join(f.ctx(), one.Address(), goodToken))
	f.propose(two, "y")
	if len(one.Members()) != 2 || one.Members()[1].Address != two.Address() {
		t.Errorf("members: %+v", one.Members())
	}
}

// TestAMemberThatMovedIsReachedWhereGossipHearsOfIt: of two nodes one moves, and the other, which has entries that the first
// lacks, has lost its lead meanwhile. It leads again only by the vote of the one that moved, and only then that one's new
// address can be agreed on.
func TestAMemberThatMovedIsReachedWhereGossipHearsOfIt(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(2)
	one, two := nodes[0], nodes[1]
	f.noError(one.TransferLeadership(f.ctx(), 1))
	f.propose(one, "x")
	f.wires.Cut(1, 2)
	ahead := one.raft.LastIndex()
	go func() { _, _ = one.Propose(one.ctx, []byte("to one alone"), nil) }() // it has no answer yet
	f.waitFor("an entry that one has alone, and that one leads no more", func() bool {
		_, leads := one.Leader()
		return one.raft.LastIndex() > ahead && !leads
	})
	f.kill(two)
	f.wires.Heal()
	two.config.Address = "127.0.0.1:0"
	two = f.restart(two)
	f.noError(two.Join(f.ctx(), one.Address(), goodToken))
	f.propose(two, "y")
	if members := one.Members(); len(members) != 2 || members[1].Address != two.Address() {
		t.Errorf("members: %+v", members)
	}
}
