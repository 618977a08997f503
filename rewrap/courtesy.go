package rewrap

import (
	"context"
	"sync"
	"time"
)

// While clients call a unit looks after them this often, takes no fewer keys a second than so many, and no more, in steps of
// that size: its table is small (cluster.SmallTable), and a smaller one would cost all nodes nearly as much.
const (
	courtesyLook  = 200 * time.Millisecond
	courtesyFloor = 4_000.0
	courtesyTop   = 200_000.0
	courtesyBatch = 1024
)

// courtesy is how many keys a second a unit writes and verifies while clients call: half as many whenever one had to wait
// for longer than its patience, a quarter more whenever none had to for half of that, beginning low. While nobody calls there
// is no limit. Its methods are safe for concurrent use.
type courtesy struct {
	mu    sync.Mutex
	at    time.Time // of the last look
	share float64   // keys a second; 0: no limit
	taken int       // keys since the last look
	pace  throttle
}

// due tells whether it is time to look again how clients fare.
func (c *courtesy) due(now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return now.Sub(c.at) >= courtesyLook
}

// heed takes how long the slowest client waited lately (0: there is none), and how long one may.
func (c *courtesy) heed(delay, patience time.Duration, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	past := now.Sub(c.at)
	if past < courtesyLook {
		return
	}
	used := float64(c.taken) >= c.share*past.Seconds()/2
	c.at, c.taken = now, 0
	switch {
	case delay == 0:
		c.share = 0
	case c.share == 0 || delay > patience:
		c.share = max(c.share/2, courtesyFloor)
	case delay < patience/2 && used:
		c.share = min(c.share*1.25, courtesyTop)
	}
}

// quota is the most keys of a step.
func (c *courtesy) quota(limit int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.share == 0 {
		return limit
	}
	return min(limit, courtesyBatch)
}

// take gives 0 and takes so many keys, or the time after which to ask again.
func (c *courtesy) take(keys int, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	wait := c.pace.take(keys, c.share, now)
	if wait == 0 {
		c.taken += keys
	}
	return wait
}

// regard looks how clients fare, if it is time to.
func (r *Runner) regard(ctx context.Context) error {
	if !r.courtesy.due(time.Now()) {
		return nil
	}
	load, err := r.config.Load(ctx)
	if err == nil {
		r.courtesy.heed(load.Delay, r.config.Patience, time.Now())
	}
	return err
}

// yield waits until a step of so many keys is no burden to clients.
func (r *Runner) yield(ctx context.Context, keys int) error {
	for {
		if err := r.regard(ctx); err != nil {
			return err
		}
		wait := r.courtesy.take(keys, time.Now())
		if wait == 0 {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

// courteously is how much longer than a lease a unit may take to verify partitions of so many keys, because clients called.
func courteously(keys uint64) time.Duration {
	return time.Duration(InFlight * float64(keys) / courtesyFloor * float64(time.Second))
}
