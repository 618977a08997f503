package converge

import (
	"context"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// standing is the next order that this unit carries out by itself: its enrolment, another list of administrators, the end of
// a retired key. They are desired state, as registers are: a unit that was down comes to them one by one, by their numbers.
func (c *Converger) standing(view *fsm.View) (fsm.OrderRecord, bool, error) {
	none := fsm.OrderRecord{}
	self, known := view.Unit(c.number)
	status := c.unit.Status()
	if !known || !self.IsEnrolled() || self.Identity != fsm.Identity(status.Identity) {
		return none, false, nil
	}
	enrolled, err := view.Order(self.Enrolled)
	if err != nil {
		return none, false, err
	}
	for from := max(status.LastOrder+1, enrolled.Number); ; {
		record, waits, err := view.Standing(from)
		if err != nil || !waits {
			return none, false, err
		}
		if record.Kind != order.Enrol.String() || record.Digest == self.Enrolled {
			return record, true, nil
		}
		from = record.Number + 1 // it enrols others
	}
}

// carryOut has the unit do an order, and tells the state what it then is.
func (c *Converger) carryOut(ctx context.Context, record fsm.OrderRecord) error {
	signed, err := order.DecodeSignedOrder(record.Order)
	if err != nil {
		return err
	}
	o, err := signed.Decode()
	if err != nil {
		return err
	}
	return c.speaker.Alone(func() error {
		switch o.Kind { //nolint:exhaustive // the state has no other among its standing orders
		case order.Enrol:
			err = c.unit.Enrol(*signed, record.Administrators)
		case order.Administration:
			err = c.unit.ChangeAdministrators(*signed)
		case order.DestroyRetired:
			err = c.unit.DestroyRetired(*signed)
		}
		if err != nil {
			return err
		}
		return c.speaker.propose(ctx)
	})
}
