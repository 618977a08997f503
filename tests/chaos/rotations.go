//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// rotations replaces the master key, time and again. What the command cannot finish, because nodes are down, the same command
// takes up again, as its users are told.
type rotations struct {
	cluster *cluster
	under   sync.Mutex // held while one is under way
	done    atomic.Int64
	wrong   chan error
}

// rotationTime is how long one call of the command may take; nodes die meanwhile, and come back.
const rotationTime = time.Minute

func (r *rotations) run(ctx context.Context) {
	for n := 0; ctx.Err() == nil; n++ {
		r.under.Lock()
		err := r.one(ctx, []string{"documented", "online"}[n%2])
		r.under.Unlock()
		if err != nil && ctx.Err() == nil {
			select {
			case r.wrong <- err:
			default:
			}
			return
		}
		pause(ctx, 100*time.Millisecond) // for whoever waits to look at a cluster at rest
	}
}

func (r *rotations) one(ctx context.Context, policy string) error {
	var err error
	for deadline := time.Now().Add(2 * patience); time.Now().Before(deadline) && ctx.Err() == nil; {
		call, cancel := context.WithTimeout(ctx, rotationTime)
		_, err = r.cluster.tumbler(call, "tke", "auto-mk-rotate", "--policy", policy)
		cancel()
		if err == nil {
			r.done.Add(1)
			return nil
		}
		pause(ctx, 200*time.Millisecond)
	}
	return fmt.Errorf("no rotation completes within %v: %w", 2*patience, err)
}

// pause lets time pass.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
