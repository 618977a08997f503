package rewrap

import (
	"context"
	"math"
	"sync"
	"time"

	"tumbler/fsm"
)

// A unit obeys a pace within paceLook, and splits its share of a rate into batches of about that time each.
const paceLook = 250 * time.Millisecond

// share is how many keys a second a unit may rewrap: the rate that was asked for, divided among the owners of partitions
// that are not written yet. 0: no limit.
func share(r fsm.Rotation) float64 {
	rate := r.Paced().Rate
	if rate == 0 {
		return 0
	}
	owners := map[uint32]bool{}
	for _, p := range r.Rewrap.Partitions {
		if p.Owner != 0 && !p.Written() {
			owners[p.Owner] = true
		}
	}
	return float64(rate) / float64(max(len(owners), 1))
}

// quota is the most blobs that a batch may have, so that a unit under a rate makes many small steps.
func quota(r fsm.Rotation, limit int) int {
	s := share(r)
	if s == 0 {
		return limit
	}
	return min(limit, max(1, int(s*paceLook.Seconds())))
}

// patience is by how much longer than a lease a unit may take for a step, because it was asked to be slow.
func patience(r fsm.Rotation) time.Duration {
	s := share(r)
	if s == 0 {
		return 0
	}
	return time.Duration(math.Min(2*InFlight*float64(time.Second)/min(s, 1), float64(24*time.Hour)))
}

// throttle spreads a unit's keys over time: what is taken above a share is a debt that the next one waits for. Its methods
// are safe for concurrent use.
type throttle struct {
	mu    sync.Mutex
	share float64
	left  float64 // keys that may be taken now; below 0: a debt
	at    time.Time
}

// take gives 0 and takes so many keys, or the time after which to ask again.
func (t *throttle) take(keys int, share float64, now time.Time) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if share == 0 {
		t.share = 0
		return 0
	}
	most := max(1, share*paceLook.Seconds())
	if share != t.share {
		if t.share == 0 {
			t.left, t.at = 1, now
		}
		t.share, t.left = share, max(t.left, -most) // another pace: old debts count for no longer than a look
	}
	t.left = min(most, t.left+share*now.Sub(t.at).Seconds())
	t.at = now
	if t.left <= 0 {
		return time.Duration(math.Min(-t.left/share*float64(time.Second)+float64(time.Millisecond), float64(paceLook)))
	}
	t.left -= float64(keys)
	return 0
}

// keepPace waits until a batch of so many keys may be proposed; while the rotation is paused, until its job is ended.
func (r *Runner) keepPace(ctx context.Context, keys int) error {
	for {
		_, changed := r.config.Source.Watch()
		view, err := r.config.Source.View()
		if err != nil {
			return err
		}
		rotation, _ := view.Rotation()
		if err := view.Close(); err != nil {
			return err
		}
		wait := paceLook
		if !rotation.Paced().Paused {
			wait = r.throttle.take(keys, share(rotation), time.Now())
		}
		if wait == 0 {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(wait):
		}
	}
}
