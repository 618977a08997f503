package cryptounit

import (
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// administrators returns the unit's own list; refused in imprint mode.
func (c *content) administrators() (*order.Administrators, error) {
	list, err := order.DecodeAdministrators(c.Administrators)
	if err != nil {
		return nil, err
	}
	if list.Imprint() {
		return nil, ErrImprint
	}
	return list, nil
}

// SetAdministrators gives a unit in imprint mode its administrators and
// thresholds, signed for this unit by as many of them as the new signature
// threshold asks (order.SignedAdministrators). With thresholds of 0 it stays
// in imprint mode: administrators are named one by one, and nothing signs yet.
func (u *Unit) SetAdministrators(list order.Administrators, signatures []order.Signature) error {
	der, err := list.Encode()
	if err != nil {
		return err
	}
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return u.stopped
	}
	if _, err := u.content.administrators(); err == nil {
		if string(u.content.Administrators) == string(der) {
			return nil // the same again, after a lost answer
		}
		return ErrNotImprint
	}
	signed := order.SignedAdministrators{Administrators: der, Signatures: signatures}
	if _, err := signed.VerifyFor(u.content.identityKey()); err != nil {
		return err
	}
	return u.update(func(c *content) error {
		c.Administrators = der
		return nil
	})
}

// ChangeAdministrators carries out an order of kind administrators. The same
// order again is success.
func (u *Unit) ChangeAdministrators(signed order.SignedOrder) error {
	u.control.Lock()
	defer u.control.Unlock()
	o, err := signed.Decode()
	if err != nil {
		return err
	}
	if u.stopped != nil {
		return u.stopped
	}
	if o.Kind == order.Administration && u.content.LastOrder == o.Number && string(u.content.Administrators) == string(o.Subject.Administrators) {
		return nil
	}
	if o, err = u.content.authorised(signed, order.Administration); err != nil {
		return err
	}
	if next, err := order.DecodeAdministrators(o.Subject.Administrators); err != nil || next.Imprint() {
		return refuse(order.ErrThresholdZero, "only zeroizing brings imprint mode back")
	}
	return u.update(func(c *content) error {
		c.Administrators, c.LastOrder = o.Subject.Administrators, o.Number
		return nil
	})
}

// DestroyRetired carries out an order of kind destroy-retired. The same order
// again is success.
func (u *Unit) DestroyRetired(signed order.SignedOrder) error {
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return u.stopped
	}
	o, err := signed.Decode()
	if err != nil {
		return err
	}
	if o.Kind == order.DestroyRetired && u.content.LastOrder == o.Number && !u.content.retains(o.Subject.Pattern) {
		return nil
	}
	if o, err = u.content.authorised(signed, order.DestroyRetired); err != nil {
		return err
	}
	return u.update(func(c *content) error {
		c.LastOrder = o.Number
		for i := len(c.Retired) - 1; i >= 0; i-- { // an operational unit keeps none
			if c.Retired[i].Pattern == o.Subject.Pattern {
				c.Retired = append(c.Retired[:i:i], c.Retired[i+1:]...)
				c.retired = append(c.retired[:i:i], c.retired[i+1:]...)
			}
		}
		return nil
	})
}

// authorised checks an order that is done in one step.
func (c *content) authorised(signed order.SignedOrder, kind order.Kind) (*order.Order, error) {
	list, err := c.administrators()
	if err != nil {
		return nil, err
	}
	o, err := signed.Verify(list)
	if err != nil {
		return nil, err
	}
	if o.Kind != kind {
		return nil, refuse(ErrOrderForeign, "it is of kind %v, not %v", o.Kind, kind)
	}
	if err := c.mine(o); err != nil {
		return nil, err
	}
	if c.openDigest() != (order.Digest{}) {
		return nil, ErrOrderOpen
	}
	if o.Number <= c.LastOrder {
		return nil, refuse(ErrOrderNumber, "%d, the last is %d", o.Number, c.LastOrder)
	}
	return o, nil
}

// ClearCurrent empties the current register, by an approval of the quorum for
// this unit at its present generation.
func (u *Unit) ClearCurrent(approval order.SignedApproval) error {
	return u.approved(approval, order.StepClearCurrent, func(c *content) error {
		registers, err := c.Registers.Apply(masterkey.ClearCurrent, masterkey.Pattern{})
		if err != nil {
			return err
		}
		c.Registers, c.current = registers, nil
		return nil
	})
}

// Zeroize clears everything and gives the unit a fresh identity: without an
// approval in imprint mode, by the quorum's otherwise.
func (u *Unit) Zeroize(approval *order.SignedApproval) error {
	wipe := func(c *content) error {
		fresh, err := blank(c.Number, c.Role, c.Generation)
		if err != nil {
			return err
		}
		*c = *fresh
		return nil
	}
	if approval != nil {
		return u.approved(*approval, order.StepZeroize, wipe)
	}
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return u.stopped
	}
	if _, err := u.content.administrators(); err == nil {
		return ErrNotImprint
	}
	return u.update(wipe)
}

// approved makes a change that a quorum approved for this very unit, once.
func (u *Unit) approved(signed order.SignedApproval, step order.Step, change func(*content) error) error {
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return u.stopped
	}
	list, err := u.content.administrators()
	if err != nil {
		return err
	}
	a, err := signed.Verify(list)
	if err != nil {
		return err
	}
	if a.Step != step || a.Unit != u.content.identityKey() || a.Generation != u.content.Generation {
		return refuse(ErrOrderForeign, "the approval is for %v of unit %v at generation %d", a.Step, a.Unit, a.Generation)
	}
	return u.update(change)
}
