package fsm

import (
	"errors"
	"slices"

	"tumbler/cryptounit/order"
)

func (t *tx) submitOrder(c *SubmitOrder) (Result, error) {
	signed, err := order.DecodeSignedOrder(c.Order)
	if err != nil {
		return Result{}, ErrOrderMalformed.with("%v", err)
	}
	o, err := signed.Decode()
	if err != nil {
		return Result{}, ErrOrderMalformed.with("%v", err)
	}
	digest := Digest(signed.Digest())
	var known OrderRecord
	if err := get(t.from, space(spaceOrder, digest[:]), &known); err == nil {
		return Result{}, nil // the same again
	} else if !errors.Is(err, ErrNotFound) {
		return Result{}, err
	}
	if err := t.judgeOrder(o, c); err != nil {
		return Result{}, err
	}
	switch o.Kind {
	case order.Init, order.Rotate, order.Recover:
		err = t.openOrder(o, digest, c)
	case order.Cancel:
		err = t.cancel(o, digest, c)
	case order.Settle:
		err = t.settle(o, digest, c)
	case order.Enrol, order.Remove, order.Administration, order.Restore, order.DestroyRetired:
		err = ErrOrderKind.with("%v", o.Kind)
	}
	if err != nil {
		return Result{}, err
	}
	t.cluster().LastOrder = o.Number
	t.notable()
	return Result{}, nil
}

// judgeOrder holds the guards that every kind has.
func (t *tx) judgeOrder(o *order.Order, c *SubmitOrder) error {
	cluster := &t.control.cluster
	switch {
	case ID(o.Cluster) != cluster.ID || ID(o.Instance) != cluster.Instance || o.Incarnation != uint64(cluster.Incarnation):
		return ErrOrderCluster.with("it is for cluster %v, instance %v, incarnation %d", o.Cluster, o.Instance, o.Incarnation)
	case o.Number <= cluster.LastOrder:
		return ErrOrderNumber.with("%d, the last is %d", o.Number, cluster.LastOrder)
	case c.At.Time().After(o.NotAfter):
		return ErrOrderExpired.with("not after %v", o.NotAfter)
	}
	return nil
}

func (t *tx) recordOrder(o *order.Order, digest Digest, c *SubmitOrder, administrators []byte) {
	t.put(space(spaceOrder, digest[:]), OrderRecord{
		Number: o.Number, Digest: digest, Kind: o.Kind.String(), Order: c.Order, Names: Digest(o.Subject.Order),
		Index: t.index, At: c.At, Administrators: administrators,
	})
}

// relate notes, in the record of an open order, an order that names it.
func (t *tx) relate(to, digest Digest) error {
	var record OrderRecord
	if err := get(t.from, space(spaceOrder, to[:]), &record); err != nil {
		return err
	}
	record.Related = append(record.Related, digest)
	t.put(space(spaceOrder, to[:]), record)
	return nil
}

// openOrder begins an init, a rotation or a recovery.
func (t *tx) openOrder(o *order.Order, digest Digest, c *SubmitOrder) error {
	administrators, err := t.preconditions(o, c)
	if err != nil {
		return err
	}
	t.recordOrder(o, digest, c, administrators)
	plan := Plan{
		Kind: o.Kind.String(), Policy: o.Policy.String(), Generator: o.Generator, Units: o.Participants(), Loads: o.Targets(),
		SignedCommit: o.Commit == order.Signed, Hold: o.Activate == order.Signed,
	}
	control := t.own()
	control.rotation = &Rotation{Order: digest, Number: o.Number, State: StatePreparing, Plan: plan, From: Pattern(o.Current), Opened: c.At}
	control.record = &order.Record{Order: o, Digest: order.Digest(digest)}
	control.said, control.approved = 0, 0
	t.rotationChanged = true
	t.cluster().Administrators = administrators
	return nil
}

// named refuses a cancel or settle that does not name the open order.
func (t *tx) named(o *order.Order) (*Rotation, error) {
	open := t.control.rotation
	switch {
	case open == nil || Digest(o.Subject.Order) != open.Order || o.Subject.OrderNumber != open.Number:
		return nil, ErrOrderUnknown.with("%v is not the open order", o.Subject.Order)
	case open.State == StateActivating || open.State == StateComplete:
		return nil, ErrTooLateToCancel
	case !open.State.Open() || open.State == StateCancelling:
		return nil, ErrOrderNotOpen.with("it is %v", open.State)
	}
	return open, nil
}

// cancel ends the open order before its flip: the next epoch goes, in one operation, and the current one was never touched.
func (t *tx) cancel(o *order.Order, digest Digest, c *SubmitOrder) error {
	if _, err := t.named(o); err != nil {
		return err
	}
	t.recordOrder(o, digest, c, t.control.cluster.Administrators)
	if err := t.relate(Digest(o.Subject.Order), digest); err != nil {
		return err
	}
	r := t.rotation()
	if err := t.own().record.SetCancel(o); err != nil {
		return ErrOrderMalformed.with("%v", err)
	}
	r.State, r.Cancel, r.Bad = StateCancelling, digest, nil
	if epochs := &t.cluster().Epochs; epochs.Next != 0 {
		t.removeAll(epochKey(epochs.Next))
		epochs.Next = 0
	}
	t.removeAll(space(spaceEnvelope, r.Order[:]))
	return t.advance(c.At)
}

// settle sets blobs aside that no unit opens, by a quorum's order: out of both epochs and of the census.
func (t *tx) settle(o *order.Order, digest Digest, c *SubmitOrder) error {
	open, err := t.named(o)
	if err != nil {
		return err
	}
	if open.State != StateBlocked {
		return ErrSettle.with("the rotation is not blocked")
	}
	for _, blob := range o.Subject.Blobs {
		if !slices.ContainsFunc(open.Bad, func(b BadBlob) bool { return b.Number == blob.Number }) {
			return ErrSettle.with("blob %d is not in question", blob.Number)
		}
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

func (t *tx) setAside(number uint64, class Class) error {
	r, cluster := t.rotation(), t.cluster()
	blob, err := getBytes(t.from, blobKey(cluster.Epochs.Current, number))
	if errors.Is(err, ErrNotFound) {
		return ErrBlobUnknown.with("%d", number)
	}
	if err != nil {
		return err
	}
	census, covered := cluster.Census.at(class), r.Rewrap.Census.at(class)
	if census == nil || *census == 0 || *covered == 0 {
		return ErrSettle.with("blob %d is not of class %d", number, class)
	}
	*census--
	*covered--
	t.putBytes(space(spaceAside, u64(number)), blob)
	t.remove(blobKey(cluster.Epochs.Current, number))
	t.remove(blobKey(cluster.Epochs.Next, number))
	r.Bad = slices.DeleteFunc(r.Bad, func(b BadBlob) bool { return b.Number == number })
	for i := range r.Rewrap.Partitions {
		if p := &r.Rewrap.Partitions[i]; number >= p.From && number < p.End && p.Verified != 0 {
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
