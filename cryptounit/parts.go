package cryptounit

import (
	"crypto/subtle"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// LoadParts takes up key parts, each sealed on a workstation to this unit's
// importer key and signed by an administrator. They wait in the sealed file,
// the register staying Empty, until as many are there as the order names; then
// their XOR is loaded and the statement is `loaded`. Until then the statement
// is nil. It returns the verification patterns of the parts taken, for their
// custodians; a unit that has loaded states so again and returns none.
func (u *Unit) LoadParts(evidence *order.Evidence, envelopes []order.Envelope) (*order.SignedStatement, []masterkey.Pattern, error) {
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return nil, nil, u.stopped
	}
	record, err := u.content.verified(evidence, order.StepLoad)
	if err != nil {
		return nil, nil, err
	}
	if record.Order.Generator != 0 {
		return nil, nil, refuse(order.ErrWrongKind, "its key comes from crypto unit %d", record.Order.Generator)
	}
	var patterns []masterkey.Pattern
	s := &order.Statement{Kind: order.Loaded, Order: record.Digest, Pattern: u.content.Open.Pattern}
	if !s.Pattern.IsZero() { // loaded before: what the parts were is gone
		signed, err := u.stated(s, func(*content) error { return nil })
		return &signed, nil, err
	}
	whole := false
	err = u.update(func(c *content) error {
		for i := range envelopes {
			var p masterkey.Pattern
			var err error
			inSecret(func() { p, err = c.takePart(record, &envelopes[i]) })
			if err != nil {
				return err
			}
			patterns = append(patterns, p)
		}
		if whole = len(c.Open.Parts) == int(record.Order.Parts); !whole {
			return nil
		}
		var err error
		inSecret(func() { err = c.combine() })
		s.Pattern = c.Open.Pattern
		return err
	})
	if err != nil || !whole {
		return nil, patterns, err
	}
	signed, err := u.content.sign(s)
	return &signed, patterns, err
}

func (c *content) takePart(record *order.Record, e *order.Envelope) (masterkey.Pattern, error) {
	none := masterkey.Pattern{}
	list, err := c.administrators()
	if err != nil {
		return none, err
	}
	if c.importer == nil {
		return none, refuse(ErrImporterKey, "it is erased")
	}
	if e.Part == 0 || e.Part > record.Order.Parts || e.Unit != c.Number || e.Order != record.Digest {
		return none, refuse(ErrEnvelope, "it is part %d for crypto unit %d of order %v", e.Part, e.Unit, e.Order)
	}
	self, _ := record.Order.Unit(c.Number)
	context := c.envelopeContext(record, e.Source, self, c.Open.Importer, none)
	context.Part = e.Part
	info, err := context.Info()
	if err != nil {
		return none, err
	}
	if err := e.VerifyAdministrator(info, list); err != nil {
		return none, err
	}
	value, err := c.openEnvelope(e, info)
	if err != nil {
		return none, err
	}
	defer erase(value)
	pattern := masterkey.PatternOf(value)
	for i, waiting := range c.parts {
		same := subtle.ConstantTimeCompare(waiting.bytes, value) == 1
		if c.Open.Parts[i] == e.Part && same {
			return pattern, nil // the same again
		}
		if c.Open.Parts[i] == e.Part || same {
			return none, refuse(ErrPart, "part %d", e.Part)
		}
	}
	if subtle.ConstantTimeCompare(value, make([]byte, masterkey.Size)) == 1 {
		return none, refuse(ErrPart, "part %d", e.Part)
	}
	part, err := secretOf(value)
	if err != nil {
		return none, err
	}
	c.parts, c.Open.Parts = append(c.parts, part), append(c.Open.Parts, e.Part)
	return pattern, nil
}

// combine loads the XOR of all parts. An all-zero or current result is
// refused: the part that made it so is not taken.
func (c *content) combine() error {
	value := make([]byte, masterkey.Size)
	defer erase(value)
	for _, part := range c.parts {
		subtle.XORBytes(value, value, part.bytes)
	}
	if subtle.ConstantTimeCompare(value, make([]byte, masterkey.Size)) == 1 {
		return refuse(ErrPart, "the parts cancel out")
	}
	return c.load(value, masterkey.PatternOf(value))
}
