package main

import (
	"iter"
)

// role is what a worker of a node does. A node has one of each at a time.
type role string

const (
	arriving   role = "arrive"   // a node that starts
	converging role = "converge" // its unit takes a step
	repairing  role = "repair"   // its unit answers for blobs in question
	leading    role = "lead"     // the leader proposes what is due
	writing    role = "write"    // a partition is rewrapped
	verifying  role = "verify"
	calling    role = "call" // a client calls
	reporting  role = "register"
	ordering   role = "order" // administrators at this node
)

// roles are all of them, in the order in which a calm world drives them.
var roles = []role{arriving, reporting, converging, repairing, leading, writing, verifying, calling, ordering}

// worker is a part of a node's process: a coroutine, of which one runs at a time in a world. Where the product's code waits for
// the log, the coroutine gives control back; a crash ends it where it stands.
type worker struct {
	node     *node
	role     role
	next     func() (struct{}, bool)
	stop     func()
	yield    func(struct{}) bool
	ready    func() bool // it waits for
	proposal *proposal   // what it waits for is this
	since    uint64      // what its node had applied when it began
}

// ended is what a coroutine panics with where its process ends.
type ended struct{}

// work starts a worker, and runs it until it waits.
func (n *node) work(r role, do func()) *worker {
	w := &worker{node: n, role: r, ready: func() bool { return true }, since: n.store.AppliedIndex()}
	n.workers[r] = w
	w.next, w.stop = iter.Pull(func(yield func(struct{}) bool) {
		w.yield = yield
		defer func() {
			if p := recover(); p != nil && p != any(ended{}) {
				panic(p)
			}
		}()
		do()
	})
	w.run()
	return w
}

// run lets it go on until it waits again, or is done.
func (w *worker) run() {
	world := w.node.world
	was := world.running
	world.running = w
	w.ready, w.proposal = func() bool { return true }, nil
	_, more := w.next()
	world.running = was
	if !more && w.node.workers[w.role] == w {
		delete(w.node.workers, w.role)
	}
}

// await gives control back until something is so. Without a worker it is so at once, or never.
func (w *world) await(ready func() bool, p *proposal) {
	me := w.running
	me.ready, me.proposal = ready, p
	if !me.yield(struct{}{}) {
		panic(ended{})
	}
}

// turn is the lock of a node's speaker: who cannot have it gives control back.
type turn struct {
	world *world
	held  bool
}

// Lock implements sync.Locker.
func (t *turn) Lock() {
	for t.held {
		t.world.await(func() bool { return !t.held }, nil)
	}
	t.held = true
}

// Unlock implements sync.Locker.
func (t *turn) Unlock() { t.held = false }
