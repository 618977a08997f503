package rewrap

import (
	"context"
	"errors"
	"fmt"
	"time"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
	"tumbler/holdpoint"
)

// lagPoll is how often a paused worker looks whether it may go on.
const lagPoll = 20 * time.Millisecond

// answer is what a proposal came to.
type answer struct {
	result fsm.Result
	err    error
}

// write takes a partition from its cursor to its end: while one batch is being
// agreed on, the next is made.
func (r *Runner) write(ctx context.Context, j job) error {
	if err := r.regard(ctx); err != nil {
		return err
	}
	err := holdpoint.Step("partition-note", func() error {
		return r.config.Unit.BeginPartition(order.Digest(j.order), j.partition, j.pass)
	})
	if err != nil {
		return fmt.Errorf("noting partition %d in the crypto unit: %w", j.partition, err)
	}
	cursor, end, err := r.cursor(j)
	if err != nil {
		return err
	}
	w := &writer{job: j, unit: r.config.Unit, source: r.config.Source, limit: r.limit, courtesy: &r.courtesy}
	var made *batch
	for cursor < end {
		if made == nil || made.command.From != cursor {
			if made, err = w.next(ctx, cursor); err != nil {
				return err
			}
		}
		if err := r.pause(ctx); err != nil {
			return err
		}
		if err := r.keepPace(ctx, int(made.command.Count)); err != nil {
			return err
		}
		if err := r.yield(ctx, int(made.command.Count)); err != nil {
			return err
		}
		proposed := r.propose(ctx, made)
		to := made.command.To
		made = nil
		if to < end {
			made, err = w.next(ctx, to)
		}
		a := <-proposed
		if a.err != nil {
			return refused(a.err)
		}
		if err != nil {
			return err // of the next batch: the one before it is in
		}
		cursor = a.result.Cursor
	}
	return nil
}

func (r *Runner) cursor(j job) (cursor, end uint64, err error) {
	view, err := r.config.Source.View()
	if err != nil {
		return 0, 0, err
	}
	defer view.Close()
	_, p, err := j.find(view)
	return p.Cursor, p.End, err
}

// propose has its answer in a channel that nobody needs to read.
func (r *Runner) propose(ctx context.Context, b *batch) <-chan answer {
	c := make(chan answer, 1)
	r.group.Go(func() {
		var result fsm.Result
		err := holdpoint.Step("batch", func() (err error) {
			result, err = r.config.Proposer.ProposeTable(ctx, &b.command, b.table)
			return err
		})
		if err == nil && result.Cursor < b.command.To {
			err = fmt.Errorf("partition %d: a batch up to %d was accepted, and the cursor is %d", b.command.Partition, b.command.To, result.Cursor)
		}
		c <- answer{result, err}
	})
	return c
}

// refused tells a state that has moved on from trouble. A batch that is not at
// the cursor is trouble of the passing kind: an earlier one of this very owner
// was accepted after all, and this replica had not seen it.
func refused(err error) error {
	for _, over := range []error{fsm.ErrStaleLease, fsm.ErrStalePass, fsm.ErrNotRewrapping, fsm.ErrRotationCancelled, fsm.ErrOrderUnknown} {
		if errors.Is(err, over) {
			return fmt.Errorf("%w: %w", errStale, err)
		}
	}
	return err
}

// pause waits until no live voter is far behind.
func (r *Runner) pause(ctx context.Context) error {
	for {
		load, err := r.config.Load(ctx)
		if err != nil {
			return fmt.Errorf("asking how far voters are behind: %w", err)
		}
		r.courtesy.heed(load.Delay, r.config.Patience, time.Now())
		if load.Lag < MaxLag {
			return ctx.Err()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(lagPoll):
		}
	}
}
