package cryptounit

import (
	"testing"

	"tumbler/cryptounit/order"
)

// TestEvidenceOfAnotherOrderProvesNothing puts what was rightly signed under one rotation into the evidence of the next.
func TestEvidenceOfAnotherOrderProvesNothing(t *testing.T) {
	c := initialised(t, 2, 1)
	signed := func(o *order.Order) { o.Commit = order.Signed }
	former := c.begin(order.Rotate, signed).accept().generate().load()
	approved := c.approve(order.Approval{Step: order.StepCommit, Order: former.digest(), Pattern: c.unit(1).Status().Registers.NewPattern}, 2)
	cancelled := c.cancel(former, 1)
	for _, u := range c.units {
		if _, err := u.ClearNew(cancelled); err != nil {
			t.Fatal(err)
		}
	}
	s := c.begin(order.Rotate, signed).accept()
	with := func(change func(e *order.Evidence)) *order.Evidence {
		e := s.evidence
		e.Statements = append([]order.SignedStatement(nil), e.Statements...)
		change(&e)
		return &e
	}
	generate := func(e *order.Evidence) func(*Unit) error {
		return func(u *Unit) error { _, _, err := u.Generate(e); return err }
	}
	c.refused(3, order.ErrForeignEvidence, generate(with(func(e *order.Evidence) { e.Statements[0] = former.evidence.Statements[0] })))
	// The former order itself, with all that belongs to it.
	c.refused(3, ErrNoOrder, generate(&former.evidence))
	c.refused(1, ErrNoOrder, func(u *Unit) error { _, err := u.Load(&former.evidence, former.envelopes[1]); return err })
	s.generate()
	// The former envelope, and the present one renamed to the former order.
	c.refused(1, ErrEnvelope, func(u *Unit) error { _, err := u.Load(&s.evidence, former.envelopes[1]); return err })
	moved := s.envelopes[1]
	moved.Order = former.digest()
	c.refused(1, ErrEnvelope, func(u *Unit) error { _, err := u.Load(&s.evidence, moved); return err })
	s.load()
	commit := func(e *order.Evidence) func(*Unit) error {
		return func(u *Unit) error { _, err := u.Commit(e); return err }
	}
	c.refused(1, order.ErrForeignEvidence, commit(with(func(e *order.Evidence) { e.Approvals = []order.SignedApproval{approved} })))
	c.refused(1, order.ErrMissing, commit(&s.evidence))
}

// TestAStatementIsOfAUnitThatTheOrderNames: a unit that left, or one of another cluster, has no say.
func TestAStatementIsOfAUnitThatTheOrderNames(t *testing.T) {
	c := newCast(t, 2, 1)
	stranger := newCast(t, 4, 0)
	other := stranger.begin(order.Init, func(o *order.Order) { o.Generator = 1 }).accept()
	s := c.begin(order.Init, nil).accept()
	say := func(change func(*order.Statement)) order.SignedStatement {
		ready, err := other.evidence.Statements[0].Decode()
		if err != nil {
			t.Fatal(err)
		}
		ready.Order = s.digest()
		change(ready)
		signed, err := order.SignStatement(ready, stranger.unit(1).Status().Identity, stranger.unit(1).content.signature)
		if err != nil {
			t.Fatal(err)
		}
		return *signed
	}
	for name, refusal := range map[string]struct {
		said order.SignedStatement
		want error
	}{
		"of a unit that the order does not name": {say(func(s *order.Statement) { s.Unit = 4 }), order.ErrForeignEvidence},
		"in the name of another unit":            {say(func(s *order.Statement) { s.Unit = 2 }), order.ErrStatementSignature},
	} {
		forged := s.evidence
		forged.Statements = append(append([]order.SignedStatement(nil), s.evidence.Statements...), refusal.said)
		t.Run(name, func(t *testing.T) {
			c.refused(3, refusal.want, func(u *Unit) error { _, _, err := u.Generate(&forged); return err })
		})
	}
	for name, change := range map[string]func(*order.Statement){
		"of another cluster":     func(s *order.Statement) { s.Cluster[3] ^= 1 },
		"of another incarnation": func(s *order.Statement) { s.Incarnation++ },
	} {
		ready, err := s.evidence.Statements[0].Decode()
		if err != nil {
			t.Fatal(err)
		}
		change(ready)
		signed, err := order.SignStatement(ready, c.unit(1).Status().Identity, c.unit(1).content.signature)
		if err != nil {
			t.Fatal(err)
		}
		forged := s.evidence
		forged.Statements = append([]order.SignedStatement{*signed}, s.evidence.Statements[1:]...)
		t.Run(name, func(t *testing.T) {
			c.refused(3, order.ErrForeignEvidence, func(u *Unit) error { _, _, err := u.Generate(&forged); return err })
		})
	}
}
