package rewrap

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// A table is a little larger than its blobs: by a key, a trailer and lengths a
// blob, an index entry a block, and what every table has.
const (
	tableOverhead = 16 << 10
	blobOverhead  = 40
)

// piece is the blobs of one epoch from number from to to-1, copied from a
// view: at most fsm.MaxTableCount, and no more than a table takes.
type piece struct {
	numbers []uint64
	blobs   [][]byte
	to      uint64
	arena   []byte
}

// read fills the piece with what an epoch has in from to end-1. Its earlier
// content is overwritten.
func (p *piece) read(view *fsm.View, epoch, from, end uint64, limit int) error {
	p.numbers, p.blobs, p.arena, p.to = p.numbers[:0], p.blobs[:0], p.arena[:0], end
	size := tableOverhead
	err := view.Blobs(epoch, from, end, func(n uint64, blob []byte) (bool, error) {
		size += len(blob) + blobOverhead
		if len(p.numbers) > 0 && (len(p.numbers) == limit || size > fsm.MaxTableSize) {
			p.to = n
			return false, nil
		}
		start := len(p.arena)
		p.arena = append(p.arena, blob...) // earlier blobs keep the array that they lie in
		p.numbers = append(p.numbers, n)
		p.blobs = append(p.blobs, p.arena[start:len(p.arena):len(p.arena)])
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("reading epoch %d from number %d: %w", epoch, from, err)
	}
	return nil
}

// Batch is one command that is ready to be proposed, with its table.
type Batch struct {
	Command fsm.PutBatch
	Table   []byte
}

// writer makes the batches of one partition. It is for one goroutine.
type writer struct {
	job    Job
	unit   Unit
	source Source
	piece  piece
	limit  int // blobs a batch

	courtesy *courtesy
}

// partition finds the job's partition in a view; errStale if it has moved on.
func (j Job) find(view *fsm.View) (fsm.Rotation, fsm.Partition, error) {
	r, _ := view.Rotation()
	if r.Order != j.order || !working(r.State) || int(j.partition) >= len(r.Rewrap.Partitions) {
		return r, fsm.Partition{}, errStale
	}
	p := r.Rewrap.Partitions[j.partition]
	if p.Pass != j.pass || j.task == taskWrite && p.Lease != j.lease || j.task == taskVerify && p.Verified != 0 {
		return r, p, errStale
	}
	return r, p, nil
}

// next makes the batch that begins at a number: up to the limits, or up to the
// first blob that does not open. If that is the first of all, the rest of the
// partition is looked through, and all that do not open are the error.
func (w *writer) next(ctx context.Context, from uint64) (*Batch, error) {
	view, err := w.source.View()
	if err != nil {
		return nil, err
	}
	defer view.Close()
	r, p, err := w.job.find(view)
	if err != nil {
		return nil, err
	}
	if err := w.piece.read(view, view.CurrentEpoch(), from, p.End, evenly(p.End-from, quota(r, w.courtesy.quota(w.limit)))); err != nil {
		return nil, err
	}
	b := &Batch{Command: fsm.PutBatch{Order: w.job.order, Partition: p.Index, Pass: p.Pass, Lease: w.job.lease, From: from, To: w.piece.to}}
	if len(w.piece.blobs) == 0 {
		return b, nil
	}
	out, err := w.rewrap(w.piece.blobs)
	if err != nil {
		return nil, err
	}
	if len(out.Failed) > 0 && out.Failed[0] == 0 {
		return nil, w.bad(ctx, view, p.End, out.Failed)
	}
	if len(out.Failed) > 0 {
		good := out.Failed[0]
		b.Command.To = w.piece.numbers[good]
		if out, err = w.rewrap(w.piece.blobs[:good]); err != nil {
			return nil, err
		}
		if len(out.Failed) > 0 {
			return nil, fmt.Errorf("partition %d: blob %d opened once and not again", p.Index, w.piece.numbers[out.Failed[0]])
		}
	}
	if err := b.build(r.Rewrap.Epoch, w.piece.numbers, out); err != nil {
		return nil, err
	}
	if len(b.Table) > fsm.MaxTableSize && len(out.Blobs) > 1 {
		w.limit = len(out.Blobs) / 2
		return w.next(ctx, from)
	}
	return b, nil
}

// evenly is the size of the next of as few batches as may be: a small one at the end would cost as much as any.
func evenly(left uint64, limit int) int {
	batches := (left + uint64(limit) - 1) / uint64(limit)
	return int((left + batches - 1) / batches)
}

func (w *writer) rewrap(blobs [][]byte) (Rewrapped, error) {
	out, err := w.unit.Rewrap(order.Digest(w.job.order), w.job.partition, w.job.pass, blobs)
	if err == nil && len(out.Blobs) != len(blobs) {
		err = fmt.Errorf("the crypto unit gave %d blobs back for %d", len(out.Blobs), len(blobs))
	}
	if err != nil {
		return out, fmt.Errorf("rewrapping in partition %d: %w", w.job.partition, err)
	}
	return out, nil
}

// bad looks through the rest of the partition, so that all blobs that do not
// open are named together.
func (w *writer) bad(ctx context.Context, view *fsm.View, end uint64, failed []int) error {
	bad := &badError{}
	for {
		for _, i := range failed {
			bad.blobs = append(bad.blobs, fsm.BlobRecord{Number: w.piece.numbers[i], Blob: slices.Clone(w.piece.blobs[i])})
		}
		if w.piece.to == end {
			return bad
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.piece.read(view, view.CurrentEpoch(), w.piece.to, end, w.limit); err != nil {
			return err
		}
		out, err := w.rewrap(w.piece.blobs)
		if err != nil {
			return err
		}
		failed = out.Failed
	}
}

// build makes the table, and the command say what is in it.
func (b *Batch) build(epoch uint64, numbers []uint64, out Rewrapped) error {
	records := make([]fsm.BlobRecord, len(out.Blobs))
	for i, blob := range out.Blobs {
		records[i] = fsm.BlobRecord{Number: numbers[i], Blob: blob}
	}
	table, err := fsm.BuildTable(epoch, records)
	if err != nil {
		return err
	}
	b.Table = table
	b.Command.Table, b.Command.Size, b.Command.Count = sha256.Sum256(table), uint32(len(table)), uint32(len(records))
	b.Command.Counts = countsOf(out.Counts)
	return nil
}

func countsOf(c order.Counts) fsm.Counts {
	return fsm.Counts{System: c.Of(order.SystemInternal), KMS: c.Of(order.KMS), EP11: c.Of(order.EP11)}
}
