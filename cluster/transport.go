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
//
// Its messages to this node come together with those that the node delivers to itself, see Cluster.learn.
type transport struct {
	*raft.NetworkTransport
	messages chan raft.RPC
	done     chan struct{}
	once     sync.Once
}

func newTransport(inner *raft.NetworkTransport) *transport {
	t := &transport{NetworkTransport: inner, messages: make(chan raft.RPC), done: make(chan struct{})}
	go t.receive()
	return t
}

// receive passes on what other nodes send, until Close.
func (t *transport) receive() {
	for {
		select {
		case message := <-t.NetworkTransport.Consumer():
			select {
			case t.messages <- message:
			case <-t.done:
				return
			}
		case <-t.done:
			return
		}
	}
}

func (t *transport) Consumer() <-chan raft.RPC { return t.messages }

// deliver gives Raft a message whose answer nobody needs; it returns when Raft has taken it, or when there is no need.
func (t *transport) deliver(message any, stop <-chan struct{}) {
	select {
	case t.messages <- raft.RPC{Command: message, RespChan: make(chan raft.RPCResponse, 1)}:
	case <-t.done:
	case <-stop:
	}
}

func (t *transport) Close() error {
	t.once.Do(func() { close(t.done) })
	return t.NetworkTransport.Close()
}

func (t *transport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
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
