package cryptounit

import (
	"slices"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// named refuses an order that does not name this very unit.
func (c *content) named(o *order.Order) error {
	unit, ok := o.Unit(c.Number)
	if !ok || unit.Identity != c.identityKey() || unit.Role != c.Role {
		return refuse(ErrOrderForeign, "it does not name crypto unit %d (%v) with identity %v", c.Number, c.Role, c.identityKey())
	}
	return nil
}

// mine refuses an order that does not name this unit, or is of another cluster, instance or incarnation. A new unit takes
// these from its init, or from the order that enrols it (Enrol).
func (c *content) mine(o *order.Order) error {
	if err := c.named(o); err != nil {
		return err
	}
	if c.Cluster.IsZero() {
		if o.Kind == order.Init {
			return nil
		}
		return refuse(ErrOrderForeign, "this unit belongs to no cluster yet: enrol it first")
	}
	if o.Cluster != c.Cluster || o.Instance != c.Instance || o.Incarnation != c.Incarnation {
		return refuse(ErrOrderForeign, "it is of cluster %v, instance %v, incarnation %d", o.Cluster, o.Instance, o.Incarnation)
	}
	return nil
}

// Accept takes an init, rotate or recover order up, once, and states `ready`
// with an importer key made for it. The order that is open already is stated
// again.
func (u *Unit) Accept(signed order.SignedOrder) (order.SignedStatement, error) {
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return order.SignedStatement{}, u.stopped
	}
	if u.content.openDigest() == signed.Digest() {
		return u.ready(func(*content) error { return nil })
	}
	list, err := u.content.administrators()
	if err != nil {
		return order.SignedStatement{}, err
	}
	o, err := signed.Verify(list)
	if err != nil {
		return order.SignedStatement{}, err
	}
	if err := u.acceptable(o); err != nil {
		return order.SignedStatement{}, err
	}
	document, err := signed.Encode()
	if err != nil {
		return order.SignedStatement{}, err
	}
	return u.ready(func(c *content) error {
		open := &openOrder{Digest: signed.Digest(), Order: document}
		var err error
		if c.importer, err = newImporter(o.Suite, open); err != nil {
			return err
		}
		c.Cluster, c.Instance, c.Incarnation = o.Cluster, o.Instance, o.Incarnation
		c.LastOrder, c.Open, c.parts = o.Number, open, nil
		return nil
	})
}

// ready makes a change and states `ready`.
func (u *Unit) ready(change func(*content) error) (order.SignedStatement, error) {
	s := &order.Statement{Kind: order.Ready}
	return u.stated(s, func(c *content) error {
		if err := change(c); err != nil {
			return err
		}
		if len(c.Open.Importer) == 0 {
			return refuse(ErrImporterKey, "it is erased: the unit has loaded a key under this order")
		}
		s.Order, s.Importer, s.Report = c.Open.Digest, c.Open.Importer, c.report()
		return nil
	})
}

// acceptable holds the guards of acceptance, together.
func (u *Unit) acceptable(o *order.Order) error {
	c := u.content
	if !o.Kind.StaysOpen() {
		return refuse(ErrOrderForeign, "an order of kind %v is not kept open", o.Kind)
	}
	if err := c.mine(o); err != nil {
		return err
	}
	if !slices.Contains(o.Participants(), c.Number) {
		return refuse(order.ErrNotNamed, "it is neither source nor target")
	}
	if c.openDigest() != (order.Digest{}) {
		return ErrOrderOpen
	}
	if o.Number <= c.LastOrder {
		return refuse(ErrOrderNumber, "%d, the last is %d", o.Number, c.LastOrder)
	}
	if u.now().After(o.NotAfter) {
		return refuse(ErrOrderExpired, "not after %v", o.NotAfter)
	}
	if c.Registers.New != masterkey.NewEmpty {
		return masterkey.ErrNewNotEmpty
	}
	switch {
	case o.Kind == order.Init && c.Registers.Current != masterkey.CurrentEmpty,
		o.Kind == order.Recover && c.Number != o.Generator && c.Registers.Current != masterkey.CurrentEmpty:
		return masterkey.ErrCurrentNotEmpty
	case o.Kind == order.Rotate && c.Registers.CurrentPattern != o.Current:
		return refuse(ErrOrderForeign, "it replaces master key %v, the current one is %v", o.Current, c.Registers.CurrentPattern)
	case o.Kind == order.Recover && c.Number == o.Generator && !c.holds(o.Subject.Pattern):
		return refuse(ErrRetired, "%v", o.Subject.Pattern)
	}
	return nil
}

// holds: as the current key or as a retired one.
func (c *content) holds(p masterkey.Pattern) bool {
	if c.Registers.Current == masterkey.CurrentValid && c.Registers.CurrentPattern == p {
		return true
	}
	return c.retains(p)
}

// retains: as a retired key.
func (c *content) retains(p masterkey.Pattern) bool {
	for _, r := range c.Retired {
		if r.Pattern == p {
			return true
		}
	}
	return false
}

// verified checks the evidence of the unit's open order in full: signatures
// against the unit's own list, the order, and what the step needs.
func (c *content) verified(evidence *order.Evidence, step order.Step) (*order.Record, error) {
	list, err := c.administrators()
	if err != nil {
		return nil, err
	}
	if evidence == nil {
		return nil, refuse(ErrNoOrder, "there is no evidence")
	}
	record, err := evidence.Verify(list)
	if err != nil {
		return nil, err
	}
	if c.Open == nil || c.Open.Digest != record.Digest || c.Open.Cleared {
		return nil, refuse(ErrNoOrder, "%v", record.Digest)
	}
	if err := order.Needs(step, c.Number, record); err != nil {
		return nil, err
	}
	if pattern, err := record.Pattern(); err == nil && !c.Open.Pattern.IsZero() && pattern != c.Open.Pattern {
		return nil, refuse(order.ErrTwoPatterns, "this unit holds %v, the evidence is about %v", c.Open.Pattern, pattern)
	}
	return record, nil
}
