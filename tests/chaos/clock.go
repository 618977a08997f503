//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"
)

// jumpMost is how far a clock is put forward or back: two clocks then differ by less than a token lives, and an order.
const jumpMost = 25 * time.Minute

// jump has the clocks of some nodes jump, and after a while jump back.
func (r *run) jump(ctx context.Context) error {
	victims := r.some(1 + r.random.IntN(3))
	for _, n := range victims {
		by := time.Duration(r.random.Int64N(int64(2*jumpMost))) - jumpMost
		if err := n.setClock(by); err != nil {
			return err
		}
		r.out.Clocks++
	}
	r.passes(ctx, 4*time.Second)
	for _, n := range victims {
		if err := n.setClock(0); err != nil {
			return err
		}
	}
	return nil
}

// setClock writes a whole file in place of the one before: the node reads it at every look at its clock.
func (n *node) setClock(by time.Duration) error {
	next := n.path("clock.next")
	if err := os.WriteFile(next, []byte(by.String()), 0o600); err != nil {
		return fmt.Errorf("the clock of node %d: %w", n.number, err)
	}
	return os.Rename(next, n.path("clock"))
}
