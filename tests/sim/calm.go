package main

import (
	"fmt"
	"time"

	"tumbler/converge"
	"tumbler/cryptounit/masterkey"
	"tumbler/fsm"
)

// calmRounds is how long a world without faults may take to come to rest.
const calmRounds = 200

// calm ends all faults, and has the world come to rest: nothing waits for ever.
func (w *world) calm() error {
	if err := w.mend(); err != nil {
		return err
	}
	for range calmRounds {
		was := w.last()
		moved, err := w.round()
		if err != nil {
			return err
		}
		rests, err := w.rests()
		if rests || err != nil {
			return err
		}
		if w.last() == was && !moved {
			w.now = w.now.Add(2 * time.Second)
		}
	}
	return violated("nothing waits for ever", "%s, the last order: %s", w.shown(), w.ordered)
}

// mend puts right what is wrong with nodes and network.
func (w *world) mend() error {
	for _, n := range w.nodes {
		n.isolated, n.armed, n.spoils = false, 0, false
		if n.newest != nil {
			if err := n.end(1); err != nil {
				return err
			}
			n.disk.put(n.newest)
			n.newest = nil
		}
		if n.process == nil {
			if err := n.start(); err != nil {
				return err
			}
		}
		for _, at := range n.workers { // what is lost by now stays lost
			if at.proposal != nil && at.proposal.index == 0 && at.proposal.answer == nil {
				at.proposal.err = errNoAnswer
			}
		}
	}
	for _, n := range w.nodes {
		if n.cursor >= w.base {
			w.leader, n.leadership = n.number, converge.NewLeadership(lease, fence)
			return nil
		}
	}
	return violated("nothing waits for ever", "no node has a log")
}

// round has every node do once what it can do.
func (w *world) round() (moved bool, err error) {
	step := func(e Event) bool {
		if err != nil {
			return false
		}
		var did bool
		did, err = w.do(e)
		return did
	}
	if l := w.leads(); l == nil || !l.serves() {
		next := w.firstServing()
		for _, n := range w.nodes {
			if next == nil && l == nil && n.process != nil && n.cursor >= w.base {
				next = n
			}
		}
		if next != nil {
			step(Event{Do: "leader", Node: next.number})
		}
	}
	for _, n := range w.nodes {
		e := Event{Node: n.number, Arg: 7}
		if n.process == nil {
			if e.Do = "put-back"; n.newest != nil {
				step(e)
			}
			e.Do = "start"
			step(e)
		}
		if n.removed() {
			e.Do = "renew"
			step(e)
		}
		if n.process != nil && n.cursor < w.base {
			e.Do, e.Arg = "install", uint64(w.leader-1)
			step(e)
		}
		e.Arg = 7
		for e.Do = "apply"; step(e); {
			moved = true
		}
		for _, e.Role = range roles {
			e.Do = "go"
			moved = step(e) || moved
			if e.Do = "work"; e.Role == calling || e.Role == reporting || e.Role == ordering && !(n == w.firstServing() && w.needsOrder()) {
				continue
			}
			step(e)
		}
	}
	return moved, err
}

// firstServing is where administrators turn to.
func (w *world) firstServing() *node {
	for _, n := range w.nodes {
		if n.serves() {
			return n
		}
	}
	return nil
}

// needsOrder: nothing goes on until administrators sign something.
func (w *world) needsOrder() bool {
	view, err := w.truth.View()
	if err != nil {
		return false
	}
	defer view.Close()
	r, some := view.Rotation()
	if some && r.State.Open() {
		return r.State == fsm.StateBlocked || r.Plan.Hold && r.State == fsm.StateRewrapped || r.State < fsm.StateRewrapping && w.stuck(view, r) ||
			w.awaitsParts(view, r) || w.spoiltParts(view, r)
	}
	if view.Cluster().Pattern == (fsm.Pattern{}) {
		return true
	}
	for _, u := range view.Units() {
		if !u.IsEnrolled() || w.lost(u) || registersOf(u).Current == masterkey.CurrentEmpty {
			return true
		}
	}
	return false
}

// rests: no order is open, every node serves by one state, and every unit holds the master key.
func (w *world) rests() (bool, error) {
	view, err := w.truth.View()
	if err != nil {
		return false, err
	}
	defer view.Close()
	r, some := view.Rotation()
	if !some || r.State.Open() || view.Cluster().Purging > 0 || len(w.workers()) > 0 || len(view.Units()) != len(w.nodes) {
		return false, nil
	}
	for _, n := range w.nodes {
		u, known := view.Unit(n.number)
		if !n.serves() || n.cursor != w.last() || !known || !u.IsEnrolled() || u.IsFenced() || fsm.Identity(n.status.Identity) != u.Identity || !n.holdsKey(view) {
			return false, nil
		}
	}
	return true, nil
}

// holdsKey: its unit's current register holds the state's master key, and its new one nothing.
func (n *node) holdsKey(view *fsm.View) bool {
	r := n.status.Registers
	return r.CurrentPattern == masterkey.Pattern(view.Cluster().Pattern) && r.New == masterkey.NewEmpty
}

// shown says where a world stands.
func (w *world) shown() (text string) {
	view, err := w.truth.View()
	if err != nil {
		return err.Error()
	}
	defer view.Close()
	r, _ := view.Rotation()
	text = fmt.Sprintf("entry %d, order %d (%s) is %v, leader %d, needs an order: %v", view.Index(), r.Number, r.Plan.Kind, r.State, w.leader, w.needsOrder())
	text += fmt.Sprintf(", bad %v, silent %v, units %v, aside %v, garbage %v", r.Bad, r.Silent, r.Plan.Units, w.facts.aside, w.facts.garbage)
	for _, n := range w.nodes {
		u, _ := view.Unit(n.number)
		text += fmt.Sprintf("; node %d", n.number)
		if n.process == nil {
			text += " is down"
			continue
		}
		text += fmt.Sprintf(" at %d, arrived %v, failed %v, enrolled %v, fenced %v, lost %v, registers %v", n.cursor, n.arrived, n.failed, u.IsEnrolled(), u.IsFenced(), w.lost(u), n.unit.Status().Registers)
		for _, r := range roles {
			if at := n.workers[r]; at != nil {
				text += fmt.Sprintf(", %s waits (%v)", r, at.ready())
			}
		}
	}
	return text
}
