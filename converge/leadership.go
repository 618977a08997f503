package converge

import (
	"time"

	"tumbler/fsm"
	"tumbler/rewrap"
)

// Leadership is the memory of a leader in one term: of it comes what needs a clock. All of it is proposals that the state
// judges: two leaders at once do no harm.
type Leadership struct {
	Planner *rewrap.Planner
	silence *silence
}

// NewLeadership begins a term. A unit that does not get on for a lease loses what it has to do; one whose last statement is
// awaited for longer than fence is left behind.
func NewLeadership(lease, fence time.Duration) *Leadership {
	return &Leadership{Planner: rewrap.NewPlanner(lease), silence: newSilence(fence)}
}

// Due is what the leader proposes now, in that order: who writes and verifies, which silent unit is left behind, the sweeping of
// purged keys. Without room on every disk nobody writes, and that is nobody's fault.
func (l *Leadership) Due(view *fsm.View, alive func(unit uint32) bool, room bool, now time.Time) (due []fsm.Command) {
	rotation, some := view.Rotation()
	if cluster := view.Cluster(); !some || !rotation.State.Open() {
		if cluster.Pattern != (fsm.Pattern{}) && cluster.Purging > 0 {
			due = append(due, &fsm.SweepPurged{Limit: fsm.MaxSweep})
		}
		return due
	}
	switch rotation.State {
	case fsm.StateRewrapping, fsm.StateVerifying, fsm.StateBlocked:
		if !room {
			rotation.Pace = &fsm.Pace{Paused: true}
		}
		if next := l.Planner.Next(rotation, heard(view, rotation, alive), now); next != nil {
			due = append(due, next)
		}
	case fsm.StateActivating, fsm.StateCancelling:
		for _, fence := range l.silence.fences(view, now) {
			due = append(due, fence)
		}
	case fsm.StateNone, fsm.StatePreparing, fsm.StateGenerating, fsm.StateLoading, fsm.StateCommitting, fsm.StateRewrapped,
		fsm.StateComplete, fsm.StateCancelled:
	}
	return due
}

// heard are the units of a rotation that the leader hears from, and that are not left behind.
func heard(view *fsm.View, rotation fsm.Rotation, alive func(uint32) bool) (live []rewrap.Live) {
	for _, n := range rotation.Plan.Units {
		if u, known := view.Unit(n); known && alive(n) && !u.IsFenced() {
			live = append(live, rewrap.Live{Number: n, Role: u.Role})
		}
	}
	return live
}
