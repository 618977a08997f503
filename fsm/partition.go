package fsm

import (
	"encoding/binary"
	"errors"
	"slices"

	"tumbler/cryptounit/order"
)

// rewrapping gives the rotation that an order of the leader or of an owner is about.
func (t *tx) rewrapping(digest Digest) (*Rotation, error) {
	r := t.control.rotation
	switch {
	case r == nil || r.Order != digest:
		return nil, ErrOrderUnknown.with("%x is not the open order", digest[:8])
	case r.State == StateCancelling || r.State == StateCancelled:
		return nil, ErrRotationCancelled
	case r.State != StateRewrapping && r.State != StateVerifying && r.State != StateBlocked:
		return nil, ErrNotRewrapping.with("it is %v", r.State)
	}
	return r, nil
}

func (t *tx) assignPartitions(c *AssignPartitions) (Result, error) {
	r, err := t.rewrapping(c.Order)
	if err != nil {
		return Result{}, err
	}
	for _, a := range c.Assignments {
		if int(a.Partition) >= len(r.Rewrap.Partitions) {
			return Result{}, ErrPartitionUnknown.with("%d", a.Partition)
		}
		if p := r.Rewrap.Partitions[a.Partition]; p.Lease != a.Lease {
			return Result{}, ErrStaleLease.with("partition %d is under lease %d, not %d", p.Index, p.Lease, a.Lease)
		}
		for _, n := range []uint32{a.Owner, a.Verifier} {
			if n != 0 && !slices.Contains(r.Plan.Units, n) {
				return Result{}, ErrUnitUnknown.with("%d", n)
			}
		}
	}
	for _, n := range c.Silent {
		if !slices.Contains(r.Plan.Units, n) {
			return Result{}, ErrUnitUnknown.with("%d", n)
		}
	}
	r = t.rotation()
	for _, a := range c.Assignments {
		p := &r.Rewrap.Partitions[a.Partition]
		if a.Reset {
			t.resetPartition(p)
		}
		if a.Owner != 0 {
			p.Owner, p.Lease = a.Owner, p.Lease+1
		}
		if a.Verifier != 0 {
			p.Verifier = a.Verifier
		}
	}
	r.Silent = slices.Clone(c.Silent)
	t.notable()
	return Result{}, t.advance(c.At)
}

// resetPartition begins a partition again: its part of the next epoch goes, and what was verified of it is void.
func (t *tx) resetPartition(p *Partition) {
	r := t.rotation()
	from, to := blobKey(r.Rewrap.Epoch, p.From), blobKey(r.Rewrap.Epoch, p.End)
	t.ops = append(t.ops, deleteRange(from, to))
	r.Done = minus(r.Done, p.Done)
	if p.Verified != 0 {
		r.Verified = minus(r.Verified, p.Done)
	}
	p.Pass, p.Cursor, p.Done, p.Writers, p.Verified, p.Verifier = p.Pass+1, p.From, Counts{}, nil, 0, 0
	record := t.own().record
	record.Statements = slices.DeleteFunc(slices.Clone(record.Statements), func(s *order.Statement) bool {
		return s.Kind == order.Verified && s.Verification.Partition == p.Index
	})
	t.voidVerified(r.Order, p.Index)
	if r.State == StateVerifying {
		r.State = StateRewrapping
	}
	if r.State == StateBlocked && r.Resume == StateVerifying {
		r.Resume = StateRewrapping
	}
}

// voidVerified removes a partition's verified statements from the evidence.
func (t *tx) voidVerified(digest Digest, partition uint32) {
	err := scan(t.from, space(spaceStatement, digest[:]), func(key, value []byte) (bool, error) {
		signed, err := order.DecodeSignedStatement(value)
		if err != nil {
			return false, err
		}
		s, err := signed.Decode()
		if err == nil && s.Kind == order.Verified && s.Verification.Partition == partition {
			t.remove(slices.Clone(key))
		}
		return true, err
	})
	if t.err == nil {
		t.err = err
	}
}

func minus(a, b Counts) Counts {
	return Counts{System: a.System - b.System, KMS: a.KMS - b.KMS, EP11: a.EP11 - b.EP11}
}

