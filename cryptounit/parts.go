package cryptounit

import (
	"crypto/subtle"
	"slices"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// LoadParts takes up key parts, each sealed on a workstation to this unit's
// importer key and signed by an administrator. They wait in the sealed file,
// the register staying Empty, until as many are there as the order names; then
// their XOR is loaded and the statement is `loaded`. Until then the statement
// is nil. For each part taken, or taken before and given again, there is a
// reply to its custodian. A unit that has loaded states so again and replies
// to nobody: what the parts were is gone.
func (u *Unit) LoadParts(evidence *order.Evidence, envelopes []order.Envelope) (*order.SignedStatement, []order.SignedPartReply, error) {
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
	s := &order.Statement{Kind: order.Loaded, Order: record.Digest, Pattern: u.content.Open.Pattern}
	if !s.Pattern.IsZero() {
		signed, err := u.stated(s, func(*content) error { return nil })
		return &signed, nil, err
	}
	taken := make([]masterkey.Pattern, len(envelopes))
	err = u.update(func(c *content) error {
		for i := range envelopes {
			var err error
			inSecret(func() { taken[i], err = c.takePart(record, &envelopes[i], u.oneCustodian) })
			if err != nil {
				return err
			}
		}
		if len(c.Open.Parts) < int(record.Order.Parts) {
			return nil
		}
		var err error
		inSecret(func() { err = c.combine(record) })
		s.Pattern = c.Open.Pattern
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	replies, err := u.content.replies(record, envelopes, taken)
	if err != nil || s.Pattern.IsZero() {
		return nil, replies, err
	}
	signed, err := u.content.sign(s)
	return &signed, replies, err
}

// replies tells each custodian what the unit took, and what waits by now.
func (c *content) replies(record *order.Record, envelopes []order.Envelope, taken []masterkey.Pattern) (replies []order.SignedPartReply, err error) {
	waiting := slices.Sorted(slices.Values(c.Open.Parts))
	for i, pattern := range taken {
		reply := &order.PartReply{
			Cluster: c.Cluster, Incarnation: c.Incarnation, Order: record.Digest, Unit: c.Number,
			Part: envelopes[i].Part, Pattern: pattern, Waiting: waiting,
		}
		signed, err := order.SignPartReply(reply, c.identityKey(), c.signature)
		if err != nil {
			return nil, err
		}
		replies = append(replies, *signed)
	}
	return replies, nil
}

// takePart adds a part to those that wait, and gives its pattern.
func (c *content) takePart(record *order.Record, e *order.Envelope, oneCustodian bool) (masterkey.Pattern, error) {
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
	value, err := c.openEnvelope(record.Order.Suite, e, info)
	if err != nil {
		return none, err
	}
	defer erase(value)
	pattern := masterkey.PatternOf(value)
	if again, err := c.judgePart(e.Part, value, pattern); again || err != nil {
		return pattern, err
	}
	if source := order.SKI(e.Source); list.Signature >= 2 && !oneCustodian && slices.Contains(c.Open.Sources, source) {
		return none, refuse(ErrPartSource, "part %d of %v", e.Part, source)
	}
	part, err := secretOf(value)
	if err != nil {
		return none, err
	}
	for len(c.Open.Sources) < len(c.parts) { // parts that an older release took
		c.Open.Sources = append(c.Open.Sources, order.SKI{})
	}
	c.parts, c.Open.Parts, c.Open.Sources = append(c.parts, part), append(c.Open.Parts, e.Part), append(c.Open.Sources, e.Source)
	return pattern, nil
}

// judgePart refuses a part that everyone would know or that one custodian would know the key by, and finds one that waits already.
func (c *content) judgePart(number uint32, value []byte, pattern masterkey.Pattern) (again bool, err error) {
	for i, waiting := range c.parts {
		same := subtle.ConstantTimeCompare(waiting.bytes, value) == 1
		switch {
		case c.Open.Parts[i] == number && same:
			return true, nil
		case c.Open.Parts[i] == number:
			return false, refuse(ErrPartWaits, "part %d", number)
		case same:
			return false, refuse(ErrPart, "part %d is part %d", number, c.Open.Parts[i])
		}
	}
	if subtle.ConstantTimeCompare(value, make([]byte, masterkey.Size)) == 1 {
		return false, refuse(ErrPart, "part %d", number)
	}
	if pattern == c.Registers.CurrentPattern && !pattern.IsZero() {
		return false, refuse(masterkey.ErrSameAsCurrent, "part %d", number)
	}
	return false, nil
}

// combine loads the XOR of all parts. A result that is all zero, the current
// key, or not what another unit loaded is refused: the part that made it so is
// not taken.
func (c *content) combine(record *order.Record) error {
	value := make([]byte, masterkey.Size)
	defer erase(value)
	for _, part := range c.parts {
		subtle.XORBytes(value, value, part.bytes)
	}
	if subtle.ConstantTimeCompare(value, make([]byte, masterkey.Size)) == 1 {
		return refuse(ErrPart, "the parts cancel out")
	}
	pattern := masterkey.PatternOf(value)
	if other, err := record.Pattern(); err == nil && other != pattern {
		return refuse(ErrPartsDiffer, "another crypto unit loaded %v", other)
	}
	return c.load(value, pattern)
}
