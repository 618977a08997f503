package node

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cluster"
	"tumbler/fsm"
)

// arrival is what a node that starts waits for: that it belongs to a cluster, that its state holds all that a quorum confirmed
// after the start, that its unit was not rolled back, and that the cluster knows the unit as it is.
type arrival struct {
	bootstrapped func() bool
	replica      agreement
	store        *fsm.Store
	registrar    *registrar
	log          hclog.Logger
}

// wait returns once the node has arrived or ctx has ended; an error is why the node must end.
func (a *arrival) wait(ctx context.Context) error {
	for ctx.Err() == nil {
		_, changed := a.store.Watch()
		err := a.look(ctx)
		if err == nil || errors.Is(err, errRolledBack) || errors.Is(err, fsm.ErrIdentityChanged) {
			return err
		}
		if a.bootstrapped() {
			a.log.Debug("not up to date yet", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-time.After(retryAfter):
		}
	}
	return nil
}

// look judges nothing, and makes nothing known, by a state that may be old.
func (a *arrival) look(ctx context.Context) error {
	if !a.bootstrapped() {
		return cluster.ErrNotBootstrapped
	}
	if err := a.replica.ReadIndex(ctx); err != nil {
		return err
	}
	view, err := a.store.View()
	if err != nil {
		return err
	}
	founded := view.ServiceState().Bootstrapped
	view.Close()
	if !founded {
		return fsm.ErrNotBootstrapped
	}
	if err := a.registrar.checkGeneration(ctx); err != nil {
		return err
	}
	return a.registrar.register(ctx)
}
