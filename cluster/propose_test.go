package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
)

// TestTheLeaderExaminesWhatGoesIntoTheLog: its own commands and those of others, each as of the node that proposes it; one that
// is answered leaves no entry, and one that could not be looked at is tried again.
func TestTheLeaderExaminesWhatGoesIntoTheLog(t *testing.T) {
	f := newFarm(t)
	var failures atomic.Int32
	failures.Store(2)
	examine := func(_ context.Context, from uint32, data []byte) ([]byte, error) {
		switch {
		case string(data) == "bad":
			return fmt.Appendf(nil, "of %d: no", from), nil
		case string(data) == "later" && failures.Add(-1) >= 0:
			return nil, errors.New("not now")
		}
		return nil, nil
	}
	var nodes []*node
	for number := uint32(1); number <= 3; number++ {
		config := f.config(number)
		config.Examine = examine
		nodes = append(nodes, f.open(config))
	}
	f.noError(nodes[0].Bootstrap(f.ctx()))
	f.noError(nodes[1].Join(f.ctx(), nodes[0].Address(), goodToken))
	f.noError(nodes[2].Join(f.ctx(), nodes[0].Address(), goodToken))
	leader := f.leader(nodes...)
	f.propose(leader, "good")
	for _, n := range nodes {
		before := must(leader.log.LastIndex())
		if got, want := f.propose(n, "bad"), fmt.Sprintf("of %d: no", n.Number()); got != want {
			t.Errorf("node %d was answered %q, not %q", n.Number(), got, want)
		}
		if after := must(leader.log.LastIndex()); after != before {
			t.Errorf("what node %d proposed is in the log", n.Number())
		}
	}
	if got := f.propose(others(nodes, leader)[0], "later"); got != "later 1" {
		t.Errorf("what could not be looked at at first: %q", got)
	}
}
