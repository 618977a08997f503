package cryptounit

import (
	"testing"

	"tumbler/cryptounit/order"
)

// TestAdministratorsAreNamedOneByOneInImprintMode: nothing signs until thresholds are set; those who are to sign then do, and
// from then on only an order changes anything.
func TestAdministratorsAreNamedOneByOneInImprintMode(t *testing.T) {
	c := imprinted(t, 1, 0)
	named := func(people int) order.Administrators { return listOf(t, people, 0, 0) }
	for _, list := range []order.Administrators{named(1), named(3), named(2), {}, named(3)} {
		if err := c.unit(1).SetAdministrators(list, nil); err != nil {
			t.Fatal(err)
		}
		c.crash(1)
		if now, err := order.DecodeAdministrators(c.unit(1).content.Administrators); err != nil || len(now.List) != len(list.List) || !now.Imprint() {
			t.Errorf("%+v, %v", now, err)
		}
	}
	// With administrators and without thresholds it is still nobody's.
	c.refused(1, ErrImprint, func(u *Unit) error {
		o := c.draft(order.Init)
		o.Generator = 1
		_, err := u.Accept(c.sign(o, 2))
		return err
	})
	c.refused(1, order.ErrTooFewSignatures, func(u *Unit) error { return u.SetAdministrators(c.list, nil) })
	c.refused(1, order.ErrTooFewSignatures, func(u *Unit) error { return u.SetAdministrators(c.list, c.imprint(u, 1)) })
	c.refused(1, order.ErrTooFewSignatures, func(u *Unit) error { return u.SetAdministrators(named(3), c.imprint(u, 1)) })
	for want, list := range map[error]order.Administrators{
		order.ErrThreshold:               listOf(t, 3, 4, 1),
		order.ErrRevocationThreshold:     listOf(t, 3, 1, 4),
		order.ErrThresholdZero:           listOf(t, 3, 0, 1),
		order.ErrRevocationThresholdZero: listOf(t, 3, 1, 0),
	} {
		c.refused(1, want, func(u *Unit) error { return u.SetAdministrators(list, nil) })
	}
	if err := c.unit(1).SetAdministrators(c.list, c.imprint(c.unit(1), 2)); err != nil {
		t.Fatal(err)
	}
	c.refused(1, ErrNotImprint, func(u *Unit) error { return u.SetAdministrators(named(3), nil) })
	c.refused(1, ErrNotImprint, func(u *Unit) error { return u.Zeroize(nil) })
}
