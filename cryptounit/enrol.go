package cryptounit

import (
	"slices"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// Enrol carries out an order of kind enrol that names this unit among those
// that it enrols: from then on the unit belongs to the order's cluster,
// instance and incarnation. In imprint mode it takes up administrators (DER):
// those that the order names and that signed it. Otherwise it has them
// already. No key comes with it: that takes an order of kind recover. The same
// order again is success.
func (u *Unit) Enrol(signed order.SignedOrder, administrators []byte) error {
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return u.stopped
	}
	o, err := signed.Decode()
	if err != nil {
		return err
	}
	if o.Kind == order.Enrol && u.content.LastOrder == o.Number && u.content.mine(o) == nil {
		return nil
	}
	list, err := u.content.administrators()
	if err == nil {
		administrators = u.content.Administrators
	} else if list, err = firstAdministrators(administrators); err != nil {
		return err
	}
	if _, err := signed.Verify(list); err != nil {
		return err
	}
	if err := u.content.enrollable(o); err != nil {
		return err
	}
	return u.update(func(c *content) error {
		c.Cluster, c.Instance, c.Incarnation = o.Cluster, o.Instance, o.Incarnation
		c.Administrators, c.LastOrder = administrators, o.Number
		return nil
	})
}

// firstAdministrators reads the list that a unit in imprint mode takes up.
func firstAdministrators(der []byte) (*order.Administrators, error) {
	list, err := order.DecodeAdministrators(der)
	if err != nil {
		return nil, err
	}
	if list.Imprint() {
		return nil, ErrImprint
	}
	return list, nil
}

// enrollable holds the guards of an enrolment, together.
func (c *content) enrollable(o *order.Order) error {
	if o.Kind != order.Enrol {
		return refuse(ErrOrderForeign, "it is of kind %v, not %v", o.Kind, order.Enrol)
	}
	if err := c.named(o); err != nil {
		return err
	}
	self, _ := o.Unit(c.Number)
	if !slices.Contains(o.Subject.Units, self) {
		return refuse(order.ErrNotNamed, "crypto unit %d is none of those that it enrols", c.Number)
	}
	if !c.Cluster.IsZero() && (o.Cluster != c.Cluster || o.Instance != c.Instance || o.Incarnation != c.Incarnation) {
		return refuse(ErrOrderForeign, "this unit belongs to cluster %v, instance %v, incarnation %d: zeroize it first", c.Cluster, c.Instance, c.Incarnation)
	}
	if c.openDigest() != (order.Digest{}) {
		return ErrOrderOpen
	}
	if o.Number <= c.LastOrder {
		return refuse(ErrOrderNumber, "%d, the last is %d", o.Number, c.LastOrder)
	}
	if c.Registers.New != masterkey.NewEmpty {
		return masterkey.ErrNewNotEmpty
	}
	if c.Registers.Current != masterkey.CurrentEmpty && c.Registers.CurrentPattern != o.Current {
		return refuse(masterkey.ErrCurrentNotEmpty, "it holds %v, the instance's master key is %v: zeroize the unit first", c.Registers.CurrentPattern, o.Current)
	}
	return nil
}
