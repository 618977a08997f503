package fsm

import (
	"slices"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// atOnce holds the guards of orders that are done in the entry that accepts them. That is only while no order is open: so
// one that stays open has the same units and administrators from its first step to its last.
func (t *tx) atOnce(o *order.Order) error {
	cluster := &t.control.cluster
	switch {
	case t.control.open() != nil:
		return ErrOrderOpen.with("order %d is %v", t.control.rotation.Number, t.control.rotation.State)
	case cluster.Pattern == (Pattern{}):
		return ErrNoMasterKey
	case Pattern(o.Current) != cluster.Pattern:
		return ErrOrderPattern.with("it names %v, the cluster's is %x", o.Current, cluster.Pattern)
	}
	list, err := order.DecodeAdministrators(cluster.Administrators)
	if err != nil {
		return err
	}
	digest, err := list.Digest()
	if err != nil {
		return err
	}
	if o.Administrators != digest {
		return ErrAdministratorsDiffer.with("it was signed for another list than the instance has")
	}
	return nil
}

// changeUnits does an order that enrols or removes units.
func (t *tx) changeUnits(o *order.Order, digest Digest, c *SubmitOrder) error {
	if err := t.atOnce(o); err != nil {
		return err
	}
	for _, named := range o.Subject.Units {
		if err := t.changeable(o, named); err != nil {
			return err
		}
	}
	if err := t.namesUnits(o); err != nil {
		return err
	}
	if o.Kind == order.Remove {
		if err := t.remains(o); err != nil {
			return err
		}
	}
	for _, named := range o.Subject.Units {
		u := t.unit(named.Number)
		if o.Kind == order.Enrol {
			u.Enrolled, u.Fenced = digest, Digest{}
		} else {
			u.Removed, u.Fenced = digest, Digest{}
			t.noLongerKept(func(RetiredKey) bool { return true }, named.Number)
		}
	}
	t.recordOrder(o, digest, c, t.control.cluster.Administrators)
	if o.Kind == order.Enrol {
		t.stand(o, digest)
	}
	return nil
}

// changeable refuses a unit that cannot be enrolled or removed as the order has it.
func (t *tx) changeable(o *order.Order, named order.UnitRef) error {
	u := t.control.unit(named.Number)
	switch {
	case u == nil:
		return ErrUnitUnknown.with("%d", named.Number)
	case u.Removed != (Digest{}):
		return ErrUnitRemoved.with("crypto unit %d", named.Number)
	case Identity(named.Identity) != u.Identity || Role(named.Role) != u.Role:
		return ErrOrderUnits.with("crypto unit %d has another identity or role than the order names", named.Number)
	case o.Kind == order.Remove && !u.IsEnrolled():
		return ErrOrderUnits.with("crypto unit %d is not enrolled", named.Number)
	case o.Kind == order.Remove:
		return nil
	case u.IsEnrolled():
		return ErrUnitEnrolled.with("crypto unit %d", named.Number)
	}
	report, err := t.report(named.Number)
	if err != nil {
		return err
	}
	list, err := order.DecodeAdministrators(report.Administrators)
	switch {
	case err != nil:
		return ErrStatementMalformed.with("crypto unit %d: %v", named.Number, err)
	case !list.Imprint() && string(report.Administrators) != string(t.control.cluster.Administrators):
		return ErrAdministratorsDiffer.with("crypto unit %d has others than the instance", named.Number)
	case report.Registers.New != masterkey.NewEmpty:
		return ErrNewRegister.with("crypto unit %d holds %v", named.Number, report.Registers.NewPattern)
	case report.Registers.Current != masterkey.CurrentEmpty && report.Registers.CurrentPattern != o.Current:
		return ErrCurrentRegister.with("crypto unit %d holds %v, which is not the instance's: zeroize it first", named.Number, report.Registers.CurrentPattern)
	}
	return nil
}

// remains refuses to leave fewer than two units, or none that holds the master key: by their last reports.
func (t *tx) remains(o *order.Order) error {
	stay, hold := 0, 0
	for _, u := range t.control.units {
		if !u.IsEnrolled() || subject(o, u.Number) {
			continue
		}
		stay++
		report, err := t.report(u.Number)
		if err != nil {
			return err
		}
		if Pattern(report.Registers.CurrentPattern) == t.control.cluster.Pattern && len(u.Clear) == 0 {
			hold++
		}
	}
	switch {
	case stay < 2:
		return ErrLastUnits.with("%d would remain, and a rotation needs two", stay)
	case hold == 0:
		return ErrLastUnits.with("no unit that would remain holds the current master key")
	}
	return nil
}

// subject: the order is about that unit.
func subject(o *order.Order, number uint32) bool {
	return slices.ContainsFunc(o.Subject.Units, func(u order.UnitRef) bool { return u.Number == number })
}

// stand notes an order that units carry out by themselves, each when it comes to it.
func (t *tx) stand(o *order.Order, digest Digest) {
	t.putBytes(space(spaceStanding, u64(o.Number)), digest[:])
}
