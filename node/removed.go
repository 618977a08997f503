package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"tumbler/cluster"
	"tumbler/fsm"
)

// callStanding asks another node what its state says of this node's unit.
const callStanding = "unit-standing"

// standingCall is who asks.
type standingCall struct {
	Number   uint32       `json:"number"`
	Identity fsm.Identity `json:"identity"`
}

// standingAnswer is what a state says of a unit, and the membership of its node. It holds all that was committed before the
// question.
type standingAnswer struct {
	Known   bool   `json:"known"`   // with that identity, and not removed
	Removed uint64 `json:"removed"` // number of the order that removed it, while the state still has the unit
	Member  bool   `json:"member"`
	Leads   bool   `json:"leads"` // so that the membership is the newest
}

// errRemoved ends the node of a unit that was removed.
var errRemoved = errors.New("this node's crypto unit was removed from its instance, and the node from its cluster: it serves no more. " +
	"To use the machine again, empty the node's data_dir, start it, let it join with a new token, and have its crypto unit enrolled (`tumbler tke enrol`)")

// removedLook is how often a node looks whether it is out, and how long it waits for one answer when it hears of no leader.
const removedLook = time.Second

// standingOf is what a view says of a unit.
func standingOf(view *fsm.View, c standingCall) (a standingAnswer) {
	u, ok := view.Unit(c.Number)
	switch {
	case !ok || u.Identity != c.Identity:
	case u.Removed == (fsm.Digest{}):
		a.Known = true
	default:
		if record, err := view.Order(u.Removed); err == nil {
			a.Removed = record.Number
		}
	}
	return a
}

func (c *calls) standing(ctx context.Context, _ uint32, body []byte) ([]byte, error) {
	var in standingCall
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	if err := c.replica.ReadIndex(ctx); err != nil {
		return nil, err
	}
	view, err := c.store.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	a := standingOf(view, in)
	leader, _ := c.cluster.Leader()
	a.Leads = leader == c.config.Number
	a.Member = slices.ContainsFunc(c.cluster.Members(), func(m cluster.Member) bool { return m.Number == in.Number })
	return json.Marshal(a)
}

// watchRemoval has a node whose unit was removed serve no more, by its own state, and end once it is no member any more: until
// then its vote may be needed to take it out. One that was down meanwhile is told nothing by Raft, of which it is no part, and
// asks the others.
func (n *Node) watchRemoval(ctx context.Context) {
	clock := time.NewTicker(removedLook)
	defer clock.Stop()
	for ctx.Err() == nil {
		_, changed := n.store.Watch()
		if err := n.removed(ctx); err != nil {
			n.fail(err)
			return
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-clock.C:
		}
	}
}

// removed is errRemoved if the unit was removed and the node is out; nil if it was not, or nobody knows.
func (n *Node) removed(ctx context.Context) error {
	self := standingCall{n.config.Number, fsm.Identity(n.unit.Status().Identity)}
	view, err := n.store.View()
	if err != nil {
		return nil // a store that fails ends the node itself
	}
	mine := standingOf(view, self)
	view.Close()
	members := n.cluster.Members()
	// Before it is up to date, a node that came back with the same unit reads of its own past.
	if mine.Removed != 0 && n.joinedYet.Load() {
		n.removedBy.Store(mine.Removed)
		if !slices.ContainsFunc(members, func(m cluster.Member) bool { return m.Number == self.Number }) {
			return fmt.Errorf("%w (order %d)", errRemoved, mine.Removed)
		}
	}
	if _, known := n.cluster.Leader(); known {
		return nil
	}
	body, err := json.Marshal(self)
	if err != nil {
		return err
	}
	for _, m := range members {
		if m.Number == self.Number {
			continue
		}
		if theirs, err := n.askStanding(ctx, m.Number, body); err == nil && theirs.Leads && !theirs.Member && !theirs.Known {
			return fmt.Errorf("%w (node %d says so)", errRemoved, m.Number)
		}
	}
	return nil
}

func (n *Node) askStanding(ctx context.Context, number uint32, body []byte) (theirs standingAnswer, err error) {
	ctx, cancel := context.WithTimeout(ctx, removedLook)
	defer cancel()
	answer, err := n.cluster.Call(ctx, number, callStanding, body)
	if err != nil {
		return theirs, err
	}
	return theirs, json.Unmarshal(answer, &theirs)
}
