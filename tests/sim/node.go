package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"tumbler/converge"
	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
	"tumbler/rewrap"
)

// node is one machine: its disks, and the process on it.
type node struct {
	world    *world
	number   uint32
	role     order.Role
	small    int // fsm.Config.SmallTable
	files    *vfs.MemFS
	disk     *folder
	snapshot uint64 // index of its newest: the log replays from there
	reached  uint64 // highest index that it was given to apply; a table is durable before what comes before it, until that is replayed
	isolated bool
	armed    int                  // durable steps until its process ends; 0: it goes on
	dying    bool                 // it ended in the middle of an event
	identity fsm.Identity         // of its unit, at its last start
	newest   []byte               // the unit's file from before it was rolled back
	spoils   bool                 // the next new blob that it applies is damaged
	spoilt   map[uint64]*raft.Log // entries as its disk has them, where that is not what was agreed on
	damaged  map[uint64]uint64    // numbers of blobs that its replica has otherwise, with their epoch
	*process                      // nil: it is down
}

// process is what a crash ends.
type process struct {
	store      *fsm.Store
	unit       *cryptounit.Unit
	turn       *turn
	speaker    *converge.Speaker
	converger  *converge.Converger
	repairer   *converge.Repairer
	runner     *rewrap.Runner
	leadership *converge.Leadership
	workers    map[role]*worker
	arrived    bool
	failed     error  // why it must end
	cursor     uint64 // index of the last entry that the log handed to the store
	idle       map[role]uint64
	seen
}

// seen is what the invariants were last asked about.
type seen struct {
	index  uint64 // applied
	writes int    // of the unit's file
	status cryptounit.Status
	asked  bool // whether it may serve
}

// proposal is a command on its way to the log.
type proposal struct {
	from   *node
	data   []byte
	table  []byte
	index  uint64 // of its entry; 0: it is in no log, perhaps not yet
	answer []byte
	err    error
}

var (
	errNoAnswer = errors.New("no answer: what was proposed may be in the log or not")
	errNoLeader = errors.New("no leader is heard of")
)

type plainSealer struct{}

func (plainSealer) Seal(b []byte) ([]byte, error) { return bytes.Clone(b), nil }
func (plainSealer) Open(b []byte) ([]byte, error) { return bytes.Clone(b), nil }

// start starts the process as a node starts: the store is compared with the log, and what follows is replayed.
func (n *node) start() error {
	w := n.world
	p := &process{turn: &turn{world: w}, workers: map[role]*worker{}, idle: map[role]uint64{}, cursor: n.snapshot}
	var err error
	p.store, err = fsm.Open(fsm.Config{Dir: "store", FS: n.files, CacheSize: 64 << 10, SmallTable: n.small})
	if err != nil {
		return err
	}
	n.process = p
	if err := p.store.Recover("", n.snapshot, w.last()); err != nil {
		return err
	}
	if applied := p.store.AppliedIndex(); applied < n.snapshot {
		return violated("a finished snapshot is durable in the store", "node %d has a snapshot at %d, and its store came back at %d", n.number, n.snapshot, applied)
	}
	n.disk.step = n.point
	p.unit, err = cryptounit.Open(cryptounit.Config{Folder: n.disk, Number: n.number, Role: n.role, Sealer: plainSealer{}, Now: w.clock})
	if err != nil {
		return err
	}
	p.speaker = converge.NewSpeaker(converge.Config{
		Number: n.number, Role: n.role, Unit: p.unit, Store: p.store, Log: n, Turn: p.turn, Now: w.clock, Fail: func(err error) { p.failed = err },
	})
	p.converger = converge.NewConverger(p.speaker, func(bool) {})
	p.repairer = converge.NewRepairer(p.speaker, hclog.NewNullLogger())
	p.runner, err = rewrap.NewRunner(rewrap.Config{
		Number: n.number, Unit: rewrapUnit{p.unit}, Proposer: n, Stater: p.speaker, Source: p.store, Reporter: reporter{p.repairer, w}, Batch: 2,
	})
	if err != nil {
		return err
	}
	p.writes, n.identity = -1, fsm.Identity(p.unit.Status().Identity)
	w.recording.starts(n)
	return n.cameUp()
}

// arrive is what a node does before it serves.
func (n *node) arrive(ctx context.Context) error {
	arrival := &converge.Arrival{Speaker: n.speaker, Bootstrapped: func() bool { return true }}
	return arrival.Look(ctx)
}

// end ends the process. What was not synced to its disks may be gone: kept says how much of it stays.
func (n *node) end(kept uint64) error {
	p := n.process
	if p == nil {
		return nil
	}
	n.world.recording.ends(n)
	for _, r := range roles {
		if w := p.workers[r]; w != nil {
			w.stop()
		}
	}
	image := n.files.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: int(kept%2) * 100, RNG: n.world.dice(kept)})
	n.process, n.dying, n.armed = nil, false, 0
	err := errors.Join(p.unit.Close(), p.store.Close())
	n.files = image
	n.disk.crash(kept / 2)
	return err
}

