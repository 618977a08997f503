package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestClusterStartsAndAnyMemberProposes(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	for i, n := range nodes {
		word := fmt.Sprintf("word%d", i)
		if got, want := f.propose(n, word), word+" 1"; got != want {
			t.Errorf("node %d: got %q, want %q", n.Number(), got, want)
		}
		for _, m := range nodes {
			f.noError(m.ReadIndex(f.ctx()))
			if m.fsm.Count(word) != 1 {
				t.Errorf("node %d does not see %s, proposed at node %d, after a linearizable read", m.Number(), word, n.Number())
			}
		}
	}
	leader := f.leader(nodes...)
	f.waitFor("all members to hear of each other", func() bool {
		for _, n := range nodes {
			for _, m := range n.Members() {
				if !m.Voter || !m.Alive || m.APIAddress == "" && m.Number != n.Number() || m.Leader != (m.Number == leader.Number()) {
					return false
				}
			}
		}
		return len(nodes[2].Members()) == 3
	})
	f.isError(nodes[0].Bootstrap(f.ctx()), ErrAlreadyBootstrapped)
}

func TestANodeThatBelongsToNoClusterSaysSo(t *testing.T) {
	f := newFarm(t)
	n := f.open(f.config(1))
	_, err := n.Propose(f.ctx(), []byte("a"), nil)
	f.isError(err, ErrNotBootstrapped)
	f.isError(n.ReadIndex(f.ctx()), ErrNotBootstrapped)
	f.isError(n.Leave(f.ctx()), ErrNotBootstrapped)
	second := f.open(f.config(2))
	f.isError(second.Join(f.ctx(), n.Address(), goodToken), ErrNotBootstrapped)
	f.isError(second.Join(f.ctx(), second.Address(), goodToken), ErrNumberTaken)
	if err := second.Join(f.ctx(), "nonsense", goodToken); !contains(err, "host:port") {
		t.Errorf("a seed that is no address: %v", err)
	}
}

func TestLeaderIsKilledAndProposalsGoOn(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	leader := f.leader(nodes...)
	rest := others(nodes, leader)
	f.propose(rest[0], "before")

	var answers []chan string
	for i := range 20 {
		answer := make(chan string, 1)
		answers = append(answers, answer)
		go func() {
			b, err := rest[i%2].Propose(f.ctx(), fmt.Appendf(nil, "while%d", i), nil)
			answer <- fmt.Sprintf("%s %v", b, err)
		}()
	}
	start := time.Now()
	f.kill(leader)
	for i, answer := range answers {
		if got := <-answer; !strings.HasPrefix(got, fmt.Sprintf("while%d ", i)) || !strings.HasSuffix(got, "<nil>") {
			t.Errorf("proposal %d: %s", i, got)
		}
	}
	t.Logf("writes resumed within %v", time.Since(start))
	if next := f.leader(rest...); next == leader {
		t.Error("the dead node leads")
	}
	f.waitFor("gossip to notice", func() bool {
		for _, m := range rest[0].Members() {
			if m.Number == leader.Number() {
				return !m.Alive
			}
		}
		return false
	})
	back := f.restart(leader)
	f.noError(back.ReadIndex(f.ctx()))
	if back.fsm.Count("before") != 1 || back.fsm.Count("while7") == 0 {
		t.Error("the node came back without what was proposed")
	}
}

func TestClosingLeaderHandsOver(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	leader := f.leader(nodes...)
	rest := others(nodes, leader)
	subscription := leader.Leading()
	f.stop(leader)
	for open := true; open; {
		_, open = <-subscription // closed by Close
	}
	f.isError(leader.ReadIndex(f.ctx()), ErrShutdown)
	_, err := leader.Propose(f.ctx(), []byte("a"), nil)
	f.isError(err, ErrShutdown)
	f.propose(rest[0], "after")
}

func TestAllRestart(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	table := bytes.Repeat([]byte("table"), SmallTable)
	_, err := nodes[1].Propose(f.ctx(), []byte("with a table"), table)
	f.noError(err)
	f.propose(nodes[2], "without")
	for _, n := range nodes {
		f.kill(n)
	}
	for i, n := range nodes {
		nodes[i] = f.restart(n)
	}
	for _, n := range nodes {
		f.noError(n.ReadIndex(f.ctx()))
		if n.fsm.Count("with a table") != 1 || n.fsm.Count("without") != 1 || n.fsm.tables["with a table"] != len(table) {
			t.Errorf("node %d lost something", n.Number())
		}
	}
	entries, err := nodes[0].LogEntries(1, 100)
	f.noError(err)
	found := false
	for _, e := range entries {
		if string(e.Data) == "with a table" {
			found = e.Type == "command" && e.ExtensionSize == int64(len(table)) && e.ExtensionDigest == stubOf(table).digest
		}
	}
	if !found {
		t.Errorf("the log's dump does not show the table: %+v", entries)
	}
	if some, err := nodes[0].LogEntries(2, 2); err != nil || len(some) != 2 || some[0].Index != 2 {
		t.Errorf("a part of the log: %+v, %v", some, err)
	}
}

