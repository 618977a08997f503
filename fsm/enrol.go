package fsm

import "tumbler/cryptounit/order"

// changeUnits does an order that enrols or removes units, in the entry that accepts it, and only while no order is open: so
// an order that stays open has the same units from its first step to its last.
func (t *tx) changeUnits(o *order.Order, digest Digest, c *SubmitOrder) error {
	if t.control.open() != nil {
		return ErrOrderOpen.with("order %d is %v", t.control.rotation.Number, t.control.rotation.State)
	}
	if Pattern(o.Current) != t.control.cluster.Pattern {
		return ErrOrderPattern.with("it names %v, the cluster's is %x", o.Current, t.control.cluster.Pattern)
	}
	for _, named := range o.Subject.Units {
		u := t.control.unit(named.Number)
		switch {
		case u == nil:
			return ErrUnitUnknown.with("%d", named.Number)
		case Identity(named.Identity) != u.Identity || Role(named.Role) != u.Role:
			return ErrOrderUnits.with("crypto unit %d", named.Number)
		case o.Kind == order.Enrol && u.IsEnrolled():
			return ErrUnitEnrolled.with("crypto unit %d", named.Number)
		case o.Kind == order.Remove && !u.IsEnrolled():
			return ErrOrderUnits.with("crypto unit %d is not enrolled", named.Number)
		}
	}
	for _, named := range o.Subject.Units {
		u := t.unit(named.Number)
		if o.Kind == order.Enrol {
			u.Enrolled, u.Removed, u.Fenced = digest, Digest{}, Digest{}
		} else {
			u.Removed, u.Fenced = digest, Digest{}
		}
	}
	t.recordOrder(o, digest, c, t.control.cluster.Administrators)
	return nil
}
