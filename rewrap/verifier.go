package rewrap

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
	"tumbler/holdpoint"
)

// stride is how many numbers are compared before a look at how clients fare.
const stride = fsm.MaxTableCount

// findingError is a finding for the leader.
type findingError struct{ finding Finding }

func (e *findingError) Error() string {
	return fmt.Sprintf("partition %d cannot be verified in pass %d: %s", e.finding.Partition, e.finding.Pass, e.finding.Detail)
}

// verification is the walk through one partition. It is for one goroutine.
type verification struct {
	runner    *Runner
	job       Job
	view      *fsm.View
	rotation  fsm.Rotation
	partition fsm.Partition
	verifier  Verifier
}

// Verify walks both epochs of a partition in one snapshot of this replica,
// taken after the entry that finished it, and has the unit state the outcome.
func (r *Runner) Verify(ctx context.Context, j Job) error {
	view, err := r.config.Source.View()
	if err != nil {
		return err
	}
	defer view.Close()
	rotation, p, err := j.find(view)
	if err != nil || !p.Written() {
		return err
	}
	v := &verification{runner: r, job: j, view: view, rotation: rotation, partition: p}
	v.verifier, err = r.config.Unit.NewVerifier(order.Digest(j.order), rotation.Rewrap.N, p.Index, p.Pass)
	if errors.Is(err, ErrWrote) {
		return v.found(FoundWrote, "%v", err)
	}
	if err != nil {
		return fmt.Errorf("verifying partition %d: %w", p.Index, err)
	}
	if err := r.regard(ctx); err != nil {
		return err
	}
	for from := p.From; from < p.End; {
		to := min(from+uint64(r.courtesy.quota(stride)), p.End)
		if err := r.yield(ctx, int(to-from)/2); err != nil { // a key costs less to verify here than to write everywhere
			return err
		}
		if err := view.Pairs(view.CurrentEpoch(), rotation.Rewrap.Epoch, from, to, v.compare); err != nil {
			return err
		}
		from = to
	}
	err = holdpoint.Step("verified", func() error { return r.config.Stater.State(ctx, v.finish) })
	if errors.Is(err, fsm.ErrStatementConflict) {
		// Found by the state and not by finish: this unit wrote some of it.
		return v.found(FoundWrote, "%v", err)
	}
	if errors.Is(err, fsm.ErrNotAwaited) {
		err = fmt.Errorf("%w: %w", errStale, err)
	}
	return refused(err)
}

// compare adds one number of both epochs.
func (v *verification) compare(n uint64, current, next []byte) error {
	switch {
	case current == nil:
		return v.found(FoundSpoiled, "number %d of the next epoch is not in the current one", n)
	case next == nil:
		return v.found(FoundSpoiled, "number %d is missing in the next epoch", n)
	}
	if err := v.verifier.Add(current, next); err != nil {
		return v.differ(n, current, next, err)
	}
	return nil
}

// differ finds out which of the two blobs is to blame, or whether the unit no
// longer verifies at all. A bad one of the current epoch is looked for in the
// rest of the partition too, so that all are named together.
func (v *verification) differ(n uint64, current, next []byte, err error) error {
	unit := v.runner.config.Unit
	again, failed := unit.NewVerifier(order.Digest(v.job.order), v.rotation.Rewrap.N, v.partition.Index, v.partition.Pass)
	if failed != nil {
		return fmt.Errorf("verifying partition %d: %w", v.partition.Index, failed)
	}
	if unit.Check(current) == nil {
		if again.Add(current, next) == nil {
			return fmt.Errorf("verifying partition %d: number %d was not equal once and is now: %w", v.partition.Index, n, err)
		}
		return v.found(FoundSpoiled, "number %d: %v", n, err)
	}
	bad := &badError{}
	failed = v.view.Blobs(v.view.CurrentEpoch(), n, v.partition.End, func(n uint64, blob []byte) (bool, error) {
		if unit.Check(blob) != nil {
			bad.blobs = append(bad.blobs, fsm.BlobRecord{Number: n, Blob: bytes.Clone(blob)})
		}
		return true, nil
	})
	if failed != nil || len(bad.blobs) == 0 {
		return errors.Join(err, failed)
	}
	return bad
}

// finish states, unless the counts are not those that were written: a blob
// that was settled meanwhile, or written by a unit that miscounts.
func (v *verification) finish() (order.SignedStatement, error) {
	s, err := v.verifier.Finish()
	if err != nil {
		return s, fmt.Errorf("stating that partition %d is verified: %w", v.partition.Index, err)
	}
	said, err := s.Decode()
	if err != nil {
		return s, err
	}
	if counts := countsOf(said.Verification.Counts); counts != v.partition.Done {
		return s, v.found(FoundSpoiled, "it holds %+v, written were %+v", counts, v.partition.Done)
	}
	return s, nil
}

func (v *verification) found(kind FindingKind, format string, args ...any) error {
	return &findingError{Finding{
		Kind: kind, Order: v.job.order, Partition: v.partition.Index, Pass: v.partition.Pass, Unit: v.runner.config.Number,
		Detail: fmt.Sprintf(format, args...),
	}}
}
