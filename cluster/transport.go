package cluster

import (
	"sync"

	"github.com/hashicorp/raft"
)

// transport is Raft's own, but for its pipelines.
//
// In raft v1.7.3 the reader of a pipeline's answers ends when an answer has a newer term, and the writer may wait at that
// moment for room that only the reader makes: then it waits for ever, keeps sending heartbeats of its old term, and a
// shutdown waits for it. Here answers are always taken from the connection, so the writer gets on, and finds the reader gone.
type transport struct{ *raft.NetworkTransport }

func (t transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	inner, err := t.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	p := &pipeline{AppendPipeline: inner, answers: make(chan raft.AppendFuture), closed: make(chan struct{})}
	go p.pump()
	return p, nil
}

// pipeline holds answers that nobody has taken yet; there are few, since the writer does not get far ahead of them.
type pipeline struct {
	raft.AppendPipeline
	answers chan raft.AppendFuture
	closed  chan struct{}
	once    sync.Once
}

func (p *pipeline) pump() {
	var waiting []raft.AppendFuture
	for {
		var out chan raft.AppendFuture // nil, which is never ready, when nothing waits
		var first raft.AppendFuture
		if len(waiting) > 0 {
			out, first = p.answers, waiting[0]
		}
		select {
		case answer := <-p.AppendPipeline.Consumer():
			waiting = append(waiting, answer)
		case out <- first:
			waiting = waiting[1:]
		case <-p.closed:
			return
		}
	}
}

func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.answers }

func (p *pipeline) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.AppendPipeline.Close()
}
