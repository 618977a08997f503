package fsm

import (
	"errors"

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
	case order.Enrol, order.Remove:
		err = t.changeUnits(o, digest, c)
	case order.Administration:
		err = t.changeAdministrators(o, digest, c)
	case order.DestroyRetired:
		err = t.destroyRetired(o, digest, c)
	case order.Restore:
		err = ErrOrderKind.with("%v", o.Kind)
	}
	if err != nil {
		return Result{}, err
	}
	if cluster := t.cluster(); o.Kind == order.Cancel {
		cluster.LastOrder++ // one administrator signs a cancel: its number must not bar the orders of a quorum
	} else {
		cluster.LastOrder = o.Number
	}
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
	t.dropNext()
	t.removeAll(space(spaceEnvelope, r.Order[:]))
	return t.advance(c.At)
}
