package cluster

import (
	"testing"
	"time"
)

// TestFollowersKnowAtOnceWhatIsCommitted: who asked the leader, and the others too, without waiting for Raft's next message,
// which comes after Timeouts.Commit.
func TestFollowersKnowAtOnceWhatIsCommitted(t *testing.T) {
	f := newFarm(t)
	slow := func(number uint32) *node {
		config := f.config(number)
		config.Timeouts.Commit = config.Timeouts.Heartbeat
		return f.open(config)
	}
	first, follower := slow(1), slow(2)
	f.noError(first.Bootstrap(f.ctx()))
	f.noError(follower.Join(f.ctx(), first.Address(), goodToken))
	const rounds = 10
	start := time.Now() // half of the rounds would wait for Raft if only who asks were told, and half if only the others were
	for i := range rounds {
		proposer := []*node{first, follower}[i%2]
		f.propose(proposer, "x")
		f.noError(follower.fsm.WaitApplied(f.ctx(), first.fsm.AppliedIndex()))
	}
	if took, limit := time.Since(start), rounds/2*follower.cfg.Timeouts.Commit; took >= limit {
		t.Errorf("%d rounds took %v: the follower waited for Raft, %v each", rounds, took, follower.cfg.Timeouts.Commit)
	}
}

func TestWhatIsNotACommitmentIsRefused(t *testing.T) {
	said := commitment{7, applied{8, 9}}
	answer, again, err := cutCommitment(said.appendTo([]byte("answer")))
	if err != nil || string(answer) != "answer" || again != said {
		t.Errorf("%q, %+v, %v", answer, again, err)
	}
	if _, _, err := cutCommitment(make([]byte, commitmentSize-1)); err == nil {
		t.Error("an answer that is too short was taken")
	}
}
