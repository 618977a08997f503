package fsm

import (
	"errors"
	"slices"

	"tumbler/cryptounit/order"
)

// settle sets blobs aside that no unit opens, by a quorum's order: out of both epochs and of the census.
func (t *tx) settle(o *order.Order, digest Digest, c *SubmitOrder) error {
	open, err := t.named(o)
	if err != nil {
		return err
	}
	if err := t.settleable(open, o); err != nil {
		return err
	}
	t.recordOrder(o, digest, c, t.control.cluster.Administrators)
	if err := t.relate(Digest(o.Subject.Order), digest); err != nil {
		return err
	}
	if err := t.own().record.AddSettle(o); err != nil {
		return ErrOrderMalformed.with("%v", err)
	}
	for _, blob := range o.Subject.Blobs {
		if err := t.setAside(blob.Number, Class(blob.Class)); err != nil {
			return err
		}
	}
	return t.resume(c.At)
}

// settleable holds the guards: the rotation is blocked, and the order names blobs just as units stated that they do not open.
// A blob that came in
// question after the block is settled once every unit that is heard of has tried it too. No guard looks at a blob, which is
// this replica's and may be its fault.
func (t *tx) settleable(open *Rotation, o *order.Order) error {
	if open.State != StateBlocked {
		return ErrSettle.with("the rotation is not blocked")
	}
	left := t.control.cluster.Census
	for _, blob := range o.Subject.Blobs {
		inQuestion := slices.ContainsFunc(open.Bad, func(b BadBlob) bool { return b.Number == blob.Number && open.opensNowhere(b) })
		stated := slices.ContainsFunc(t.control.record.Statements, func(s *order.Statement) bool {
			return s.Kind == order.CannotOpen && *s.Blob == blob
		})
		if !inQuestion || !stated {
			return ErrSettle.with("blob %d is not in question, or not with these bytes", blob.Number)
		}
		if class := left.at(Class(blob.Class)); class == nil || *class == 0 {
			return ErrSettle.with("blob %d is not of class %v", blob.Number, blob.Class)
		} else {
			*class--
		}
	}
	return nil
}

// setAside moves what this replica has of a blob. A partition that has written it is written, and verified, again.
func (t *tx) setAside(number uint64, class Class) error {
	r, cluster := t.rotation(), t.cluster()
	blob, err := getBytes(t.from, blobKey(cluster.Epochs.Current, number))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	*cluster.Census.at(class)--
	*r.Rewrap.Census.at(class)--
	t.putBytes(space(spaceAside, u64(number)), blob) // empty where this replica has lost it
	t.remove(blobKey(cluster.Epochs.Current, number))
	t.remove(blobKey(r.Rewrap.Epoch, number))
	r.Bad = slices.DeleteFunc(r.Bad, func(b BadBlob) bool { return b.Number == number })
	for i := range r.Rewrap.Partitions {
		if p := &r.Rewrap.Partitions[i]; number >= p.From && number < p.Cursor {
			t.resetPartition(p)
		}
	}
	return nil
}

// resume takes a rotation on whose every blob was settled or repaired.
func (t *tx) resume(at Time) error {
	r := t.rotation()
	if r.State == StateBlocked && len(r.Bad) == 0 {
		r.State, r.Resume = r.Resume, StateNone
	}
	return t.advance(at)
}