func TestAStateMachineThatFailsStopsItsNode(t *testing.T) {
	f := newFarm(t)
	n := f.cluster(1)[0]
	f.propose(n, "good")
	_, err := n.Propose(f.ctx(), []byte("fail"), nil)
	f.isError(err, ErrShutdown)
	f.isError(err, ErrOutcomeUnknown)
	<-n.Failed()
	if !contains(n.Err(), "this state machine is broken") {
		t.Errorf("the reason: %v", n.Err())
	}
	_, err = n.Propose(f.ctx(), []byte("later"), nil)
	f.isError(err, ErrShutdown)
	if n.fsm.Count("later") != 0 {
		t.Error("the state machine saw an entry after its failure")
	}
}

func TestProposalsWithoutAMajority(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(2)
	leader := f.leader(nodes...)
	other := others(nodes, leader)[0]
	f.kill(leader)
	short, cancel := context.WithTimeout(f.ctx(), 300*time.Millisecond)
	defer cancel()
	_, err := other.Propose(short, []byte("nowhere"), nil)
	f.isError(err, context.DeadlineExceeded)
	if !errors.Is(err, ErrNoLeader) && !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %v", err)
	}
	if _, err := other.Propose(f.ctx(), nil, nil); err == nil {
		t.Error("an empty proposal was accepted")
	}
	if _, err := other.Propose(f.ctx(), []byte("a"), make([]byte, maxBody)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("an oversized proposal: %v", err)
	}
}

func TestCalls(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(2)
	for _, n := range nodes {
		n.Handle("echo", func(_ context.Context, peer uint32, body []byte) ([]byte, error) {
			if len(body) == 0 {
				return nil, fmt.Errorf("nothing from node %d", peer)
			}
			return fmt.Appendf(nil, "%d says %s", peer, body), nil
		})
	}
	for _, to := range []uint32{1, 2} {
		if got, err := nodes[0].Call(f.ctx(), to, "echo", []byte("hello")); err != nil || string(got) != "1 says hello" {
			t.Errorf("to node %d: %q, %v", to, got, err)
		}
		if _, err := nodes[0].Call(f.ctx(), to, "echo", nil); !contains(err, "nothing from node 1") {
			t.Errorf("an error of node %d: %v", to, err)
		}
		_, err := nodes[0].Call(f.ctx(), to, "nothing", nil)
		f.isError(err, ErrUnknownMethod)
	}
	_, err := nodes[0].Call(f.ctx(), 3, "echo", nil)
	f.isError(err, ErrUnreachable)
	f.isError(err, ErrNotMember)
	_, err = nodes[0].Call(f.ctx(), 2, "echo", make([]byte, maxBody+1))
	f.isError(err, ErrTooLarge)
	big := bytes.Repeat([]byte("x"), 5<<20)
	if got, err := nodes[1].Call(f.ctx(), 1, "echo", big); err != nil || len(got) != len(big)+len("2 says ") {
		t.Errorf("a large call: %d bytes, %v", len(got), err)
	}
	var remote *RemoteError
	_, err = nodes[1].Call(f.ctx(), 1, "echo", nil)
	if !errors.As(err, &remote) || remote.Node != 1 {
		t.Errorf("got %v", err)
	}
	f.kill(nodes[1])
	_, err = nodes[0].Call(f.ctx(), 2, "echo", nil)
	f.isError(err, ErrUnreachable)
}

func TestLoad(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	leader := f.leader(nodes...)
	slow := others(nodes, leader)[0]
	release := slow.fsm.Hold()
	defer release()
	for i := range 10 {
		f.propose(leader, fmt.Sprintf("w%d", i))
	}
	f.waitFor("the leader to see the lag", func() bool {
		load, err := slow.Load(f.ctx())
		f.noError(err)
		return load.Lag >= 9
	})
	release()
	f.waitFor("the lag to end", func() bool {
		load, err := leader.Load(f.ctx())
		f.noError(err)
		return load.Lag == 0
	})
	f.delays[slow.cfg.Number].Store(int64(30 * time.Millisecond))
	f.waitFor("everyone to hear how long clients of one node wait", func() bool {
		load, err := leader.Load(f.ctx())
		f.noError(err)
		return load.Delay == 30*time.Millisecond
	})
	f.waitFor("the leader to know all positions", func() bool {
		now := f.leader(nodes...) // a busy machine may have changed it
		_, err := now.Load(f.ctx())
		f.noError(err)
		return !slices.ContainsFunc(now.Members(), func(m Member) bool { return m.AppliedIndex == 0 })
	})
}

func TestCloseLeavesNothingRunning(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	leading := nodes[0].Leading()
	_, err := nodes[0].Propose(f.ctx(), []byte("x"), bigTable())
	f.noError(err)
	for _, n := range nodes {
		f.stop(n)
	}
	for open := true; open; {
		_, open = <-leading
	}
	var left string
	f.waitFor("all goroutines to end", func() bool {
		left = ""
		stacks := make([]byte, 1<<20)
		for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
			if !strings.Contains(stack, "testing.") && (strings.Contains(stack, "tumbler/cluster.") || strings.Contains(stack, "hashicorp/")) {
				left += stack + "\n\n"
			}
		}
		return left == ""
	})
}
