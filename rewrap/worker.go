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
func (r *Runner) write(ctx context.Context, j Job) error {
	if err := r.regard(ctx); err != nil {
		return err
	}
	w, err := r.Write(j)
	if err != nil {
		return err
	}
	for {
		b, err := w.Next(ctx)
		if b == nil || err != nil {
			return err
		}
		if err := r.pause(ctx); err != nil {
			return err
		}
		if err := r.keepPace(ctx, int(b.Command.Count)); err != nil {
			return err
		}
		if err := r.yield(ctx, int(b.Command.Count)); err != nil {
			return err
		}
		proposed := r.propose(ctx, b)
		err = w.Ahead(ctx, b)
		a := <-proposed
		if failed := w.Answer(b, a.result, a.err); failed != nil {
			return failed
		}
		if err != nil {
			return err // of the next batch: the one before it is in
		}
	}
}

// Writing is a partition that this unit writes, a batch at a time. It is for one
// goroutine.
type Writing struct {
	writer      writer
	cursor, end uint64
	made        *Batch // ahead of the cursor
}

// Write begins to write a partition, which the unit notes durably.
func (r *Runner) Write(j Job) (*Writing, error) {
	err := holdpoint.Step("partition-note", func() error {
		return r.config.Unit.BeginPartition(order.Digest(j.order), j.partition, j.pass)
	})
	if err != nil {
		return nil, fmt.Errorf("noting partition %d in the crypto unit: %w", j.partition, err)
	}
	w := &Writing{writer: writer{job: j, unit: r.config.Unit, source: r.config.Source, limit: r.config.Batch, courtesy: &r.courtesy}}
	view, err := r.config.Source.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	_, p, err := j.find(view)
	w.cursor, w.end = p.Cursor, p.End
	return w, err
}

// Next gives the batch at the cursor; nil: the partition is written.
func (w *Writing) Next(ctx context.Context) (b *Batch, err error) {
	if w.cursor >= w.end {
		return nil, nil
	}
	if b, w.made = w.made, nil; b == nil || b.Command.From != w.cursor {
		b, err = w.writer.next(ctx, w.cursor)
	}
	return b, err
}

// Ahead makes the batch after one that is being agreed on.
func (w *Writing) Ahead(ctx context.Context, b *Batch) (err error) {
	if b.Command.To < w.end {
		w.made, err = w.writer.next(ctx, b.Command.To)
	}
	return err
}

// Answer takes what the state answered to a batch.
func (w *Writing) Answer(b *Batch, result fsm.Result, err error) error {
	if err == nil && result.Cursor < b.Command.To {
		err = fmt.Errorf("partition %d: a batch up to %d was accepted, and the cursor is %d", b.Command.Partition, b.Command.To, result.Cursor)
	}
	if err != nil {
		return refused(err)
	}
	w.cursor = result.Cursor
	return nil
}

// propose has its answer in a channel that nobody needs to read.
func (r *Runner) propose(ctx context.Context, b *Batch) <-chan answer {
	c := make(chan answer, 1)
	r.group.Go(func() {
		var result fsm.Result
		err := holdpoint.Step("batch", func() (err error) {
			result, err = r.config.Proposer.ProposeTable(ctx, &b.Command, b.Table)
			return err
		})
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