// point is a durable step, before and after it: a process that is armed ends at one.
func (n *node) point() {
	if n.armed == 0 || n.world.running == nil || n.world.running.node != n {
		return
	}
	if n.armed--; n.armed == 0 {
		n.dying = true
		panic(ended{})
	}
}

// hears: it is up, and no partition of the network cuts it off.
func (n *node) hears() bool { return n.process != nil && !n.isolated }

// serves: it is up, has arrived, and has no reason to end.
func (n *node) serves() bool { return n.process != nil && n.arrived && n.failed == nil }

// Propose implements converge.Log.
func (n *node) Propose(ctx context.Context, command fsm.Command) (fsm.Result, error) {
	return n.ProposeTable(ctx, command, nil)
}

// ProposeTable implements rewrap.Proposer.
func (n *node) ProposeTable(_ context.Context, command fsm.Command, table []byte) (fsm.Result, error) {
	data, err := fsm.Encode(command, n.world.request(n.store.AppliedIndex()))
	if err != nil {
		return fsm.Result{}, err
	}
	return n.send(data, table)
}

// send proposes, and waits until this node has applied the outcome, or nobody will tell it.
func (n *node) send(data, table []byte) (fsm.Result, error) {
	n.point()
	n.world.facts.spoke(n, data)
	n.world.recording.says(n, data)
	p := &proposal{from: n, data: data, table: table}
	n.world.await(func() bool { return p.err != nil || p.answer != nil && n.store.AppliedIndex() >= p.index }, p)
	n.point()
	if p.err != nil {
		return fsm.Result{}, p.err
	}
	return fsm.DecodeResult(p.answer)
}

// ReadIndex implements converge.Log.
func (n *node) ReadIndex(context.Context) error {
	if !n.hears() || n.world.leads() == nil {
		return errNoLeader
	}
	last := n.world.last()
	n.world.await(func() bool { return n.store.AppliedIndex() >= last }, nil)
	return nil
}

// apply hands the next entries to the store, in one batch.
func (n *node) apply(most uint64) error {
	w := n.world
	to := min(n.cursor+most, w.last())
	var logs []*raft.Log
	for i := n.cursor + 1; i <= to; i++ {
		logs = append(logs, n.entry(i))
	}
	n.reached = max(n.reached, to)
	for i, answer := range n.store.ApplyBatch(logs) {
		index := logs[i].Index
		got, is := answer.([]byte)
		if !is {
			return violated("an entry is applied", "node %d stopped at entry %d: %v", n.number, index, answer)
		}
		if len(got) > 0 && !bytes.Equal(got, w.at(index).answer) {
			return violated("equal logs give equal answers", "node %d, entry %d: %q, elsewhere %q", n.number, index, got, w.at(index).answer)
		}
	}
	n.cursor = to
	return nil
}

// entry is an agreed entry, as this node's disk has it.
func (n *node) entry(index uint64) *raft.Log {
	if log := n.spoilt[index]; log != nil {
		return log
	}
	e := n.world.at(index)
	if n.spoils {
		if log := e.spoilt(); log != nil {
			n.spoils = false
			n.spoilt[index] = log
			n.damaged[e.result.Blob] = e.epoch
			return log
		}
	}
	log := *e.log
	log.Extensions = bytes.Clone(log.Extensions) // a disk in memory may change what it was given to write
	return &log
}

// rewrapUnit is the unit as a rewrap needs it.
type rewrapUnit struct{ *cryptounit.Unit }

func (u rewrapUnit) Rewrap(digest order.Digest, partition, pass uint32, blobs [][]byte) (rewrap.Rewrapped, error) {
	out, err := u.Unit.Rewrap(digest, partition, pass, blobs)
	return rewrap.Rewrapped(out), err
}

func (u rewrapUnit) NewVerifier(digest order.Digest, last uint64, partition, pass uint32) (rewrap.Verifier, error) {
	v, err := u.Unit.NewVerifier(digest, last, partition, pass)
	if errors.Is(err, cryptounit.ErrPartition) {
		return nil, fmt.Errorf("%w: %w", rewrap.ErrWrote, err)
	}
	if err != nil {
		return nil, err
	}
	return v, nil
}

// reporter tells the leader what a verifier found, if it hears.
type reporter struct {
	*converge.Repairer
	world *world
}

// Found implements rewrap.Reporter.
func (r reporter) Found(_ context.Context, finding rewrap.Finding) error {
	leader := r.world.leads()
	if leader == nil || leader.leadership == nil {
		return errNoLeader
	}
	leader.leadership.Planner.Note(finding)
	return nil
}
