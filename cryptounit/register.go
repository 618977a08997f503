package cryptounit

import (
	"slices"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// Commit fixes the loaded key and states `committed`.
func (u *Unit) Commit(evidence *order.Evidence) (order.SignedStatement, error) {
	return u.step(evidence, order.StepCommit, order.Committed, func(c *content) error {
		if c.Registers.New == masterkey.NewFullCommitted && c.Registers.NewPattern == c.Open.Pattern || c.Open.Activated {
			return nil
		}
		registers, err := c.Registers.Apply(masterkey.Commit, c.Open.Pattern)
		if err != nil {
			return err
		}
		c.Registers = registers
		return nil
	})
}

// Activate makes the committed key the current one, clears the new register,
// retires the former key where this is a recovery unit and the order says
// keep, and states `activated`.
func (u *Unit) Activate(evidence *order.Evidence) (order.SignedStatement, error) {
	return u.step(evidence, order.StepActivate, order.Activated, u.activate)
}

// rewrapped refuses evidence about fewer keys than this unit knows of, and about passes before those that it wrote: what was
// verified is signed, how much there was to verify, and in which pass, is not.
func (c *content) rewrapped(record *order.Record) error {
	for _, n := range c.Open.Notes {
		if n.Partition >= order.Partitions(record.Last) {
			return refuse(order.ErrCensus, "this unit rewrapped partition %d, which 1..%d does not have", n.Partition, record.Last)
		}
		later := func(s *order.Statement) bool {
			return s.Kind == order.Verified && s.Verification.Partition == n.Partition && s.Verification.Pass >= n.Pass
		}
		if !slices.ContainsFunc(record.Statements, later) {
			return &order.MissingError{Step: order.StepActivate, What: order.Verified, Partitions: []uint32{n.Partition}}
		}
	}
	return nil
}

// SetImmediate ends an init with key parts: the committed key goes to the
// Empty current register. It states `activated`.
func (u *Unit) SetImmediate(evidence *order.Evidence) (order.SignedStatement, error) {
	return u.step(evidence, order.StepSetImmediate, order.Activated, func(c *content) error {
		if !c.Open.Activated && c.Registers.Current != masterkey.CurrentEmpty {
			return masterkey.ErrCurrentNotEmpty
		}
		return u.activate(c)
	})
}

func (u *Unit) activate(c *content) error {
	if c.Open.Activated {
		return nil
	}
	registers, err := c.Registers.Apply(masterkey.Activate, c.Open.Pattern)
	if err != nil {
		return err
	}
	signed, err := order.DecodeSignedOrder(c.Open.Order)
	if err != nil {
		return err
	}
	o, err := signed.Decode()
	if err != nil {
		return err
	}
	if c.Role == order.Recovery && c.current != nil && o.Retire == order.Keep && !c.retains(c.Registers.CurrentPattern) {
		c.Retired = append(c.Retired, retiredKey{c.Registers.CurrentPattern, u.now().Unix()})
		c.retired = append(c.retired, c.current)
	}
	c.Registers, c.current, c.next, c.importer = registers, c.next, nil, nil
	c.Open.Activated, c.Open.Importer, c.Open.Envelopes, c.Open.Notes = true, nil, nil, nil
	return nil
}

// step takes a step of the open order and states it about the order's pattern.
func (u *Unit) step(evidence *order.Evidence, step order.Step, kind order.StatementKind, change func(*content) error) (order.SignedStatement, error) {
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return order.SignedStatement{}, u.stopped
	}
	record, err := u.content.verified(evidence, step)
	if err != nil {
		return order.SignedStatement{}, err
	}
	if u.content.Open.Pattern.IsZero() {
		return order.SignedStatement{}, refuse(masterkey.ErrNewEmpty, "nothing was loaded under this order")
	}
	if step == order.StepActivate {
		if err := u.content.rewrapped(record); err != nil {
			return order.SignedStatement{}, err
		}
	}
	return u.stated(&order.Statement{Kind: kind, Order: record.Digest, Pattern: u.content.Open.Pattern}, change)
}

// ClearNew ends an order that a signed cancel (in the evidence) names: the new
// register is cleared, the importer key erased, the order's number used, and
// `cleared` stated. A unit that never accepted the order marks it as used.
// Never once activated. The order and what ends it are all the evidence that it
// takes: a statement that somebody forged bars no cancel.
func (u *Unit) ClearNew(evidence *order.Evidence) (order.SignedStatement, error) {
	u.control.Lock()
	defer u.control.Unlock()
	none := order.SignedStatement{}
	if u.stopped != nil {
		return none, u.stopped
	}
	c := u.content
	list, err := c.administrators()
	if err != nil {
		return none, err
	}
	if evidence == nil {
		return none, refuse(order.ErrNotCancelled, "there is no evidence")
	}
	ending := order.Evidence{Order: evidence.Order, Cancel: evidence.Cancel}
	record, err := ending.Verify(list)
	if err != nil {
		return none, err
	}
	if err := order.Needs(order.StepClear, c.Number, record); err != nil {
		return none, err
	}
	if err := c.mine(record.Order); err != nil {
		return none, err
	}
	accepted := c.Open != nil && c.Open.Digest == record.Digest
	switch {
	case accepted && c.Open.Activated:
		return none, ErrActivated
	case !accepted && c.openDigest() != (order.Digest{}):
		return none, ErrOrderOpen
	case !accepted && record.Order.Number <= c.LastOrder:
		return none, refuse(ErrOrderNumber, "%d, the last is %d", record.Order.Number, c.LastOrder)
	}
	return u.stated(&order.Statement{Kind: order.Cleared, Order: record.Digest}, func(c *content) error {
		registers, err := c.Registers.Apply(masterkey.ClearNew, masterkey.Pattern{})
		if err != nil {
			return err
		}
		c.Registers, c.next, c.importer, c.parts = registers, nil, nil, nil
		c.Open = &openOrder{Digest: record.Digest, Cleared: true}
		// Not the cancel's own number: one administrator alone signs that, and a high one would bar every later order.
		c.LastOrder = max(c.LastOrder, record.Order.Number)
		if c.Cluster.IsZero() { // the statement is bound to the cluster of the order
			c.Cluster, c.Instance, c.Incarnation = record.Order.Cluster, record.Order.Instance, record.Order.Incarnation
		}
		return nil
	})
}
