package converge

import (
	"time"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// silence is what a leader knows of units whose last statement it awaits: since when it waits in one state of one order.
type silence struct {
	limit time.Duration
	order fsm.Digest
	state fsm.RotationState
	since time.Time
}

// newSilence has units left behind that are silent for longer than a limit.
func newSilence(limit time.Duration) *silence { return &silence{limit: limit} }

// fences are the units that are to be left behind now: those whose last statement has been awaited for the limit.
func (s *silence) fences(view *fsm.View, now time.Time) (due []*fsm.FenceUnit) {
	rotation, some := view.Rotation()
	if !some {
		return nil
	}
	kind, units := order.Activated, rotation.Plan.Loads
	switch rotation.State { //nolint:exhaustive // in no other state is anybody left behind
	case fsm.StateActivating:
	case fsm.StateCancelling:
		kind, units = order.Cleared, rotation.Plan.Units
	default:
		return nil
	}
	if s.order != rotation.Order || s.state != rotation.State {
		s.order, s.state, s.since = rotation.Order, rotation.State, now
	}
	if now.Sub(s.since) <= s.limit {
		return nil
	}
	record := view.Record()
	for _, n := range units {
		if u, _ := view.Unit(n); record.Said(kind, n) == nil && u.Fenced != rotation.Order {
			due = append(due, &fsm.FenceUnit{Order: rotation.Order, Unit: n, At: fsm.TimeOf(now)})
		}
	}
	return due
}
