package node

import (
	"context"
	"errors"
	"fmt"

	"tumbler/api/admin"
	"tumbler/cluster"
	"tumbler/fsm"
	"tumbler/holdpoint"
	"tumbler/kms"
)

// replica is this node's side of the replicated state: commands go into the log, reads come from the store.
type replica struct {
	cluster *cluster.Cluster
	store   *fsm.Store
}

// Propose puts a command into the log and returns once this node has applied it.
func (r *replica) Propose(ctx context.Context, command fsm.Command) (fsm.Result, error) {
	return r.ProposeTable(ctx, command, nil)
}

// ProposeTable is Propose for a command with a table beside it. A command above the cluster's feature level is refused here:
// a member of an older release could not go on behind it.
func (r *replica) ProposeTable(ctx context.Context, command fsm.Command, table []byte) (fsm.Result, error) {
	if level := r.store.FeatureLevel(); fsm.Level(command) > max(level, firstLevel) {
		return fsm.Result{}, &fsm.Refusal{Code: fsm.ErrFeatureLevel.Code,
			Detail: fmt.Sprintf("%T needs level %d, the cluster is at %d until every member runs a release that knows it", command, fsm.Level(command), level)}
	}
	data, err := fsm.Encode(command, fsm.NewRequestID(r.store.AppliedIndex()))
	if err != nil {
		return fsm.Result{}, err
	}
	var answer []byte
	err = holdpoint.Step("proposal", func() (err error) {
		answer, err = r.cluster.Propose(ctx, data, table)
		return err
	})
	if err != nil {
		return fsm.Result{}, outcome(err)
	}
	result, err := fsm.DecodeResult(answer)
	if err != nil {
		return result, err
	}
	if err := r.store.WaitApplied(ctx, result.Index); err != nil {
		return result, outcome(fmt.Errorf("%w: %w", cluster.ErrOutcomeUnknown, err))
	}
	return result, nil
}

// ReadIndex returns once the store holds everything that was answered before the call.
func (r *replica) ReadIndex(ctx context.Context) error {
	if err := r.cluster.ReadIndex(ctx); err != nil {
		return outcome(err)
	}
	return nil
}

// outcome tells the layers above, in their own words, whether something may have been done.
func outcome(err error) error {
	switch {
	case errors.Is(err, cluster.ErrOutcomeUnknown):
		return fmt.Errorf("%w: %w: %w", admin.ErrOutcomeUnknown, kms.ErrOutcomeUnknown, err)
	case errors.Is(err, cluster.ErrNoLeader):
		return fmt.Errorf("%w: %w: %w", admin.ErrNoLeader, kms.ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %w: %w", admin.ErrNotReady, kms.ErrUnavailable, err)
}
