package main

import (
	"archive/tar"
	"bytes"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"

	"tumbler/converge"
	"tumbler/fsm"
)

// faultKinds are what can go wrong, some more often than others.
var faultKinds = []string{
	"lose", "lose", "lose", "lose", "twice", "twice", "twice", "late", "late",
	"crash", "crash", "point", "point", "point", "point", "start", "start", "start", "start", "start", "start",
	"cut", "cut", "join", "join", "join", "leader", "leader", "leader", "clock", "clock", "clock",
	"flush", "snapshot", "install", "install", "disk", "roll-back", "roll-back", "put-back", "put-back", "spoil", "renew", "renew",
}

// fault has something go wrong, or come right again. false: there is nothing that it could befall.
func (w *world) fault(n *node, e Event) (bool, error) {
	switch e.Do {
	case "lose": // a proposal, or its answer
		return w.waiting(n, e.Arg, func(p *proposal) (bool, error) {
			p.err = errNoAnswer
			return true, nil
		})
	case "twice": // a retry whose first attempt went through
		return w.waiting(n, e.Arg, func(p *proposal) (bool, error) {
			if p.index == 0 {
				return false, nil
			}
			return true, w.again(p)
		})
	case "late": // it goes into the log, and who proposed it has given up
		return w.waiting(n, e.Arg, func(p *proposal) (bool, error) {
			delivered, err := w.deliver(p)
			if delivered {
				p.err = errNoAnswer
			}
			return delivered, err
		})
	case "clock":
		w.now = w.now.Add(time.Duration(1+e.Arg%6) * time.Second)
		return true, nil
	case "cut":
		was := n.isolated
		n.isolated = true
		return !was, nil
	case "join":
		was := n.isolated
		n.isolated = false
		return was, nil
	case "leader":
		if !n.hears() || n.cursor < w.base {
			return false, nil
		}
		w.leader, n.leadership = n.number, converge.NewLeadership(lease, fence)
		return true, nil
	}
	if w.liars != nil && slices.Contains(hostileKinds, e.Do) {
		return w.lie(n, e)
	}
	return w.machineFault(n, e)
}

// waiting does something to a proposal of a node that waits.
func (w *world) waiting(n *node, arg uint64, do func(*proposal) (bool, error)) (bool, error) {
	if n.process == nil {
		return false, nil
	}
	for i := range roles {
		at := n.workers[roles[(arg+uint64(i))%uint64(len(roles))]]
		if at != nil && at.proposal != nil && at.proposal.err == nil {
			return do(at.proposal)
		}
	}
	return false, nil
}

// machineFault is a fault of a node's process or disks.
func (w *world) machineFault(n *node, e Event) (bool, error) {
	up := n.process != nil
	switch e.Do {
	case "crash":
		return up, n.end(e.Arg)
	case "point": // it will end before or after one of its next durable steps
		if up {
			n.armed = 1 + int(e.Arg%12)
		}
		return up, nil
	case "start":
		if up {
			return false, nil
		}
		return true, n.start()
	case "disk": // the disks are lost, and empty ones put in their place
		if n.fresh() || !w.spares(n) {
			return false, nil
		}
		return true, n.empty()
	case "renew": // a node whose unit was removed begins anew
		if !n.removed() {
			return false, nil
		}
		return true, n.empty()
	case "roll-back": // an older file of the unit is put back while its node is down
		if up || n.newest != nil || !w.spares(n) {
			return false, nil
		}
		n.newest = n.disk.rollBack(e.Arg)
		return n.newest != nil, nil
	case "put-back":
		if up || n.newest == nil {
			return false, nil
		}
		n.disk.put(n.newest)
		n.newest = nil
		return true, nil
	case "spoil": // the next new blob gets a changed bit on its way to this node's disk
		if !up || n.spoils {
			return false, nil
		}
		n.spoils = true
		return true, nil
	}
	return w.snapshotFault(n, e)
}

