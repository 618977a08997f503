package converge

import (
	"context"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// clearing empties the unit's current register, if the state has accepted that. An approval that the unit or its node refuses by
// now is spent all the same: the unit's file is written anew, so that nothing waits for it.
func (c *Converger) clearing(ctx context.Context, view *fsm.View) (acted bool, err error) {
	self, known := view.Unit(c.number)
	status := c.unit.Status()
	if !known || len(self.Clear) == 0 || self.Identity != fsm.Identity(status.Identity) {
		return false, nil
	}
	signed, err := order.DecodeSignedApproval(self.Clear)
	if err != nil {
		return false, err
	}
	return true, c.speaker.Alone(func() error {
		if c.unit.Status().Generation > self.Generation { // it is done, and the state does not know it yet
			return c.speaker.propose(ctx)
		}
		c.speaker.config.Hold("clear-current")
		err := c.speaker.config.Leave(ctx, func() error { return c.unit.ClearCurrent(*signed) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			c.speaker.config.Logger.Warn("the unit's current register is not emptied", "error", err)
			if err := c.unit.Reseal(); err != nil {
				c.speaker.config.Troubled(err)
				return err
			}
		} else {
			c.speaker.config.Logger.Warn("the unit's current register was emptied")
		}
		return c.speaker.propose(ctx)
	})
}
