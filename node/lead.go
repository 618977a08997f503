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
	leadership := converge.NewLeadership(l.lease, l.fence)
	levels := &leveller{cluster: l.cluster, replica: l.replica, log: l.log}
	l.planner.Store(leadership.Planner)
	defer l.planner.Store(nil)
	clock := time.NewTicker(tick)
	defer clock.Stop()
	for {
		_, changed := l.replica.store.Watch()
		if err := l.look(ctx, leadership); err != nil && ctx.Err() == nil {
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
func (l *leader) look(ctx context.Context, leadership *converge.Leadership) error {
	view, err := l.replica.store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	if err := l.followUnits(ctx, view); err != nil {
		l.log.Warn("the membership does not follow the units yet", "error", err)
	}
	if rotation, some := view.Rotation(); !l.prepared && (!some || !rotation.State.Open()) && view.Cluster().Pattern != (fsm.Pattern{}) {
		if err := l.keys.Prepare(ctx); err != nil {
			return err
		}
		l.prepared = true
	}
	alive := map[uint32]bool{}
	for _, m := range l.cluster.Members() {
		alive[m.Number] = m.Alive
	}
	for _, command := range leadership.Due(view, func(n uint32) bool { return alive[n] }, !l.disk.anyLow(), time.Now()) {
		if fence, leaves := command.(*fsm.FenceUnit); leaves {
			l.log.Warn("a silent crypto unit is left behind; it converges before it serves", "fenced", fence.Unit)
		}
		_, err := l.replica.Propose(ctx, command)
		if errors.Is(err, fsm.ErrStaleLease) || errors.Is(err, fsm.ErrNotRewrapping) {
			return nil // the state moved on; it is looked at again
		}
		if err != nil {
			return err
		}
	}
	return nil
}
