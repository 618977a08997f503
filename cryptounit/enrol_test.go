package cryptounit

import (
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// newcomer has a unit's folder lost: a new unit stands in its place, in imprint mode.
func (c *cast) newcomer(n uint32) {
	c.t.Helper()
	c.unit(n).Close()
	c.configs[n-1].Dir = c.t.TempDir()
	c.open(n)
}

// enrolment is an order that enrols one unit of the instance.
func (c *cast) enrolment(n uint32, change func(*order.Order)) *order.Order {
	c.t.Helper()
	o := c.draft(order.Enrol)
	self, _ := o.Unit(n)
	o.Subject.Units = []order.UnitRef{self}
	if change != nil {
		change(o)
	}
	return o
}

func (c *cast) listDER() []byte {
	c.t.Helper()
	der, err := c.list.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	return der
}

// enrol has the first two administrators enrol a unit, and the unit carry it out.
func (c *cast) enrol(n uint32) {
	c.t.Helper()
	if err := c.unit(n).Enrol(c.sign(c.enrolment(n, nil), 2), c.listDER()); err != nil {
		c.t.Fatal(err)
	}
}

func TestAnEnrolledUnitTakesWhereItBelongsFromItsOrder(t *testing.T) {
	c := initialised(t, 2, 1)
	c.newcomer(2)
	signed := c.sign(c.enrolment(2, nil), 2)
	for range 2 { // the same again is success
		if err := c.unit(2).Enrol(signed, c.listDER()); err != nil {
			t.Fatal(err)
		}
	}
	c.crash(2)
	s := c.unit(2).Status()
	if s.Cluster != c.cluster || s.Instance != c.inst || s.Incarnation != 1 || s.LastOrder != c.number || s.Administrators.Signature != 2 || len(s.Administrators.List) != 3 {
		t.Errorf("%+v", s)
	}
	if s.Registers != masterkey.Empty() {
		t.Errorf("an enrolment brought a key: %+v", s.Registers)
	}
}

func TestAnEnrolmentIsRefused(t *testing.T) {
	stranger := listOf(t, 4, 1, 1)
	stranger.List = stranger.List[3:] // a list of which one key alone has a quorum
	foreign, err := stranger.Encode()
	if err != nil {
		t.Fatal(err)
	}
	imprint, err := (&order.Administrators{}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	c := initialised(t, 2, 1)
	old := c.sign(c.enrolment(2, nil), 2)
	c.newcomer(2)
	enrol := func(signed order.SignedOrder, list []byte) func(*Unit) error {
		return func(u *Unit) error { return u.Enrol(signed, list) }
	}
	for _, r := range []struct {
		name string
		want error
		step func(*Unit) error
	}{
		{"too few signatures", order.ErrTooFewSignatures, enrol(c.sign(c.enrolment(2, nil), 1), c.listDER())},
		{"another list than the one that signed it", order.ErrOtherAdministrators, enrol(c.sign(c.enrolment(2, nil), 2), foreign)},
		{"a list that asks for no signature", ErrImprint, enrol(c.sign(c.enrolment(2, nil), 2), imprint)},
		{"no list", order.ErrMalformed, enrol(c.sign(c.enrolment(2, nil), 2), nil)},
		{"of the unit that was there before", ErrOrderForeign, enrol(old, c.listDER())},
		{"of another unit", order.ErrNotNamed, enrol(c.sign(c.enrolment(1, nil), 2), c.listDER())},
		{"another kind", ErrOrderForeign, enrol(c.sign(c.enrolment(2, func(o *order.Order) { o.Kind = order.Remove }), 2), c.listDER())},
	} {
		t.Run(r.name, func(t *testing.T) { c.t = t; c.refused(2, r.want, r.step) })
	}
	c.t = t
	c.refused(2, ErrImprint, func(u *Unit) error { // and without an enrolment there is nothing
		_, err := u.Accept(c.sign(c.draft(order.Rotate), 2))
		return err
	})
}

func TestAUnitThatHasAKeyOrAnOrderIsNotEnrolledAnew(t *testing.T) {
	c := initialised(t, 2, 1)
	other := c.sign(c.enrolment(2, func(o *order.Order) { o.Current = masterkey.PatternOf([]byte("another")) }), 2)
	c.refused(2, masterkey.ErrCurrentNotEmpty, func(u *Unit) error { return u.Enrol(other, nil) })
	elsewhere := c.sign(c.enrolment(2, func(o *order.Order) { o.Cluster[0] ^= 2 }), 2)
	c.refused(2, ErrOrderForeign, func(u *Unit) error { return u.Enrol(elsewhere, nil) })
	rotation := c.begin(order.Rotate, nil).accept()
	late := c.sign(c.enrolment(2, func(o *order.Order) { o.Number = 1 }), 2)
	again := c.sign(c.enrolment(2, nil), 2)
	c.refused(2, ErrOrderOpen, func(u *Unit) error { return u.Enrol(again, nil) })
	rotation.generate().load().commit().activate()
	c.refused(2, ErrOrderNumber, func(u *Unit) error { return u.Enrol(late, nil) })
}

func TestAUnitThatIsNotEnrolledAcceptsNoRecover(t *testing.T) {
	c := initialised(t, 2, 1)
	pattern := c.pattern(1)
	c.newcomer(2)
	if err := c.unit(2).SetAdministrators(c.list, c.imprint(c.unit(2), 2)); err != nil {
		t.Fatal(err)
	}
	o := c.draft(order.Recover)
	o.Current, o.Subject.Pattern, o.Subject.Units = pattern, pattern, o.Units[1:2]
	c.refused(2, ErrOrderForeign, func(u *Unit) error { _, err := u.Accept(c.sign(o, 2)); return err })
}
