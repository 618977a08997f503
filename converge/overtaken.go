package converge

import (
	"context"
	"fmt"
	"slices"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// overtaken is the rotation that this unit has open although the state went on to a later one: it was silent when that ended, and
// was left behind.
func (c *Converger) overtaken(view *fsm.View, last fsm.Rotation) (fsm.Rotation, bool, error) {
	open := fsm.Digest(c.unit.Status().OpenOrder)
	if open == (fsm.Digest{}) || open == last.Order {
		return fsm.Rotation{}, false, nil
	}
	all, err := view.Rotations()
	if err != nil {
		return fsm.Rotation{}, false, err
	}
	at := slices.IndexFunc(all, func(r fsm.Rotation) bool { return r.Order == open })
	if at < 0 || all[at].State.Open() {
		return fsm.Rotation{}, false, nil // of another cluster, or not as this node has it: the unit says what is wrong
	}
	return all[at], true, nil
}

// catchUp has the unit end an order as that ended for the others, and tells the state what the unit then is. Its statement comes
// too late to be awaited; a report does not.
func (c *Converger) catchUp(ctx context.Context, view *fsm.View, r fsm.Rotation) error {
	evidence, err := evidenceOf(view, r)
	if err != nil {
		return err
	}
	return c.speaker.Alone(func() error {
		if _, err := c.ending(r, evidence)(evidence); err != nil {
			return fmt.Errorf("order %d, which was %v without this unit: %w", r.Number, r.State, err)
		}
		return c.speaker.propose(ctx)
	})
}

// ending is the last step of an order.
func (c *Converger) ending(r fsm.Rotation, evidence *order.Evidence) func(*order.Evidence) (order.SignedStatement, error) {
	o, err := evidence.Order.Decode()
	switch {
	case r.Flipped == 0:
		return c.unit.ClearNew
	case err == nil && o.Kind == order.Init && o.Generator == 0:
		return c.unit.SetImmediate
	}
	return c.unit.Activate
}
