package cryptounit

import (
	"bytes"
	"crypto/subtle"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

func cardSuites() []order.Suite { return []order.Suite{order.SuiteRSA, order.SuiteECDH} }

// cardParts is an order by two parts that travel as cards seal them.
func cardParts(c *cast, kind order.Kind, suite order.Suite) *story {
	c.t.Helper()
	return c.begin(kind, func(o *order.Order) {
		o.Generator, o.Parts, o.Commit, o.Activate, o.Suite = 0, 2, order.Signed, order.Signed, suite
	}).accept()
}

// TestPartsFromCardsAreLoaded, over a crash after each part, and what their importer key was made of is gone afterwards.
func TestPartsFromCardsAreLoaded(t *testing.T) {
	for _, suite := range cardSuites() {
		t.Run(suite.String(), func(t *testing.T) {
			c := newCast(t, 1, 0)
			s := cardParts(c, order.Init, suite)
			accepted := bytes.Clone(c.unit(1).content.Open.Importer)
			whole := make([]byte, masterkey.Size)
			for i, v := range [][]byte{value(3), value(90)} {
				subtle.XORBytes(whole, whole, v)
				c.crash(1)
				if again := s.take(1, func(u *Unit) (order.SignedStatement, error) { return u.Accept(s.evidence.Order) }); !bytes.Equal(again.Importer, accepted) {
					t.Fatal("after a crash the unit states another importer key")
				}
				seed := c.unit(1).content.importer
				s.gives(1, uint32(i+1), v, administratorKeys()[i])
				if i == 1 && seed.region != nil {
					t.Error("what the importer key is made of is not erased")
				}
			}
			u := c.unit(1).content
			if u.Registers.NewPattern != masterkey.PatternOf(whole) {
				t.Errorf("loaded %v", u.Registers.NewPattern)
			}
			if u.importer != nil || len(u.Open.Importer) > 0 || len(u.Open.Private) > 0 {
				t.Error("the unit still keeps its importer key")
			}
		})
	}
}

// TestAnEnvelopeIsOfTheOrdersSuite, and of this order's importer key: one of an earlier order of the same unit opens nothing.
func TestAnEnvelopeIsOfTheOrdersSuite(t *testing.T) {
	for _, suite := range cardSuites() {
		t.Run(suite.String(), func(t *testing.T) {
			c := newCast(t, 1, 0)
			custodian := administratorKeys()[0]
			load := func(s *story, e order.Envelope) func(*Unit) error {
				return func(u *Unit) error { _, _, err := u.LoadParts(&s.evidence, []order.Envelope{e}); return err }
			}
			s := cardParts(c, order.Init, suite)
			earlier := s.part(1, 1, value(1), custodian)
			other := earlier
			for _, o := range append(cardSuites(), order.SuiteHPKE) {
				if o == suite {
					continue
				}
				other.Suite, other.Sealed = o, sealedSize(o, earlier.Sealed)
				s.resign(&other, custodian)
				c.refused(1, ErrEnvelope, load(s, other))
			}
			cancelled := c.cancel(s, 1)
			s.take(1, func(u *Unit) (order.SignedStatement, error) { return u.ClearNew(cancelled) })
			if open := c.unit(1).content.Open; len(open.Private) > 0 || c.unit(1).content.importer != nil {
				t.Error("after a cancel the unit still keeps its importer key")
			}

			s = cardParts(c, order.Init, suite)
			c.refused(1, ErrEnvelope, load(s, earlier))
			earlier.Order = s.digest()
			c.refused(1, order.ErrInvalidSignature, load(s, earlier))
			s.resign(&earlier, custodian)
			c.refused(1, ErrEnvelope, load(s, earlier))
			changed := s.part(1, 1, value(1), custodian)
			changed.Sealed = bytes.Clone(changed.Sealed)
			changed.Sealed[len(changed.Sealed)-1] ^= 1
			c.refused(1, order.ErrInvalidSignature, load(s, changed))
			s.resign(&changed, custodian)
			c.refused(1, ErrEnvelope, load(s, changed))
			c.refused(1, ErrPart, load(s, s.part(1, 1, make([]byte, masterkey.Size), custodian)))
		})
	}
}

// sealedSize gives what is sealed the size that a suite asks for.
func sealedSize(suite order.Suite, sealed []byte) []byte {
	if suite == order.SuiteHPKE {
		return sealed
	}
	b := make([]byte, map[order.Suite]int{order.SuiteRSA: 512, order.SuiteECDH: 173}[suite])
	copy(b, sealed)
	return b
}

// resign has a custodian sign an envelope whose bytes were changed.
func (s *story) resign(e *order.Envelope, custodian order.KeySigner) {
	s.t.Helper()
	u := s.unit(e.Unit).content
	context := order.EnvelopeContext{
		Cluster: s.cluster, Order: s.digest(), Source: e.Source, Target: u.self, Importer: u.Open.Importer, Part: e.Part,
	}
	info, err := context.Info()
	if err != nil {
		s.t.Fatal(err)
	}
	if err := e.SignAsAdministrator(info, custodian); err != nil {
		s.t.Fatal(err)
	}
}

// TestAnotherCustodiansSealedPartIsNoPartOfOnesOwn: these suites do not bind what is sealed to who sealed it, so that one can
// sign it as another part; then two parts are equal, which is refused.
func TestAnotherCustodiansSealedPartIsNoPartOfOnesOwn(t *testing.T) {
	for _, suite := range cardSuites() {
		c := newCast(t, 1, 0)
		s := cardParts(c, order.Init, suite)
		first := s.part(1, 1, value(1), administratorKeys()[0])
		stolen := s.part(1, 2, value(2), administratorKeys()[1])
		stolen.Sealed = first.Sealed
		s.resign(&stolen, administratorKeys()[1])
		c.refused(1, ErrPart, func(u *Unit) error {
			_, _, err := u.LoadParts(&s.evidence, []order.Envelope{first, stolen})
			return err
		})
	}
}

// TestKeysAreServedWhileAnImporterKeyIsMade: an RSA key takes a second or two, and nobody who uses keys waits for it.
func TestKeysAreServedWhileAnImporterKeyIsMade(t *testing.T) {
	c := initialised(t, 1, 1)
	blob := c.mustBlob(1, c.header(1, UseRoot, order.KMS))
	s := c.begin(order.Rotate, func(o *order.Order) {
		o.Generator, o.Parts, o.Commit, o.Activate, o.Suite = 0, 2, order.Signed, order.Signed, order.SuiteRSA
	})
	done := make(chan error, 1)
	go func() {
		_, err := c.unit(1).Accept(s.evidence.Order)
		done <- err
	}()
	for served := 0; ; served++ {
		select {
		case err := <-done:
			if err != nil || served < 100 {
				t.Errorf("%d keys were used meanwhile, %v", served, err)
			}
			return
		default:
			if _, _, err := c.unit(1).Wrap(blob, []byte("data"), nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}
