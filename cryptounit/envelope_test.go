package cryptounit

import (
	"bytes"
	"errors"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// FuzzEnvelope: whatever is handed to a unit as an envelope is refused, unless it is the one that was published, and
// changes nothing. Behind the signature, whatever is handed to HPKE opens to nothing but what was sealed.
func FuzzEnvelope(f *testing.F) {
	c := newCast(f, 1, 1)
	s := c.begin(order.Init, nil).accept().generate()
	u, good := c.unit(1), s.envelopes[1]
	record, err := u.content.verified(&s.evidence, order.StepLoad)
	if err != nil {
		f.Fatal(err)
	}
	pattern, err := record.Pattern()
	if err != nil {
		f.Fatal(err)
	}
	info, err := u.content.checkEnvelope(record, &good, pattern)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint8(order.SuiteHPKE), uint32(1), uint32(0), good.Sealed, good.Signature)
	f.Add(uint8(order.SuiteHPKE), uint32(1), uint32(1), good.Sealed, good.Signature)
	f.Add(uint8(0), uint32(2), uint32(0), good.Sealed[:len(good.Sealed)-1], good.Signature[1:])
	f.Add(uint8(order.SuiteHPKE), uint32(1), uint32(0), []byte{}, []byte{})
	f.Fuzz(func(t *testing.T, suite uint8, unit, part uint32, sealed, signature []byte) {
		e := order.Envelope{Suite: order.Suite(suite), Order: good.Order, Unit: unit, Part: part, Source: good.Source, Sealed: sealed, Signature: signature}
		value, err := u.content.openEnvelope(order.SuiteHPKE, &e, info)
		switch {
		case err != nil && !errors.Is(err, ErrEnvelope):
			t.Fatalf("%v is no ErrEnvelope", err)
		case err == nil && (!bytes.Equal(sealed, good.Sealed) || masterkey.PatternOf(value) != pattern):
			t.Fatalf("%x opens to another key", sealed)
		}
		if e.Suite == good.Suite && unit == good.Unit && part == good.Part && bytes.Equal(sealed, good.Sealed) && bytes.Equal(signature, good.Signature) {
			return
		}
		before := u.Status()
		if _, err := u.Load(&s.evidence, e); err == nil {
			t.Fatalf("%+v was loaded", e)
		}
		if _, _, err := u.LoadParts(&s.evidence, []order.Envelope{e}); err == nil {
			t.Fatalf("%+v was loaded as a part", e)
		}
		if after := u.Status(); after.Generation != before.Generation || after.Registers != before.Registers {
			t.Fatalf("a refusal changed the unit from %+v to %+v", before, after)
		}
	})
}
