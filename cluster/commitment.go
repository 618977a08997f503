package cluster

import (
	"encoding/binary"
	"errors"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// commitment says that an entry is committed, in the words of the leader of a term. A leader's answers to the other members
// end with one, and the rest are told soon after, so that nobody need wait until Raft tells it with its next message, 50 to
// 100 ms later. Who hears of it hands its own Raft the message that says so, which is one that the leader could have sent.
type commitment struct {
	term  uint64 // of the leader that says so; 0: nothing is said
	entry applied
}

// applied is an entry that the state machine has.
type applied struct{ index, term uint64 }

const commitmentSize = 3 * 8

func (c commitment) appendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, c.term)
	b = binary.BigEndian.AppendUint64(b, c.entry.index)
	return binary.BigEndian.AppendUint64(b, c.entry.term)
}

var errCommitment = errors.New("an answer without its commitment")

// cutCommitment takes the commitment off the end of an answer.
func cutCommitment(b []byte) ([]byte, commitment, error) {
	at := len(b) - commitmentSize
	if at < 0 {
		return nil, commitment{}, errCommitment
	}
	n := func(i int) uint64 { return binary.BigEndian.Uint64(b[at+8*i:]) }
	return b[:at:at], commitment{n(0), applied{n(1), n(2)}}, nil
}

// lastApplied is the newest command that the state machine has; the zero value is none.
type lastApplied struct {
	entry atomic.Pointer[applied]
	moved chan struct{} // has room for one
}

func newLastApplied() *lastApplied { return &lastApplied{moved: make(chan struct{}, 1)} }

func (l *lastApplied) set(e *raft.Log) {
	l.entry.Store(&applied{e.Index, e.Term})
	select {
	case l.moved <- struct{}{}:
	default:
	}
}

func (l *lastApplied) get() applied {
	if e := l.entry.Load(); e != nil {
		return *e
	}
	return applied{}
}

// commitment is what this node can say as a leader: nothing, unless it leads now and has all the time since it read the
// term.
func (c *Cluster) commitment() commitment {
	term := c.raft.CurrentTerm()
	entry := c.last.get()
	if entry.index == 0 || c.raft.State() != raft.Leader || c.raft.CurrentTerm() != term {
		return commitment{}
	}
	return commitment{term, entry}
}

// learn hands Raft what a leader has said, unless it knows, or has not got that entry yet. Raft checks that its own entry is
// that one, as it does with every message, and forgets what comes from an old term.
func (c *Cluster) learn(leader uint32, said commitment) {
	if said.term == 0 || said.entry.index <= c.raft.CommitIndex() || said.entry.index > c.raft.LastIndex() {
		return
	}
	from, ok := c.server(leader)
	if !ok {
		return
	}
	c.transport.deliver(&raft.AppendEntriesRequest{
		RPCHeader:    raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(from.ID), Addr: []byte(from.Address)},
		Term:         said.term,
		PrevLogEntry: said.entry.index, PrevLogTerm: said.entry.term, LeaderCommitIndex: said.entry.index,
	}, c.ctx.Done())
}
