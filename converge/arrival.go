package converge

import (
	"context"
	"errors"
	"time"

	"tumbler/fsm"
)

// errNotFounded: the node is in no cluster yet.
var errNotFounded = errors.New("the node is in no cluster yet")

// Arrival is what a node that starts waits for: that it belongs to a cluster, that its state holds all that a quorum confirmed
// after the start, that its unit was not rolled back, and that the cluster knows the unit as it is.
type Arrival struct {
	Speaker      *Speaker
	Bootstrapped func() bool // the node is in a cluster
}

// Wait returns once the node has arrived or ctx has ended; an error is why the node must end.
func (a *Arrival) Wait(ctx context.Context) error {
	for ctx.Err() == nil {
		_, changed := a.Speaker.config.Store.Watch()
		err := a.Look(ctx)
		if err == nil || errors.Is(err, ErrRolledBack) || errors.Is(err, fsm.ErrIdentityChanged) {
			return err
		}
		if a.Bootstrapped() {
			a.Speaker.config.Logger.Debug("not up to date yet", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(retryAfter):
		}
	}
	return nil
}

// Look arrives, or says why not yet. It judges nothing, and makes nothing known, by a state that may be old.
func (a *Arrival) Look(ctx context.Context) error {
	if !a.Bootstrapped() {
		return errNotFounded
	}
	if err := a.Speaker.config.Log.ReadIndex(ctx); err != nil {
		return err
	}
	view, err := a.Speaker.config.Store.View()
	if err != nil {
		return err
	}
	founded := view.ServiceState().Bootstrapped
	view.Close()
	if !founded {
		return fsm.ErrNotBootstrapped
	}
	if err := a.Speaker.CheckGeneration(ctx); err != nil {
		return err
	}
	return a.Speaker.Register(ctx)
}
