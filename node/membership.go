package node

import (
	"context"
	"slices"
	"time"

	"tumbler/cluster"
	"tumbler/fsm"
	"tumbler/holdpoint"
)

// memberTime bounds one change of the membership, so that the leader's other work does not wait for it for ever.
const memberTime = 5 * time.Second

// followUnits brings the membership in line with the units: the node of a unit that an order removed is no member, and a unit
// that is not enrolled and whose node is none is forgotten. Each leader does it anew, so nothing is left half done by one
// that was killed between the order and the change.
func (l *leader) followUnits(ctx context.Context, view *fsm.View) error {
	members := l.cluster.Members()
	for _, u := range view.Units() {
		if u.IsEnrolled() {
			continue
		}
		removed := u.Removed != fsm.Digest{}
		member := slices.ContainsFunc(members, func(m cluster.Member) bool { return m.Number == u.Number })
		switch {
		case member && removed:
			return l.removeMember(ctx, u)
		case !member && !openOrder(view):
			_, err := l.replica.Propose(ctx, &fsm.RemoveUnit{Number: u.Number})
			return err
		}
	}
	return nil
}

// removeMember takes the node of a removed unit out. With the change Raft brings it all that was committed before, and so the
// order: a node that answers learns from its own state why it stops.
func (l *leader) removeMember(ctx context.Context, u fsm.Unit) error {
	holdpoint.At("remove-member")
	ctx, cancel := context.WithTimeout(ctx, memberTime)
	defer cancel()
	if err := l.cluster.Remove(ctx, u.Number); err != nil {
		return err
	}
	l.log.Warn("the node of a removed crypto unit is no member any more", "removed", u.Number)
	return nil
}

// openOrder: an order is open, and nothing of the units changes meanwhile.
func openOrder(view *fsm.View) bool {
	rotation, ok := view.Rotation()
	return ok && rotation.State.Open()
}
