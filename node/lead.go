package node

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cluster"
	"tumbler/converge"
	"tumbler/fsm"
	"tumbler/kms"
	"tumbler/rewrap"
)

// leader proposes what needs a clock, while this node leads: who writes and verifies, which silent unit is left behind, and
// the sweeping of purged keys. All of it is a proposal that the state judges: two leaders at once do no harm.
type leader struct {
	number  uint32
	cluster *cluster.Cluster
	replica *replica
	keys    *kms.Service
	lease   time.Duration
	fence   time.Duration
	log     hclog.Logger
	disk    *disk
	// planner is the present term's, nil without one: verifiers' findings go to it.
	planner *atomic.Pointer[rewrap.Planner]

	prepared bool // there is a token-signing key
}

// tick is how often clocks are looked at.
const tick = 200 * time.Millisecond

func (l *leader) run(ctx context.Context) {
	leading := l.cluster.Leading()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case leads, open := <-leading:
			if !open {
				return
			}
			if leads {
				l.term(ctx, leading)
			}
		}
	}
}

// term is one term of leadership.
func (l *leader) term(ctx context.Context, leading <-chan bool) {
	planner := rewrap.NewPlanner(l.lease)
	levels := &leveller{cluster: l.cluster, replica: l.replica, log: l.log}
	l.planner.Store(planner)
	defer l.planner.Store(nil)
	silence := converge.NewSilence(l.fence)
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for {
		_, changed := l.replica.store.Watch()
		if err := l.look(ctx, planner, silence); err != nil && ctx.Err() == nil {
			l.log.Debug("the leader could not do its part yet", "error", err)
		}
		if err := levels.raise(ctx, time.Now()); err != nil && ctx.Err() == nil {
			l.log.Debug("the feature level stays as it is", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case leads, open := <-leading:
			if !open || !leads {
				return
			}
		case <-changed:
		case <-clock.C:
		}
	}
}

// look proposes what is due.
func (l *leader) look(ctx context.Context, planner *rewrap.Planner, silence *converge.Silence) error {
	view, err := l.replica.store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	if err := l.followUnits(ctx, view); err != nil {
		l.log.Warn("the membership does not follow the units yet", "error", err)
	}
	cluster := view.Cluster()
	rotation, ok := view.Rotation()
	open := ok && rotation.State.Open()
	if !open && cluster.Pattern != (fsm.Pattern{}) {
		if !l.prepared {
			if err := l.keys.Prepare(ctx); err != nil {
				return err
			}
			l.prepared = true
		}
		if cluster.Purging > 0 {
			_, err := l.replica.Propose(ctx, &fsm.SweepPurged{Limit: fsm.MaxSweep})
			return err
		}
	}
	if !open {
		return nil
	}
	switch rotation.State {
	case fsm.StateRewrapping, fsm.StateVerifying, fsm.StateBlocked:
		return l.assign(ctx, view, rotation, planner)
	case fsm.StateActivating, fsm.StateCancelling:
		return l.leaveBehind(ctx, view, silence)
	case fsm.StateNone, fsm.StatePreparing, fsm.StateGenerating, fsm.StateLoading, fsm.StateCommitting, fsm.StateRewrapped,
		fsm.StateComplete, fsm.StateCancelled:
	}
	return nil
}

func (l *leader) assign(ctx context.Context, view *fsm.View, rotation fsm.Rotation, planner *rewrap.Planner) error {
	alive := map[uint32]bool{}
	for _, m := range l.cluster.Members() {
		alive[m.Number] = m.Alive
	}
	var live []rewrap.Live
	for _, n := range rotation.Plan.Units {
		if u, known := view.Unit(n); known && alive[n] && !u.IsFenced() {
			live = append(live, rewrap.Live{Number: n, Role: u.Role})
		}
	}
	if l.disk.anyLow() { // nobody writes for want of room, and that is nobody's fault
		rotation.Pace = &fsm.Pace{Paused: true}
	}
	next := planner.Next(rotation, live, time.Now())
	if next == nil {
		return nil
	}
	_, err := l.replica.Propose(ctx, next)
	if errors.Is(err, fsm.ErrStaleLease) || errors.Is(err, fsm.ErrNotRewrapping) {
		return nil // the state moved on; it is looked at again
	}
	return err
}

// leaveBehind fences units whose last statement has been awaited for the fence time.
func (l *leader) leaveBehind(ctx context.Context, view *fsm.View, silence *converge.Silence) error {
	for _, fence := range silence.Fences(view, time.Now()) {
		l.log.Warn("a silent crypto unit is left behind; it converges before it serves", "fenced", fence.Unit)
		if _, err := l.replica.Propose(ctx, fence); err != nil {
			return err
		}
	}
	return nil
}
