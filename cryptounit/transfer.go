package cryptounit

import (
	"tumbler/cryptounit/importer"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// Generate draws the new master key into the new register (for a recover: takes
// the existing one), seals it to the importer key of every unit that loads, and
// states `generated`. Once done, the same envelopes are given again.
func (u *Unit) Generate(evidence *order.Evidence) (order.SignedStatement, []order.Envelope, error) {
	u.control.Lock()
	defer u.control.Unlock()
	none := order.SignedStatement{}
	if u.stopped != nil {
		return none, nil, u.stopped
	}
	record, err := u.content.verified(evidence, order.StepGenerate)
	if err != nil {
		return none, nil, err
	}
	if err := u.content.peers(record); err != nil {
		return none, nil, err
	}
	if u.content.Open.Activated { // its envelopes are erased
		return none, nil, ErrActivated
	}
	s := &order.Statement{Kind: order.Generated, Order: record.Digest}
	var envelopes []order.Envelope
	signed, err := u.stated(s, func(c *content) error {
		if c.Open.Pattern.IsZero() {
			var err error
			inSecret(func() { err = c.draw(record, u.now().Unix()) })
			if err != nil {
				return err
			}
		}
		s.Pattern = c.Open.Pattern
		for _, der := range c.Open.Envelopes {
			e, err := order.DecodeEnvelope(der)
			if err != nil {
				return err
			}
			digest, err := e.Digest()
			if err != nil {
				return err
			}
			s.Envelopes = append(s.Envelopes, order.EnvelopeName{Unit: e.Unit, Digest: digest})
			envelopes = append(envelopes, *e)
		}
		return nil
	})
	return signed, envelopes, err
}

// peers refuses to seal to a unit whose report does not show this unit's own
// administrators and thresholds.
func (c *content) peers(record *order.Record) error {
	for _, n := range record.Order.Participants() {
		ready := record.Said(order.Ready, n)
		if string(ready.Report.Administrators) != string(c.Administrators) {
			return refuse(ErrPeer, "crypto unit %d", n)
		}
		if n == c.Number && string(ready.Importer) != string(c.Open.Importer) && len(c.Open.Importer) > 0 {
			return refuse(ErrImporterKey, "crypto unit %d", n)
		}
	}
	return nil
}

// draw takes the key that the order is about and seals it for all.
func (c *content) draw(record *order.Record, now int64) error {
	if record.Order.Kind == order.Recover {
		return c.sealRecovered(record, now)
	}
	value := make([]byte, masterkey.Size)
	defer erase(value)
	random(madeMasterKey, value)
	pattern := masterkey.PatternOf(value)
	registers, err := c.Registers.Apply(masterkey.Load, pattern)
	if err != nil {
		return err
	}
	if err := c.sealAll(record, value, pattern); err != nil {
		return err
	}
	if c.next, err = secretOf(value); err != nil {
		return err
	}
	c.Registers, c.importer = registers, nil
	c.Open.Importer = nil
	return nil
}

// sealRecovered seals the key that the order names. A source that has it as a retired key takes it as its current one, if it is
// the instance's: so it is after a restore, and the instance's next rotation needs every unit to hold it.
func (c *content) sealRecovered(record *order.Record, now int64) error {
	p := record.Order.Subject.Pattern
	source := c.current
	if source == nil || c.Registers.CurrentPattern != p {
		source = nil
		for i, r := range c.Retired {
			if r.Pattern == p {
				source = c.retired[i]
			}
		}
	}
	if source == nil {
		return refuse(ErrRetired, "%v", p)
	}
	if err := c.sealAll(record, source.bytes, p); err != nil {
		return err
	}
	c.importer, c.Open.Importer, c.Open.Sealed = nil, nil, true
	if source == c.current || p != record.Order.Current {
		return nil
	}
	return c.turnTo(p, now)
}

func (c *content) sealAll(record *order.Record, value []byte, pattern masterkey.Pattern) error {
	c.Open.Pattern, c.Open.Envelopes = pattern, nil
	for _, n := range record.Order.Loaders() {
		target, _ := record.Order.Unit(n)
		context := c.envelopeContext(record, c.identityKey(), target, record.Said(order.Ready, n).Importer, pattern)
		info, err := context.Info()
		if err != nil {
			return err
		}
		key, err := importer.KEM().NewPublicKey(context.Importer)
		if err != nil {
			return refuse(ErrImporterKey, "of crypto unit %d: %v", n, err)
		}
		sealed, err := sealHPKE(key, info, value)
		if err != nil {
			return err
		}
		e := order.Envelope{Suite: order.SuiteHPKE, Order: record.Digest, Unit: n, Source: context.Source, Sealed: sealed}
		if err := e.SignAsUnit(info, c.signature); err != nil {
			return err
		}
		der, err := e.Encode()
		if err != nil {
			return err
		}
		c.Open.Envelopes = append(c.Open.Envelopes, der)
	}
	return nil
}

func (c *content) envelopeContext(record *order.Record, source [32]byte, target order.UnitRef, importer []byte, pattern masterkey.Pattern) order.EnvelopeContext {
	return order.EnvelopeContext{
		Cluster: record.Order.Cluster, Order: record.Digest, Source: source, Target: target.Identity, Importer: importer, Pattern: pattern,
	}
}

// Load opens the generator's envelope into the new register, erases the
// importer key, and states `loaded`.
func (u *Unit) Load(evidence *order.Evidence, envelope order.Envelope) (order.SignedStatement, error) {
	u.control.Lock()
	defer u.control.Unlock()
	none := order.SignedStatement{}
	if u.stopped != nil {
		return none, u.stopped
	}
	record, err := u.content.verified(evidence, order.StepLoad)
	if err != nil {
		return none, err
	}
	pattern, err := record.Pattern()
	if err != nil {
		return none, err
	}
	s := &order.Statement{Kind: order.Loaded, Order: record.Digest, Pattern: pattern}
	if u.content.Open.Pattern == pattern {
		return u.stated(s, func(*content) error { return nil })
	}
	info, err := u.content.checkEnvelope(record, &envelope, pattern)
	if err != nil {
		return none, err
	}
	return u.stated(s, func(c *content) (err error) {
		inSecret(func() { err = c.receive(&envelope, info, pattern) })
		return err
	})
}

// checkEnvelope: it is the very one that the generator named for this unit.
func (c *content) checkEnvelope(record *order.Record, e *order.Envelope, pattern masterkey.Pattern) ([]byte, error) {
	if c.importer == nil {
		return nil, refuse(ErrImporterKey, "it is erased")
	}
	generator, _ := record.Order.Unit(record.Order.Generator)
	digest, err := e.Digest()
	if err != nil {
		return nil, err
	}
	named := false
	for _, name := range record.Said(order.Generated, generator.Number).Envelopes {
		named = named || name.Unit == c.Number && name.Digest == digest
	}
	if !named || e.Unit != c.Number || e.Order != record.Digest || order.Identity(e.Source) != generator.Identity {
		return nil, refuse(ErrEnvelope, "crypto unit %d did not publish it for this unit and order", generator.Number)
	}
	self, _ := record.Order.Unit(c.Number)
	context := c.envelopeContext(record, e.Source, self, c.Open.Importer, pattern)
	info, err := context.Info()
	if err != nil {
		return nil, err
	}
	return info, e.VerifyUnit(info)
}

func (c *content) receive(e *order.Envelope, info []byte, pattern masterkey.Pattern) error {
	value, err := c.openEnvelope(order.SuiteHPKE, e, info)
	if err != nil {
		return err
	}
	defer erase(value)
	return c.load(value, pattern)
}

// load puts a value of the expected pattern into the new register.
func (c *content) load(value []byte, pattern masterkey.Pattern) error {
	if got := masterkey.PatternOf(value); got != pattern {
		return refuse(masterkey.ErrPatternMismatch, "the value is of %v, not %v", got, pattern)
	}
	registers, err := c.Registers.Apply(masterkey.Load, pattern)
	if err != nil {
		return err
	}
	if c.next, err = secretOf(value); err != nil {
		return err
	}
	c.Registers, c.Open.Pattern = registers, pattern
	c.importer, c.parts = nil, nil
	c.Open.Importer, c.Open.Private, c.Open.Parts, c.Open.Sources = nil, nil, nil, nil
	return nil
}
