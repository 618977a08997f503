package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"tumbler/converge"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// The cluster's names. Those who begin everywhere alike differ in nothing that counts.
var (
	clusterID  = order.ID{1}
	instanceID = order.ID{2}
)

// world is a cluster in one process: nodes, the log that they agree on, and a replica that nothing befalls, which gives the
// answers and is what all others are compared with. Nothing in it runs by itself.
type world struct {
	seed     uint64
	liars    *liars // nil, unless hosts lie: keys may become unavailable then
	now      time.Time
	nodes    []*node // by number, from 1
	log      []*entry
	base     uint64     // index before the first entry of log
	truth    *fsm.Store // applies each entry by itself, as it is agreed on
	files    *vfs.MemFS // that replica's disk
	leader   uint32     // 0: there is none
	running  *worker
	requests uint64
	admins   *administrators
	keys     *keyring
	facts    *facts
	faults   map[string]int
	events   int
	drawn    int    // events that were not a world's own, at its rest or in a round
	ordered  string // what came of the last order
	trail    trail
	// recording is nil unless the model is asked about the run.
	recording *recording
}

// entry is one entry of the log, and what the state answered.
type entry struct {
	log     *raft.Log
	command fsm.Command
	result  fsm.Result
	refusal error
	answer  []byte
	epoch   uint64 // the current one when it was agreed on
}

func (w *world) clock() time.Time { return w.now }

func (w *world) last() uint64 { return w.base + uint64(len(w.log)) }

func (w *world) at(index uint64) *entry { return w.log[index-w.base-1] }

// dice are for what only one event needs.
func (w *world) dice(arg uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, arg)) }

// request is a fresh request id.
func (w *world) request(applied uint64) (r fsm.RequestID) {
	w.requests++
	binary.BigEndian.PutUint64(r[:], applied)
	binary.BigEndian.PutUint64(r[8:], w.seed)
	binary.BigEndian.PutUint64(r[16:], w.requests)
	return r
}

// leads is the leader, if it is up, hears, and hears a quorum.
func (w *world) leads() *node {
	if w.leader == 0 {
		return nil
	}
	heard := 0
	for _, n := range w.nodes {
		if n.hears() {
			heard++
		}
	}
	if l := w.nodes[w.leader-1]; l.hears() && 2*heard > len(w.nodes) {
		return l
	}
	return nil
}

// deliver has the leader judge a proposal, and put it into the log. false: it cannot, now.
func (w *world) deliver(p *proposal) (bool, error) {
	leader := w.leads()
	if leader == nil || !p.from.hears() || p.index != 0 || p.answer != nil || p.err != nil {
		return false, nil
	}
	if request := requestOf(p.data); leader.store.AppliedIndex() < request.Since() {
		return false, nil // it waits for what the proposer knows already
	}
	examiner := &converge.Examiner{Store: leader.store, Logger: hclog.NewNullLogger()}
	answer, err := examiner.Examine(context.Background(), p.from.number, p.data)
	if err != nil {
		return false, err
	}
	if answer != nil {
		p.answer = answer
		return true, nil
	}
	e, err := w.agree(p.data, p.table, p.from)
	if err != nil {
		return false, err
	}
	p.index, p.answer = e.log.Index, e.answer
	return true, nil
}

// again puts a proposal into the log once more, as a retry does whose first attempt went through. It is answered as at first.
func (w *world) again(p *proposal) error {
	e, err := w.agree(p.data, p.table, p.from)
	if err != nil {
		return err
	}
	if _, batch := e.command.(*fsm.PutBatch); !batch && !bytes.Equal(e.answer, p.answer) && !errors.Is(e.refusal, fsm.ErrOutcomeUnknown) {
		return violated("a proposal that comes twice is answered as at first", "entry %d, first %d, %T: %q, first %q", e.log.Index, p.index, e.command, e.answer, p.answer)
	}
	return nil
}

// agree appends an entry, and has the replica that nothing befalls apply it.
func (w *world) agree(data, table []byte, from *node) (*entry, error) {
	command, request, err := fsm.Decode(data)
	if err != nil {
		return nil, err
	}
	e := &entry{command: command, log: &raft.Log{Index: w.last() + 1, Term: 1, Type: raft.LogCommand, Data: data, Extensions: table}}
	before, err := w.truth.View()
	if err != nil {
		return nil, err
	}
	e.epoch = before.CurrentEpoch()
	defer before.Close()
	w.log = append(w.log, e)
	answer, is := w.truth.Apply(e.log).([]byte)
	if !is {
		return nil, violated("an entry is applied", "entry %d, %T, stopped the state", e.log.Index, command)
	}
	e.answer = answer
	e.result, e.refusal = fsm.DecodeResult(answer)
	var refusal *fsm.Refusal
	if e.refusal != nil && !errors.As(e.refusal, &refusal) {
		return nil, e.refusal
	}
	code := fsm.Code(0)
	if refusal != nil {
		code = refusal.Code
	}
	if w.liars != nil {
		w.liars.heard(command)
	}
	w.trail.add("entry %d kind %d code %d blob %d count %d cursor %d", e.log.Index, command.Kind(), code, e.result.Blob, e.result.Count, e.result.Cursor)
	return e, errors.Join(w.agreed(e, request, from, before), w.recording.enters(e, request, from, before))
}

// requestOf is the request id of an encoded command.
func requestOf(data []byte) fsm.RequestID {
	_, request, err := fsm.Decode(data)
	if err != nil {
		return fsm.RequestID{}
	}
	return request
}

// spoilt is an entry that brought a blob, with a bit of that changed; nil: it brought none.
func (e *entry) spoilt() *raft.Log {
	if e.refusal != nil || e.result.Blob == 0 {
		return nil
	}
	command, request, err := fsm.Decode(e.log.Data)
	if err != nil {
		return nil
	}
	var blobs []fsm.PatternBlob
	switch c := command.(type) {
	case *fsm.CreateKey:
		blobs = c.Material.Blobs
	case *fsm.AddKeyVersion:
		blobs = c.Material.Blobs
	default:
		return nil
	}
	blobs[0].Blob[len(blobs[0].Blob)-1] ^= 1
	data, err := fsm.Encode(command, request)
	if err != nil {
		return nil
	}
	log := *e.log
	log.Data = data
	return &log
}

// close ends every process.
func (w *world) close() {
	for _, n := range w.nodes {
		_ = n.end(1)
	}
	w.facts.close()
	if w.liars != nil {
		_ = w.liars.stranger.Close()
	}
	_ = w.truth.Close()
}

// Violation is an invariant that does not hold.
type Violation struct{ Rule, What string }

func (v *Violation) Error() string { return fmt.Sprintf("%s: %s", v.Rule, v.What) }

func violated(rule, format string, args ...any) error {
	return &Violation{rule, fmt.Sprintf(format, args...)}
}
