package converge

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// Repairer answers for blobs that do not open: this unit says so, and where another unit said so, it tries its own replica
// and, if that opens, carries the good bytes to all.
type Repairer struct {
	speaker *Speaker
	unit    *cryptounit.Unit
	number  uint32
	log     hclog.Logger
}

// NewRepairer makes a repairer.
func NewRepairer(speaker *Speaker, log hclog.Logger) *Repairer {
	return &Repairer{speaker, speaker.config.Unit, speaker.config.Number, log}
}

// CannotOpen states that this unit does not open blobs.
func (r *Repairer) CannotOpen(ctx context.Context, digest fsm.Digest, blobs []fsm.BlobRecord) error {
	for _, b := range blobs {
		if err := r.cannotOpen(ctx, digest, b.Number, b.Blob); err != nil {
			return err
		}
	}
	return nil
}

func (r *Repairer) cannotOpen(ctx context.Context, digest fsm.Digest, number uint64, blob []byte) error {
	r.log.Error("a blob does not open in this unit", "number", number)
	err := r.speaker.State(ctx, func() (order.SignedStatement, error) { return r.unit.CannotOpen(order.Digest(digest), number, blob) })
	if errors.Is(err, cryptounit.ErrOpens) {
		return nil
	}
	return err
}

// Run looks, at every change, at the blobs in question that this unit has not answered for.
func (r *Repairer) Run(ctx context.Context) {
	for ctx.Err() == nil {
		_, changed := r.speaker.config.Store.Watch()
		var retry <-chan time.Time
		if err := r.Look(ctx); err != nil {
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

// Look answers for the blobs in question that this unit has not answered for.
func (r *Repairer) Look(ctx context.Context) error {
	view, err := r.speaker.config.Store.View()
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

func (r *Repairer) answer(ctx context.Context, view *fsm.View, rotation fsm.Rotation, number uint64) error {
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
	_, err = r.speaker.config.Log.Propose(ctx, &fsm.RepairBlob{Key: fsm.ID(h.Key), Version: h.Version, Epoch: view.CurrentEpoch(), Number: number, Blob: blob.Blob})
	return err
}
