package node

import (
	"context"

	"tumbler/cryptounit/order"
)

// zeroize clears this node's unit, by the approval of its administrators or, in imprint mode, without one, and answers with
// the report of what it is then: a new unit. The state keeps the former one until an order removes that.
func (c *calls) zeroize(ctx context.Context, from uint32, body []byte) ([]byte, error) {
	var approval *order.SignedApproval
	if len(body) > 0 {
		var err error
		if approval, err = order.DecodeSignedApproval(body); err != nil {
			return nil, err
		}
	}
	former := c.unit.Status().Identity
	if err := c.unit.Zeroize(approval); err != nil {
		return nil, err
	}
	c.log.Warn("the crypto unit was zeroized: it is a new one", "former", former.String(), "identity", c.unit.Status().Identity.String(), "asked_by_node", from)
	if enrolled, err := c.enrolled(); err != nil || !enrolled {
		if err := c.speaker.Register(ctx); err != nil {
			c.log.Warn("the new crypto unit could not register yet", "error", err)
		}
	}
	report, err := c.unit.Report()
	if err != nil {
		return nil, err
	}
	return report.Encode()
}

// enrolled: the state has this node's number as a unit of the instance.
func (c *calls) enrolled() (bool, error) {
	view, err := c.store.View()
	if err != nil {
		return false, err
	}
	defer view.Close()
	u, known := view.Unit(c.config.Number)
	return known && u.IsEnrolled(), nil
}

// Zeroize hands an approval to a unit, and gives its report afterwards.
func (c *calls) Zeroize(ctx context.Context, number uint32, approval []byte) ([]byte, error) {
	report, err := c.cluster.Call(ctx, number, callZeroize, approval)
	return report, across(err)
}
