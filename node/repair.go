package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
	"tumbler/rewrap"
)

// repairer answers for blobs that do not open: this unit says so, and where another unit said so, it tries its own replica
// and, if that opens, carries the good bytes to all.
type repairer struct {
	number  uint32
	unit    *cryptounit.Unit
	replica *replica
	stater  *stater
	calls   *calls
	log     hclog.Logger
}

// CannotOpen states that this unit does not open blobs.
func (r *repairer) CannotOpen(ctx context.Context, digest fsm.Digest, blobs []fsm.BlobRecord) error {
	for _, b := range blobs {
		if err := r.cannotOpen(ctx, digest, b.Number, b.Blob); err != nil {
			return err
		}
	}
	return nil
}

func (r *repairer) cannotOpen(ctx context.Context, digest fsm.Digest, number uint64, blob []byte) error {
	r.log.Error("a blob does not open in this unit", "number", number)
	err := r.stater.State(ctx, func() (order.SignedStatement, error) { return r.unit.CannotOpen(order.Digest(digest), number, blob) })
	if errors.Is(err, cryptounit.ErrOpens) {
		return nil
	}
	return err
}

// Found tells the leader why a partition cannot be verified as it stands.
func (r *repairer) Found(ctx context.Context, finding rewrap.Finding) error {
	r.log.Warn("a partition cannot be verified as it stands", "partition", finding.Partition, "pass", finding.Pass, "reason", finding.Detail)
	return r.calls.found(ctx, finding)
}

// run looks, at every change, at the blobs in question that this unit has not answered for.
func (r *repairer) run(ctx context.Context) {
	for ctx.Err() == nil {
		_, changed := r.replica.store.Watch()
		var retry <-chan time.Time
		if err := r.look(ctx); err != nil {
			r.log.Warn("a blob in question could not be answered for yet", "error", err)
			retry = time.After(retryAfter)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-retry:
		}
	}
}

func (r *repairer) look(ctx context.Context) error {
	view, err := r.replica.store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	rotation, ok := view.Rotation()
	if !ok || !rotation.State.Open() {
		return nil
	}
	for _, bad := range rotation.Bad {
		if slices.Contains(bad.Units, r.number) {
			continue
		}
		if err := r.answer(ctx, view, rotation, bad.Number); err != nil {
			return err
		}
	}
	return nil
}

func (r *repairer) answer(ctx context.Context, view *fsm.View, rotation fsm.Rotation, number uint64) error {
	blob, err := view.Blob(view.CurrentEpoch(), number)
	if errors.Is(err, fsm.ErrNotFound) || errors.Is(err, fsm.ErrSetAside) {
		return nil // there is nothing to say about: a replica that lacks a blob is found by the verifiers
	}
	if err != nil {
		return err
	}
	if r.unit.Check(blob.Blob) != nil {
		return r.cannotOpen(ctx, rotation.Order, number, blob.Blob)
	}
	h, err := cryptounit.ParseHeader(blob.Blob)
	if err != nil {
		return err
	}
	r.log.Warn("a blob that does not open elsewhere opens here: it is carried to all", "number", number)
	_, err = r.replica.Propose(ctx, &fsm.RepairBlob{Key: fsm.ID(h.Key), Version: h.Version, Epoch: view.CurrentEpoch(), Number: number, Blob: blob.Blob})
	return err
}
