//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"tumbler/api/client"
)

// check looks at everything, once all nodes are right, no rotation is under way, and nobody calls.
func (r *run) check(ctx context.Context) error {
	if err := r.cluster.wait(ctx, "/readyz"); err != nil {
		return err
	}
	r.rotations.under.Lock()
	defer r.rotations.under.Unlock()
	r.load.pause.Lock()
	defer r.load.pause.Unlock()
	checked, lost := r.load.verify(ctx)
	r.out.Lost += len(lost)
	if len(lost) > 0 {
		return fmt.Errorf("of %d keys %d are lost:\n%s", checked, len(lost), strings.Join(lost[:min(len(lost), 10)], "\n"))
	}
	if wrong := r.load.history.check(); len(wrong) > 0 {
		r.out.History = "not linearizable"
		return fmt.Errorf("the history of %d keys is not linearizable:\n%s", len(wrong), strings.Join(wrong[:min(len(wrong), 5)], "\n"))
	}
	r.load.history.drop(r.load.keys.forget())
	if err := r.until(ctx, r.registers); err != nil {
		return err
	}
	if err := r.until(ctx, r.agree); err != nil {
		return err
	}
	return r.receipt(ctx)
}

// until asks again while a call is not answered; what was answered wrongly is wrong at once.
func (r *run) until(ctx context.Context, look func(context.Context) error) (err error) {
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); pause(ctx, 200*time.Millisecond) {
		if err = look(ctx); err == nil || errors.Is(err, errWrong) {
			return err
		}
	}
	return err
}

var errWrong = errors.New("the cluster is not as it must be")

// registers: every unit holds the state's master key in its current register, and nothing in its new one; the rotation is over.
func (r *run) registers(ctx context.Context) error {
	status, err := r.cluster.admin.Rotation(ctx)
	if err != nil {
		return err
	}
	if status.Order != nil && status.State != client.StateComplete && status.State != client.StateCancelled {
		return fmt.Errorf("%w: the rotation is %s (%s)", errWrong, status.State, status.Waiting)
	}
	units, err := r.cluster.admin.Units(ctx)
	if err != nil {
		return err
	}
	if len(units.Units) != len(r.cluster.nodes) {
		return fmt.Errorf("%w: %d crypto units, not %d", errWrong, len(units.Units), len(r.cluster.nodes))
	}
	pattern := units.Units[0].Registers.Current.Pattern
	if status.State == client.StateComplete {
		pattern = status.PatternAfter
	}
	for _, u := range units.Units {
		if u.Error != "" || u.Fenced {
			return fmt.Errorf("unit %d: fenced %v, %s", u.Number, u.Fenced, u.Error)
		}
		if u.Registers.Current.Pattern != pattern || u.Registers.New.State != client.RegisterEmpty {
			return fmt.Errorf("%w: unit %d holds %+v, and the master key is %s", errWrong, u.Number, u.Registers, pattern)
		}
	}
	return nil
}

// agree: every node has the same state at one index.
func (r *run) agree(ctx context.Context) error {
	report, err := r.cluster.admin.Digest(ctx)
	if err != nil {
		return err
	}
	for _, n := range report.Nodes {
		if n.Differ {
			return fmt.Errorf("%w: node %d differs at index %d: %+v", errWrong, n.Number, report.Index, report.Nodes)
		}
		if n.Error != "" {
			return fmt.Errorf("node %d: %s", n.Number, n.Error)
		}
	}
	if !report.Agreed || len(report.Nodes) != len(r.cluster.nodes) {
		return fmt.Errorf("%w: %+v", errWrong, report)
	}
	return nil
}

// receipt: that of the last rotation verifies, far from the cluster.
func (r *run) receipt(ctx context.Context) error {
	if r.rotations.done.Load() == 0 {
		return nil
	}
	file := r.cluster.path("receipt")
	if err := os.RemoveAll(file); err != nil {
		return err
	}
	if _, err := r.cluster.tumbler(ctx, "tke", "rotation", "receipt", "--out", file); err != nil {
		return err
	}
	_, err := r.cluster.tumbler(ctx, "tke", "rotation", "receipt", "--verify", file)
	return err
}
