package cluster

import (
	"testing"

	"github.com/hashicorp/raft"
)

// stuck is a pipeline like raft's: no request is taken before the answer to the one before has been.
type stuck struct {
	raft.AppendPipeline
	answers chan raft.AppendFuture
}

func (s *stuck) Consumer() <-chan raft.AppendFuture { return s.answers }
func (s *stuck) Close() error                       { return nil }

type answer struct {
	raft.AppendFuture
	n int
}

func TestAPipelineGetsOnWithoutAReader(t *testing.T) {
	inner := &stuck{answers: make(chan raft.AppendFuture)}
	p := &pipeline{AppendPipeline: inner, answers: make(chan raft.AppendFuture), closed: make(chan struct{})}
	done := make(chan struct{})
	go func() { p.pump(); close(done) }()
	for i := range 100 {
		inner.answers <- answer{n: i} // nobody reads them yet
	}
	for i := range 50 {
		if got := (<-p.Consumer()).(answer).n; got != i {
			t.Fatalf("answer %d came as number %d", got, i)
		}
	}
	check(p.Close())
	check(p.Close())
	<-done
}

func TestTheTransportKeepsRaftsAbilities(t *testing.T) {
	var trans raft.Transport = &transport{}
	if _, ok := trans.(raft.WithPreVote); !ok {
		t.Error("pre-vote is lost")
	}
	if _, ok := trans.(raft.WithClose); !ok {
		t.Error("closing is lost")
	}
}