func (t *tx) putBatch(c *PutBatch, table []byte) (Result, error) {
	r, err := t.rewrapping(c.Order)
	if err != nil {
		return Result{}, err
	}
	if int(c.Partition) >= len(r.Rewrap.Partitions) {
		return Result{}, ErrPartitionUnknown.with("%d", c.Partition)
	}
	p := r.Rewrap.Partitions[c.Partition]
	switch {
	case c.Pass != p.Pass:
		return Result{}, ErrStalePass.with("partition %d is in pass %d, not %d", p.Index, p.Pass, c.Pass)
	case c.Lease != p.Lease:
		return Result{}, ErrStaleLease.with("partition %d is under lease %d, not %d", p.Index, p.Lease, c.Lease)
	case c.To <= p.Cursor && c.From >= p.From && c.To > c.From:
		return Result{Cursor: p.Cursor}, nil // written already
	case c.From != p.Cursor || c.To <= c.From || c.To > p.End:
		return Result{}, ErrCursor.with("numbers %d to %d, the cursor of partition %d is %d", c.From, c.To-1, p.Index, p.Cursor)
	}
	keep := func(key, blob []byte) { t.putBytes(slices.Clone(key), slices.Clone(blob)) }
	if len(table) >= t.smallTable {
		keep = func([]byte, []byte) {} // it is ingested
	}
	if err := checkTable(c, r.Rewrap.Epoch, table, t.digest, keep); err != nil {
		return Result{}, err
	}
	r = t.rotation()
	q := &r.Rewrap.Partitions[c.Partition]
	q.Cursor, q.Done, q.Writes = c.To, q.Done.plus(c.Counts), t.index
	if !slices.Contains(q.Writers, q.Owner) {
		q.Writers = append(slices.Clone(q.Writers), q.Owner)
	}
	r.Done = r.Done.plus(c.Counts)
	if q.Written() {
		t.notable()
	}
	return Result{Cursor: c.To}, t.advance(r.Rewrap.Started)
}

// repairBlob carries the bytes of a blob that opened on some replica; only a replica whose bytes differ is changed by it.
func (t *tx) repairBlob(c *RepairBlob) (Result, error) {
	epochs := t.control.cluster.Epochs
	if c.Epoch == 0 || c.Epoch != epochs.Current && c.Epoch != epochs.Next {
		return Result{}, ErrBlobUnknown.with("epoch %d is neither current nor next", c.Epoch)
	}
	var key Key
	if err := get(t.from, space(spaceKey, c.Key[:]), &key); errors.Is(err, ErrNotFound) {
		return Result{}, ErrKeyNotFound
	} else if err != nil {
		return Result{}, err
	}
	if !slices.ContainsFunc(key.Versions, func(v KeyVersion) bool { return v.Number == c.Version && v.Blob == c.Number }) {
		return Result{}, ErrBlobUnknown.with("%d is no blob of that key", c.Number)
	}
	if len(c.Blob) == 0 || len(c.Blob) > MaxBlob {
		return Result{}, ErrInvalid.with("a blob of %d bytes", len(c.Blob))
	}
	if r := t.control.open(); c.Epoch == epochs.Next && c.Number <= r.Rewrap.N {
		return Result{}, ErrBlobUnknown.with("%d of the next epoch is a rewrap's: reset its partition", c.Number)
	}
	if _, err := getBytes(t.from, space(spaceAside, u64(c.Number))); err == nil {
		return Result{}, ErrBlobUnknown.with("%d was set aside", c.Number)
	} else if !errors.Is(err, ErrNotFound) {
		return Result{}, err
	}
	t.putBytes(blobKey(c.Epoch, c.Number), c.Blob)
	if t.control.open() == nil {
		return Result{}, nil
	}
	r := t.rotation()
	r.Bad = slices.DeleteFunc(r.Bad, func(b BadBlob) bool { return b.Number == c.Number })
	t.notable()
	return Result{}, t.resume(r.Rewrap.Started)
}

// number reads the number at the end of a blob's key.
func number(key []byte) uint64 { return binary.BigEndian.Uint64(key[len(key)-8:]) }
