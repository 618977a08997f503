package main

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"

	"tumbler/fsm"
	"tumbler/rewrap"
)

// Event is one thing that happens. All that it depends on is in it and in the world, so a list of events replays; one that
// cannot happen, because others were left out, does not.
type Event struct {
	Do   string `json:"do"`
	Node uint32 `json:"node,omitempty"`
	Role role   `json:"role,omitempty"`
	Arg  uint64 `json:"arg,omitempty"`
}

// trail is a hash over all that happened: two runs of one seed have the same.
type trail struct{ sum uint64 }

func (t *trail) add(format string, args ...any) {
	h := fnv.New64a()
	fmt.Fprintf(h, "%d "+format, append([]any{t.sum}, args...)...)
	t.sum = h.Sum64()
}

// Virtual time: a lease, how long a silent unit is waited for, and what an event takes.
const (
	lease     = 3 * time.Second
	fence     = 8 * time.Second
	eventTime = 20 * time.Millisecond
)

// draw chooses an event, possible or not.
func (w *world) draw(dice *rand.Rand, faults float64) Event {
	e := Event{Node: uint32(dice.IntN(len(w.nodes)) + 1), Arg: dice.Uint64N(1 << 20)}
	switch at := dice.Float64(); {
	case dice.IntN(16) == 0:
		e.Do = "round" // so that orders get far among the faults
	case w.liars != nil && dice.IntN(12) == 0:
		e.Do, e.Role, e.Arg = "work", ordering, 4+e.Arg/8*8 // a rotation that follows by itself
	case w.liars != nil && dice.IntN(8) == 0:
		e.Do, e.Arg = hostileKinds[dice.IntN(len(hostileKinds))], dice.Uint64()
	case at < faults:
		e.Do = faultKinds[dice.IntN(len(faultKinds))]
		if ws := w.workers(); len(ws) > 0 && (e.Do == "lose" || e.Do == "twice" || e.Do == "late") {
			e.Node = ws[dice.IntN(len(ws))].node.number
		}
	case at < faults+0.25:
		e.Do = "apply"
	case at < faults+0.62:
		e.Do, e.Role = "go", roles[dice.IntN(len(roles))]
		if ws := w.workers(); len(ws) > 0 {
			chosen := ws[dice.IntN(len(ws))]
			e.Node, e.Role = chosen.node.number, chosen.role
		}
	default:
		e.Do, e.Role = "work", starts[dice.IntN(len(starts))]
		if n := w.nodes[e.Node-1]; n.process != nil && !n.arrived {
			e.Role = arriving
		}
	}
	return e
}

// starts are the roles that a node begins to work in, some more often than others.
var starts = []role{converging, converging, converging, converging, writing, writing, verifying, verifying, leading, leading, repairing, calling, calling, calling, ordering}

// workers are all that are under way.
func (w *world) workers() (all []*worker) {
	for _, n := range w.nodes {
		if n.process == nil {
			continue
		}
		for _, r := range roles {
			if at := n.workers[r]; at != nil {
				all = append(all, at)
			}
		}
	}
	return all
}

// do has an event happen, if it can, and looks whether all that must be true still is.
func (w *world) do(e Event) (happened bool, err error) {
	n := w.nodes[e.Node-1]
	if happened, err = w.happen(n, e); !happened || err != nil {
		return happened, err
	}
	w.events++
	w.now = w.now.Add(eventTime)
	if err := w.afterwards(e.Arg); err != nil {
		return true, err
	}
	w.trail.add("%s %d %s %d", e.Do, e.Node, e.Role, e.Arg)
	return true, nil
}

func (w *world) happen(n *node, e Event) (bool, error) {
	switch e.Do {
	case "apply":
		if !n.hears() || n.cursor < w.base || n.cursor == w.last() {
			return false, nil
		}
		return true, n.apply(1 + e.Arg%8)
	case "round":
		_, err := w.round()
		return true, err
	case "go":
		return w.goOn(n, e.Role)
	case "work":
		return n.begins(e.Role, e.Arg), nil
	}
	happened, err := w.fault(n, e)
	if happened {
		w.faults[e.Do]++
	}
	return happened, err
}

// goOn lets a worker go on if what it waits for is there, and else takes its proposal to the log.
func (w *world) goOn(n *node, r role) (bool, error) {
	if n.process == nil || n.workers[r] == nil {
		return false, nil
	}
	at := n.workers[r]
	if at.ready() {
		at.run()
		return true, nil
	}
	if at.proposal != nil {
		return w.deliver(at.proposal)
	}
	return false, nil
}