// snapshotFault makes what was applied durable, or brings a node that is behind a snapshot of another.
func (w *world) snapshotFault(n *node, e Event) (bool, error) {
	if n.process == nil || n.failed != nil {
		return false, nil
	}
	switch e.Do {
	case "flush":
		return true, n.store.Flush()
	case "snapshot":
		if n.cursor < w.base || n.cursor == n.snapshot {
			return false, nil
		}
		made, err := n.store.Snapshot()
		if err != nil {
			return false, err
		}
		made.Release()
		n.snapshot = n.store.AppliedIndex()
		return true, nil
	case "install":
		from := w.nodes[e.Arg%uint64(len(w.nodes))]
		if !n.hears() || from == n || !from.hears() || from.failed != nil || from.store.AppliedIndex() <= n.store.AppliedIndex() {
			return false, nil
		}
		return true, n.install(from)
	}
	return false, nil
}

// install restores the store from a snapshot of another node's.
func (n *node) install(from *node) error {
	made, err := from.store.Snapshot()
	if err != nil {
		return err
	}
	defer made.Release()
	from.snapshot = from.store.AppliedIndex()
	sink := &sink{files: from.files}
	if err := made.Persist(sink); err != nil {
		return err
	}
	if err := n.store.Restore(io.NopCloser(&sink.archive)); err != nil {
		return err
	}
	n.snapshot = n.store.AppliedIndex()
	n.cursor = n.snapshot
	n.reached = max(n.reached, from.reached) // the other may be in a replay itself
	for number, epoch := range from.damaged {
		n.damaged[number] = epoch
	}
	if n.snapshot != from.snapshot {
		return violated("a snapshot brings its index", "node %d is at %d, the snapshot of %d", n.number, n.snapshot, from.snapshot)
	}
	return nil
}

// sink packs a checkpoint's folder as it travels.
type sink struct {
	files   vfs.FS
	archive bytes.Buffer
}

// AdoptFolder is what a snapshot is handed to.
func (s *sink) AdoptFolder(path string) error {
	out := tar.NewWriter(&s.archive)
	names, err := s.files.List(path)
	for _, name := range names {
		if err == nil {
			err = s.pack(out, filepath.Join(path, name), name)
		}
	}
	if err != nil {
		return err
	}
	return out.Close()
}

func (s *sink) pack(out *tar.Writer, path, name string) error {
	file, err := s.files.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return nil
	}
	if err := out.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: 0o600}); err != nil {
		return err
	}
	_, err = io.Copy(out, file)
	return err
}

func (*sink) Write(p []byte) (int, error) { return len(p), nil }
func (*sink) Close() error                { return nil }
func (*sink) ID() string                  { return "" }
func (*sink) Cancel() error               { return nil }

// fresh: its disks were empty at its last start, and nobody knows its unit yet.
func (n *node) fresh() bool { return n.process != nil && !n.arrived && n.cursor < n.world.base }

// spares: the cluster can lose this node's disks. One at a time, and never the last but one unit that holds the master key.
func (w *world) spares(but *node) bool {
	view, err := w.truth.View()
	if err != nil {
		return false
	}
	defer view.Close()
	whole := 0
	for _, n := range w.nodes {
		u, known := view.Unit(n.number)
		if n == but || n.newest != nil || !known || !u.IsEnrolled() || u.IsFenced() {
			continue
		}
		if n.identity == u.Identity && (n.process == nil || n.holdsKey(view)) {
			whole++
		}
	}
	return whole == len(w.nodes)-1
}

// removed: an order removed the unit that its disk holds.
func (n *node) removed() bool {
	if n.process == nil {
		return false
	}
	view, err := n.world.truth.View()
	if err != nil {
		return false
	}
	defer view.Close()
	u, known := view.Unit(n.number)
	return known && u.Removed != (fsm.Digest{}) && u.Identity == n.identity
}

// empty puts empty disks into the node, and starts it.
func (n *node) empty() error {
	if err := n.end(0); err != nil {
		return err
	}
	n.files, n.disk, n.snapshot, n.reached, n.newest = newFiles(), newFolder(), 0, 0, nil
	if n.world.leader == n.number {
		n.world.leader = 0
	}
	n.spoilt, n.damaged = map[uint64]*raft.Log{}, map[uint64]uint64{}
	return n.start()
}
