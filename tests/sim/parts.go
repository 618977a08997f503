package main

import (
	"context"
	"crypto/hpke"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// custody is what custodians gave units under an order with key parts.
type custody struct {
	parts uint32
	given map[uint32][][]byte // values that were sealed, by the part's number
	spoil bool                // a wrong part was taken: the order is cancelled
}

// byParts: in some worlds some master keys come in parts.
func (w *world) byParts(arg uint64) bool { return w.liars == nil && w.seed%4 == 2 && arg%3 != 0 }

// inParts makes a rotation one with key parts.
func inParts(o *order.Order, arg uint64) {
	o.Generator, o.Parts, o.Commit, o.Activate = 0, 2+uint32(arg%2), order.Signed, order.Signed
}

// custodyOf is that of an order, empty at first; nil: its key does not come in parts.
func (w *world) custodyOf(o *order.Order) *custody {
	if o == nil || !o.Kind.StaysOpen() || o.Generator != 0 {
		return nil
	}
	digest := digestOf(o)
	if w.facts.custody[digest] == nil {
		w.facts.custody[digest] = &custody{parts: o.Parts, given: map[uint32][][]byte{}}
	}
	return w.facts.custody[digest]
}

// combines: the key of a pattern is made of values that custodians gave, one of each number.
func (c *custody) combines(p masterkey.Pattern) bool {
	return c.from(1, make([]byte, masterkey.Size), p)
}

func (c *custody) from(number uint32, so []byte, p masterkey.Pattern) bool {
	if number > c.parts {
		return masterkey.PatternOf(so) == p
	}
	for _, value := range c.given[number] {
		next := make([]byte, masterkey.Size)
		subtle.XORBytes(next, so, value)
		if c.from(number+1, next, p) {
			return true
		}
	}
	return false
}

// valueOf is a custodian's part of an order; a wrong one is another.
func (w *world) valueOf(digest order.Digest, number uint32, wrong uint64) []byte {
	b := binary.BigEndian.AppendUint64(digest[:], w.seed)
	sum := sha256.Sum256(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint32(b, number), wrong))
	return sum[:]
}

// deliver has custodians bring parts to a unit that has not loaded: one, or all of them. Now and then one brings a wrong part, or
// what another brought.
func (n *node) deliver(view *fsm.View, arg uint64) error {
	w, record := n.world, view.Record()
	c := w.custodyOf(record.Order)
	numbers := record.Order.Loaders()
	for i := range numbers {
		unit := numbers[(uint64(i)+arg)%uint64(len(numbers))]
		m := w.nodes[unit-1]
		if record.Said(order.Loaded, unit) != nil || !m.hears() || !m.serves() || m.workers[reporting] != nil {
			continue
		}
		first, most := uint32(arg/4%uint64(c.parts)), c.parts
		if arg%2 == 0 {
			most = 1
		}
		for j := range most {
			number := (first+j)%c.parts + 1
			value, wrong := w.valueOf(record.Digest, number, 0), arg/16%16 == 1
			switch {
			case wrong:
				value = w.valueOf(record.Digest, number, arg)
			case arg/16%16 == 2:
				value = w.valueOf(record.Digest, 1, 0)
				wrong = number != 1
			}
			if err := n.brings(m, record, number, value, wrong); err != nil {
				return err
			}
		}
		return nil
	}
	return nil
}

// brings seals a part to a unit, and waits until its node has answered, or will not.
func (n *node) brings(m *node, record *order.Record, number uint32, value []byte, wrong bool) error {
	w := n.world
	envelope, err := w.admins.seal(record, m.number, number, value)
	if err != nil || m.process == nil || m.workers[reporting] != nil {
		return err
	}
	c := w.custodyOf(record.Order)
	c.given[number] = append(c.given[number], value)
	process := m.process
	m.work(reporting, func() {
		reply, _, err := process.speaker.LoadPart(context.Background(), *envelope)
		switch {
		case err == nil && reply != nil:
			said, err := reply.Verify(order.Identity(m.identity))
			if err != nil || said.Part != number || said.Pattern != masterkey.PatternOf(value) {
				w.facts.parted = errors.Join(err, violated("a custodian hears what the unit took", "unit %d replies %+v to part %d", m.number, said, number))
			}
			c.spoil = c.spoil || wrong
		case errors.Is(err, cryptounit.ErrPartsDiffer), errors.Is(err, cryptounit.ErrPartWaits):
			c.spoil = true // a wrong one is among them, here or there
		}
	})
	w.await(func() bool { return m.process != process || m.workers[reporting] == nil }, nil)
	return w.facts.parted
}

// seal is what a custodian's workstation does.
func (a *administrators) seal(record *order.Record, unit, number uint32, value []byte) (*order.Envelope, error) {
	source, err := order.SKIOf(a.key.Public())
	if err != nil {
		return nil, err
	}
	target, _ := record.Order.Unit(unit)
	about := order.EnvelopeContext{
		Cluster: record.Order.Cluster, Order: record.Digest, Source: source, Target: target.Identity,
		Importer: record.Said(order.Ready, unit).Importer, Part: number,
	}
	info, err := about.Info()
	if err != nil {
		return nil, err
	}
	key, err := hpke.MLKEM768X25519().NewPublicKey(about.Importer)
	if err != nil {
		return nil, err
	}
	e := &order.Envelope{Suite: order.SuiteHPKE, Order: record.Digest, Unit: unit, Part: number, Source: source}
	if e.Sealed, err = hpke.Seal(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, value); err != nil {
		return nil, err
	}
	return e, e.SignAsAdministrator(info, a.key)
}

// awaitsParts: custodians or the quorum have something to do.
func (w *world) awaitsParts(view *fsm.View, r fsm.Rotation) bool {
	return r.Plan.Generator == 0 && r.State == fsm.StateLoading || r.Plan.SignedCommit && r.State == fsm.StateCommitting && view.Record().Approved(order.StepCommit) == nil
}

// spoilt: the units came to different keys, or will.
func (w *world) spoiltParts(view *fsm.View, r fsm.Rotation) bool {
	c := w.facts.custody[order.Digest(r.Order)]
	return c != nil && c.spoil && r.State < fsm.StateRewrapping
}