// afterwards ends the processes that are to end, and looks at what has moved.
func (w *world) afterwards(arg uint64) error {
	for _, n := range w.nodes {
		if n.process == nil {
			continue
		}
		if n.dying {
			if err := n.end(arg); err != nil {
				return err
			}
			continue
		}
		if err := n.look(); err != nil {
			return err
		}
		if n.failed != nil {
			if err := n.end(1); err != nil {
				return err
			}
		}
	}
	if open := w.facts.unopened; len(open) > 0 {
		w.facts.unopened = nil
		for _, again := range open {
			if err := again(); err != nil {
				return err
			}
		}
	}
	return nil
}

// look asks the invariants of a node, where something of it has moved.
func (n *node) look() error {
	index, writes := n.store.AppliedIndex(), n.disk.writes
	if n.failed != nil || n.arrived && !n.asked {
		n.asked = true
		if err := n.hasArrived(); err != nil {
			return err
		}
	}
	if writes != n.writes {
		was := n.status
		n.writes, n.status = writes, n.unit.Status()
		if err := n.unitChanged(was); err != nil {
			return err
		}
	}
	if index == n.index {
		return nil
	}
	n.index = index
	return n.replicaHolds()
}

// begins starts a worker in a role, if the node can do such work now.
func (n *node) begins(r role, arg uint64) bool {
	if n.process == nil || n.workers[r] != nil || n.failed != nil || n.cursor < n.world.base || n.arrived == (r == arriving) {
		return false
	}
	ctx := context.Background()
	version, _ := n.store.Watch()
	if n.idle[r] == version+1 {
		return false
	}
	rest := func(idle bool) { // until the state changes
		if idle {
			n.idle[r] = version + 1
		}
	}
	switch r {
	case arriving:
		n.work(r, func() { n.arrived = n.arrive(ctx) == nil && n.failed == nil })
	case converging:
		n.work(r, func() {
			acted, err := n.converger.Step(ctx)
			rest(!acted && err == nil)
		})
	case repairing:
		n.work(r, func() { rest(n.repairer.Look(ctx) == nil) })
	case leading:
		if n.leadership == nil {
			return false
		}
		n.work(r, func() { n.lead() })
	case writing, verifying:
		return n.rewraps(ctx, r, arg)
	case calling:
		n.work(r, func() { n.call(arg) })
	case ordering:
		n.work(r, func() { _ = n.order(arg) })
	case reporting:
		n.work(r, func() { _ = n.speaker.Register(ctx) })
	}
	return true
}

// lead proposes what is due, as a leader does, or one that was deposed and does not know it.
func (n *node) lead() {
	view, err := n.store.View()
	if err != nil {
		return
	}
	defer view.Close()
	alive := func(unit uint32) bool { return n.world.nodes[unit-1].hears() && n.world.nodes[unit-1].serves() }
	for _, command := range n.leadership.Due(view, alive, true, n.world.now) {
		if _, err := n.Propose(context.Background(), command); err != nil {
			return
		}
	}
}

// rewraps does one of the jobs that the state has for this node.
func (n *node) rewraps(ctx context.Context, r role, arg uint64) bool {
	view, err := n.store.View()
	if err != nil {
		return false
	}
	rotation, _ := view.Rotation()
	view.Close()
	var due []rewrap.Job
	for _, job := range rewrap.Jobs(rotation, n.number) {
		if job.Verifies() == (r == verifying) {
			due = append(due, job)
		}
	}
	if len(due) == 0 {
		return false
	}
	job := due[arg%uint64(len(due))]
	n.work(r, func() {
		var err error
		if r == verifying {
			err = n.runner.Verify(ctx, job)
		} else {
			err = n.write(ctx, job)
		}
		_ = n.runner.Report(ctx, job, err)
	})
	return true
}

// write takes a partition from its cursor to its end, a batch ahead.
func (n *node) write(ctx context.Context, job rewrap.Job) error {
	at, err := n.runner.Write(job)
	if err != nil {
		return err
	}
	for {
		b, err := at.Next(ctx)
		if b == nil || err != nil {
			return err
		}
		data, err := fsm.Encode(&b.Command, n.world.request(n.store.AppliedIndex()))
		if err != nil {
			return err
		}
		ahead := at.Ahead(ctx, b)
		result, err := n.send(data, b.Table)
		if err := at.Answer(b, result, err); err != nil {
			return err
		}
		if ahead != nil {
			return ahead
		}
	}
}
