package fsm

import (
	"bytes"
	"crypto/sha256"

	"tumbler/cryptounit/order"
)

// rewrap has one unit write every partition and another verify it.
func (w *world) rewrap(writer, verifier uint32) {
	w.t.Helper()
	r, _, _ := w.evidence()
	for _, p := range r.Rewrap.Partitions {
		w.must(&AssignPartitions{Order: r.Order, Assignments: []Assignment{{Partition: p.Index, Lease: p.Lease, Owner: writer, Verifier: verifier}}, At: w.clock})
		batch, table, failed := w.batch(w.store, writer, p.Index, 0, 0)
		if len(failed) > 0 {
			w.t.Fatalf("blobs %v do not open", failed)
		}
		if _, err := w.propose(batch, table); err != nil {
			w.t.Fatal(err)
		}
		w.must(w.verified(w.store, verifier, p.Index))
	}
}

// batch rewraps numbers from to to-1 of a partition on a unit, from one replica; 0 is the cursor, and the end.
func (w *world) batch(replica *Store, writer, index uint32, from, to uint64) (*PutBatch, []byte, []uint64) {
	w.t.Helper()
	r, _, _ := w.evidence()
	p := r.Rewrap.Partitions[index]
	if from == 0 {
		from = p.Cursor
	}
	if to == 0 {
		to = p.End
	}
	u := w.units[writer-1]
	if err := u.BeginPartition(order.Digest(r.Order), p.Index, p.Pass); err != nil {
		w.t.Fatal(err)
	}
	v, err := replica.View()
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	var numbers []uint64
	var blobs [][]byte
	if err := v.Blobs(v.CurrentEpoch(), from, to, func(n uint64, b []byte) (bool, error) {
		numbers, blobs = append(numbers, n), append(blobs, bytes.Clone(b))
		return true, nil
	}); err != nil {
		w.t.Fatal(err)
	}
	out, err := u.Rewrap(order.Digest(r.Order), p.Index, p.Pass, blobs)
	if err != nil {
		w.t.Fatal(err)
	}
	var failed []uint64
	for _, i := range out.Failed {
		failed = append(failed, numbers[i])
	}
	if len(failed) > 0 {
		return nil, nil, failed
	}
	var rows []BlobRecord
	for i, b := range out.Blobs {
		rows = append(rows, BlobRecord{Number: numbers[i], Blob: b})
	}
	c := &PutBatch{Order: r.Order, Partition: p.Index, Pass: p.Pass, Lease: p.Lease, From: from, To: to, Count: uint32(len(rows)),
		Counts: Counts{System: out.Counts[0], KMS: out.Counts[1], EP11: out.Counts[2]}}
	var table []byte
	if len(rows) > 0 {
		if table, err = BuildTable(r.Rewrap.Epoch, rows); err != nil {
			w.t.Fatal(err)
		}
		c.Table, c.Size = sha256.Sum256(table), uint32(len(table))
	}
	return c, table, nil
}

// verified has a unit verify a partition on one replica.
func (w *world) verified(replica *Store, verifier, index uint32) *SubmitStatement {
	w.t.Helper()
	r, _, _ := w.evidence()
	p := r.Rewrap.Partitions[index]
	check, err := w.units[verifier-1].NewVerifier(order.Digest(r.Order), r.Rewrap.N, p.Index, p.Pass)
	if err != nil {
		w.t.Fatal(err)
	}
	v, err := replica.View()
	if err != nil {
		w.t.Fatal(err)
	}
	defer v.Close()
	if err := v.Pairs(v.CurrentEpoch(), r.Rewrap.Epoch, p.From, p.End, func(_ uint64, current, next []byte) error {
		return check.Add(current, next)
	}); err != nil {
		w.t.Fatal(err)
	}
	s, err := check.Finish()
	if err != nil {
		w.t.Fatal(err)
	}
	return w.statement(s, nil)
}
