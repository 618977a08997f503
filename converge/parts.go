package converge

import (
	"context"
	"errors"
	"fmt"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// ErrNoPartsNow: the order is not the open one, or takes no key parts in its state.
var ErrNoPartsNow = errors.New("the order takes no key parts now")

// LoadPart has the unit take up a key part of the open order. After the last one the unit has loaded, which is stated before
// anything else is; if the state does not get to know, the converger states it again. There is no reply where the unit had
// loaded before.
func (s *Speaker) LoadPart(ctx context.Context, envelope order.Envelope) (reply *order.SignedPartReply, loaded bool, err error) {
	if err := s.config.Log.ReadIndex(ctx); err != nil {
		return nil, false, err
	}
	view, err := s.config.Store.View()
	if err != nil {
		return nil, false, err
	}
	defer view.Close()
	rotation, some := view.Rotation()
	if !some || rotation.Order != fsm.Digest(envelope.Order) || rotation.State < fsm.StateLoading || !rotation.State.Open() || rotation.State == fsm.StateCancelling {
		return nil, false, fmt.Errorf("%w: order %v", ErrNoPartsNow, envelope.Order)
	}
	evidence, err := evidenceOf(view, rotation)
	if err != nil {
		return nil, false, err
	}
	s.config.Hold(rotation.State.String())
	err = s.Alone(func() error {
		statement, replies, err := s.config.Unit.LoadParts(evidence, []order.Envelope{envelope})
		if err != nil {
			s.config.Troubled(err)
			return err
		}
		if len(replies) > 0 {
			reply = &replies[0]
		}
		if loaded = statement != nil; !loaded {
			return nil
		}
		if err := s.submit(ctx, *statement, nil); err != nil { // the part is in all the same
			s.config.Logger.Warn("the unit has loaded, and the state does not know it yet", "error", err)
			s.nudge()
		}
		return nil
	})
	return reply, loaded, err
}

// loadedParts: the unit has put the parts of the open order together, and the state could take its word. One that came to another
// key than the others did is left: its word would be refused for ever, and the order is to be cancelled.
func (c *Converger) loadedParts(rotation fsm.Rotation) bool {
	status := c.unit.Status()
	return status.OpenOrder == order.Digest(rotation.Order) && status.Registers.New != masterkey.NewEmpty &&
		(rotation.To == fsm.Pattern{} || rotation.To == fsm.Pattern(status.Registers.NewPattern))
}

// loadAgain states once more what the unit has loaded of key parts.
func (c *Converger) loadAgain(evidence *order.Evidence) (order.SignedStatement, error) {
	statement, _, err := c.unit.LoadParts(evidence, nil)
	if err != nil {
		return order.SignedStatement{}, err
	}
	return *statement, nil
}
