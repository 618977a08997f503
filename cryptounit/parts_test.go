package cryptounit

import (
	"crypto/hpke"
	"crypto/subtle"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// parts is an init by two key parts.
func parts(c *cast, kind order.Kind, count uint32) *story {
	c.t.Helper()
	return c.begin(kind, func(o *order.Order) {
		o.Generator, o.Parts, o.Commit, o.Activate = 0, count, order.Signed, order.Signed
	}).accept()
}

// part seals a part to a unit, as a custodian's workstation does.
func (s *story) part(n, number uint32, value []byte, custodian order.KeySigner) order.Envelope {
	s.t.Helper()
	target, _ := s.order.Unit(n)
	var importer []byte
	for i := range s.evidence.Statements {
		said, err := s.evidence.Statements[i].Decode()
		if err != nil {
			s.t.Fatal(err)
		}
		if said.Kind == order.Ready && said.Unit == n {
			importer = said.Importer
		}
	}
	source, err := order.SKIOf(custodian.Public())
	if err != nil {
		s.t.Fatal(err)
	}
	context := order.EnvelopeContext{
		Cluster: s.cluster, Order: s.digest(), Source: source, Target: target.Identity, Importer: importer, Part: number,
	}
	info, err := context.Info()
	if err != nil {
		s.t.Fatal(err)
	}
	key, err := kem().NewPublicKey(importer)
	if err != nil {
		s.t.Fatal(err)
	}
	sealed, err := hpke.Seal(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, value)
	if err != nil {
		s.t.Fatal(err)
	}
	e := order.Envelope{Suite: order.SuiteHPKE, Order: s.digest(), Unit: n, Part: number, Source: source, Sealed: sealed}
	if err := e.SignAsAdministrator(info, custodian); err != nil {
		s.t.Fatal(err)
	}
	return e
}

func value(b byte) []byte {
	v := make([]byte, masterkey.Size)
	for i := range v {
		v[i] = b + byte(i)
	}
	return v
}

func TestKeyPartsWaitUntilAllAreThere(t *testing.T) {
	c := newCast(t, 2, 0)
	s := parts(c, order.Init, 3)
	values := [][]byte{value(1), value(70), value(140)}
	whole := make([]byte, masterkey.Size)
	for _, v := range values {
		subtle.XORBytes(whole, whole, v)
	}
	want := masterkey.PatternOf(whole)
	for _, n := range []uint32{1, 2} {
		for i, v := range values {
			e := s.part(n, uint32(i+1), v, administratorKeys()[i])
			for range 2 { // the same again is success
				said, patterns, err := s.unit(n).LoadParts(&s.evidence, []order.Envelope{e})
				switch {
				case err != nil:
					t.Fatalf("part %d: %v", i+1, err)
				case (said != nil) != (i == 2):
					t.Fatalf("part %d: stated %v", i+1, said)
				case len(patterns) > 0 && patterns[0] != masterkey.PatternOf(v):
					t.Errorf("part %d has pattern %v", i+1, patterns)
				}
				if said != nil {
					s.evidence.Statements = append(s.evidence.Statements, *said)
				}
				c.crash(n)
			}
			if loaded := c.unit(n).Status().Registers.New != masterkey.NewEmpty; loaded != (i == 2) {
				t.Errorf("unit %d after part %d: loaded is %v", n, i+1, loaded)
			}
		}
		if got := c.unit(n).Status().Registers.NewPattern; got != want {
			t.Errorf("unit %d loaded %v, not %v", n, got, want)
		}
		if u := c.unit(n).content; len(u.parts) > 0 || u.importer != nil {
			t.Errorf("unit %d still keeps the parts or the importer key", n)
		}
	}
	s.evidence.Approvals = []order.SignedApproval{
		c.approve(order.Approval{Step: order.StepCommit, Order: s.digest(), Pattern: want}, 2),
		c.approve(order.Approval{Step: order.StepSetImmediate, Order: s.digest(), Pattern: want}, 1),
	}
	s.crashes = true
	s.commit()
	for _, n := range []uint32{1, 2} {
		s.take(n, func(u *Unit) (order.SignedStatement, error) { return u.SetImmediate(&s.evidence) })
	}
	c.sameRegisters(masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: want, New: masterkey.NewEmpty})
}

func TestKeyPartsThatEveryoneWouldKnowAreRefused(t *testing.T) {
	c := newCast(t, 2, 0)
	s := parts(c, order.Init, 2)
	custodians := administratorKeys()
	load := func(envelopes ...order.Envelope) func(*Unit) error {
		return func(u *Unit) error { _, _, err := u.LoadParts(&s.evidence, envelopes); return err }
	}
	c.refused(1, ErrPart, load(s.part(1, 1, make([]byte, masterkey.Size), custodians[0])))
	c.refused(1, ErrPart, load(s.part(1, 1, value(1), custodians[0]), s.part(1, 2, value(1), custodians[1])))
	c.refused(1, ErrPart, load(s.part(1, 1, value(1), custodians[0]), s.part(1, 1, value(2), custodians[1])))
	c.refused(1, ErrEnvelope, load(s.part(2, 1, value(1), custodians[0])))
	c.refused(1, ErrEnvelope, load(s.part(1, 3, value(1), custodians[0])))
	c.refused(1, order.ErrUnauthorised, load(s.part(1, 1, value(1), custodians[3])))
	stolen := s.part(1, 1, value(1), custodians[0])
	stolen.Sealed = s.part(1, 1, value(2), custodians[0]).Sealed
	c.refused(1, order.ErrInvalidSignature, load(stolen))

	three := newCast(t, 1, 0)
	s = parts(three, order.Init, 3)
	third := make([]byte, masterkey.Size)
	subtle.XORBytes(third, value(1), value(2))
	three.refused(1, ErrPart, load(
		s.part(1, 1, value(1), custodians[0]), s.part(1, 2, value(2), custodians[1]), s.part(1, 3, third, custodians[2])))
}

func TestPartsOfTheCurrentKeyAreRefused(t *testing.T) {
	c := newCast(t, 1, 0)
	s := parts(c, order.Init, 2)
	custodians := administratorKeys()
	envelopes := func() []order.Envelope {
		return []order.Envelope{s.part(1, 1, value(1), custodians[0]), s.part(1, 2, value(9), custodians[1])}
	}
	said, _, err := c.unit(1).LoadParts(&s.evidence, envelopes())
	if err != nil {
		t.Fatal(err)
	}
	s.evidence.Statements = append(s.evidence.Statements, *said)
	p := c.unit(1).Status().Registers.NewPattern
	s.evidence.Approvals = []order.SignedApproval{
		c.approve(order.Approval{Step: order.StepCommit, Order: s.digest(), Pattern: p}, 2),
		c.approve(order.Approval{Step: order.StepActivate, Order: s.digest(), Pattern: p}, 1),
	}
	s.commit().activate()
	s = parts(c, order.Rotate, 2)
	c.refused(1, masterkey.ErrSameAsCurrent, func(u *Unit) error { _, _, err := u.LoadParts(&s.evidence, envelopes()); return err })
}

func TestPartsAreOfAnOrderWithParts(t *testing.T) {
	c := newCast(t, 1, 1)
	s := c.begin(order.Init, nil).accept().generate()
	c.refused(1, order.ErrWrongKind, func(u *Unit) error {
		_, _, err := u.LoadParts(&s.evidence, []order.Envelope{s.part(1, 1, value(1), administratorKeys()[0])})
		return err
	})
}
