package cryptounit

import (
	"crypto/ed25519"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// What a hostile host may tell its unit, one test a lie. The host has the whole log and the whole state, and may cut, repeat
// and reorder them; it has the keys of no unit and of no administrator. Two more of its lies are in refusal_test.go:
// TestTwoPatternsInOneOrderAreRefused and TestAFalseImporterKeyIsRefused.

// told is the evidence of a story with one thing changed.
func (s *story) told(change func(*order.Evidence)) *order.Evidence {
	e := s.evidence
	e.Statements = slices.Clone(e.Statements)
	change(&e)
	return &e
}

// asHost signs as who has no unit's key.
func asHost(b []byte) []byte {
	return ed25519.Sign(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), b)
}

// forged is a statement that the host made of a true one.
func (s *story) forged(signed order.SignedStatement, change func(*order.Statement)) order.SignedStatement {
	s.t.Helper()
	statement, err := signed.Decode()
	if err != nil {
		s.t.Fatal(err)
	}
	change(statement)
	forged, err := order.SignStatement(statement, signed.Identity, asHost)
	if err != nil {
		s.t.Fatal(err)
	}
	return *forged
}

func generating(e *order.Evidence) func(*Unit) error {
	return func(u *Unit) error { _, _, err := u.Generate(e); return err }
}

func committing(e *order.Evidence) func(*Unit) error {
	return func(u *Unit) error { _, err := u.Commit(e); return err }
}

func activating(e *order.Evidence) func(*Unit) error {
	return func(u *Unit) error { _, err := u.Activate(e); return err }
}

func clearing(e *order.Evidence) func(*Unit) error {
	return func(u *Unit) error { _, err := u.ClearNew(e); return err }
}

// written is a rotation whose blobs unit 1 has rewrapped, in one partition, and which nobody has verified yet.
func written(t *testing.T, keys int) (s *story, current, next [][]byte) {
	t.Helper()
	s, current = rewrapping(t, keys)
	next = s.rewrapPartition(1, 0, 1, current)
	s.evidence.Last, s.evidence.Census = uint64(keys), order.Counts{}.Count(order.KMS, uint64(keys))
	return s, current, next
}

func (s *story) verifiedBy(n, pass uint32, current, next [][]byte) {
	s.t.Helper()
	s.take(n, func(u *Unit) (order.SignedStatement, error) {
		return s.verify(u, uint64(len(current)), 0, pass, current, next)
	})
}

func TestAStateThatSaysVerifiedActivatesNothing(t *testing.T) {
	s, current, next := written(t, 2)
	committed := s.evidence.Statements[len(s.evidence.Statements)-3] // of unit 2
	verified := s.forged(committed, func(said *order.Statement) {
		said.Kind, said.Pattern = order.Verified, masterkey.Pattern{}
		said.Verification = &order.Verification{Pass: 1, Last: 2, Counts: s.evidence.Census}
	})
	under := func(signed order.SignedStatement, change func(*order.SignedStatement)) *order.Evidence {
		change(&signed)
		return s.told(func(e *order.Evidence) { e.Statements = append(e.Statements, signed) })
	}
	for name, refusal := range map[string]struct {
		evidence *order.Evidence
		want     error
	}{
		"signed by the host":               {under(verified, func(*order.SignedStatement) {}), order.ErrStatementSignature},
		"under an identity of the host":    {under(verified, func(v *order.SignedStatement) { v.Identity = hostIdentity() }), order.ErrStatementSignature},
		"under a signature of the unit":    {under(verified, func(v *order.SignedStatement) { v.Signature = committed.Signature }), order.ErrStatementSignature},
		"of a unit that the host made up":  {under(s.forged(verified, func(v *order.Statement) { v.Unit = 9 }), func(*order.SignedStatement) {}), order.ErrForeignEvidence},
		"that nothing was there to rewrap": {s.told(func(e *order.Evidence) { e.Last, e.Census = 0, order.Counts{} }), order.ErrCensus},
		"and has no statement to show":     {&s.evidence, order.ErrMissing},
		"that all was set aside by nobody": {s.told(func(e *order.Evidence) { e.Settles = []order.SignedOrder{s.settling(s, 0)} }), order.ErrTooFewSignatures},
	} {
		t.Run(name, func(t *testing.T) { s.refused(1, refusal.want, activating(refusal.evidence)) })
	}
	s.verifiedBy(2, 1, current, next)
	s.activate()
}

func hostIdentity() (id order.Identity) {
	copy(id[:], ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public().(ed25519.PublicKey))
	return id
}

// settling is an order that sets blob 1 aside.
func (c *cast) settling(s *story, signers int) order.SignedOrder {
	c.t.Helper()
	o := c.draft(order.Settle)
	o.Subject.Order, o.Subject.OrderNumber = s.digest(), s.order.Number
	o.Subject.Blobs = []order.BlobName{{Number: 1, Class: order.KMS, Digest: order.Digest{1}}}
	return c.sign(o, signers)
}

func TestAVerifiedOfAnotherRotationActivatesNothing(t *testing.T) {
	former, current, next := written(t, 1)
	former.verifiedBy(2, 1, current, next)
	verified := former.evidence.Statements[len(former.evidence.Statements)-1]
	cancelled := former.cancel(former, 1)
	for n := range former.units {
		former.take(uint32(n+1), func(u *Unit) (order.SignedStatement, error) { return u.ClearNew(cancelled) })
	}
	s := former.committed()
	s.rewrapPartition(1, 0, 1, current)
	s.evidence.Last, s.evidence.Census = former.evidence.Last, former.evidence.Census
	s.refused(1, order.ErrForeignEvidence, activating(s.told(func(e *order.Evidence) { e.Statements = append(e.Statements, verified) })))
	s.refused(1, ErrNoOrder, activating(&former.evidence))
}

// TestAVerifiedOfAnEarlierPassActivatesNothing: a pass begins anew because what the one before wrote is not there any more.
func TestAVerifiedOfAnEarlierPassActivatesNothing(t *testing.T) {
	s, current, next := written(t, 2)
	s.verifiedBy(2, 1, current, next)
	next = s.rewrapPartition(3, 0, 2, current)
	s.refused(3, order.ErrMissing, activating(&s.evidence))
	s.verifiedBy(2, 2, current, next)
	s.activate()
}

func TestAnImporterKeyOfTheHostIsSealedNothing(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept()
	var open openOrder
	if _, err := newImporter(order.SuiteHPKE, &open); err != nil {
		t.Fatal(err)
	}
	swapped := s.forged(s.evidence.Statements[0], func(ready *order.Statement) { ready.Importer = open.Importer })
	c.refused(3, order.ErrStatementSignature, generating(s.told(func(e *order.Evidence) { e.Statements[0] = swapped })))
	c.refused(3, order.ErrStatementSignature, generating(s.told(func(e *order.Evidence) { e.Statements = append(e.Statements, swapped) })))
}

// TestStatementsReplayedStandForNoOthers: said twice is said once, and by one.
func TestStatementsReplayedStandForNoOthers(t *testing.T) {
	c := initialised(t, 2, 1)
	s := c.begin(order.Rotate, nil).accept()
	repeated := func(from int) *order.Evidence { // the last one is missing, the others are there twice
		return s.told(func(e *order.Evidence) {
			last := len(e.Statements) - 1
			e.Statements = append(e.Statements[:last], e.Statements[from:last]...)
		})
	}
	c.refused(3, order.ErrMissing, generating(repeated(0)))
	s.generate().load()
	c.refused(1, order.ErrMissing, committing(repeated(0)))
	s.commit()
	c.refused(1, order.ErrMissing, activating(repeated(6)))
	// `loaded` again, under the name of `committed`.
	renamed := s.told(func(e *order.Evidence) {
		loaded := e.Statements[4]
		said, err := loaded.Decode()
		if err != nil {
			t.Fatal(err)
		}
		said.Kind = order.Committed
		if loaded.Statement, err = said.Encode(); err != nil {
			t.Fatal(err)
		}
		e.Statements[len(e.Statements)-1] = loaded
	})
	c.refused(1, order.ErrStatementSignature, activating(renamed))
}

// TestStatementsReorderedSayNoMoreAndNoLess: a step asks what was said, not when.
func TestStatementsReorderedSayNoMoreAndNoLess(t *testing.T) {
	s, current, next := written(t, 1)
	reversed := func() *order.Evidence {
		return s.told(func(e *order.Evidence) { slices.Reverse(e.Statements) })
	}
	s.refused(1, order.ErrMissing, activating(reversed()))
	s.verifiedBy(2, 1, current, next)
	s.take(1, func(u *Unit) (order.SignedStatement, error) { return u.Activate(reversed()) })
}

// TestAnOrderReplayedIsRefused: each is accepted once, and none after a later one.
func TestAnOrderReplayedIsRefused(t *testing.T) {
	c := initialised(t, 1, 1)
	unused := c.begin(order.Rotate, nil)
	list := listOf(t, 4, 2, 2)
	der, err := list.Encode()
	if err != nil {
		t.Fatal(err)
	}
	o := c.draft(order.Administration)
	o.Subject.Administrators = der
	change := c.sign(o, 2)
	s := c.committed().activate()
	for _, n := range []uint32{1, 2} {
		for _, former := range []order.SignedOrder{s.evidence.Order, unused.evidence.Order} {
			c.refused(n, ErrOrderNumber, func(u *Unit) error { _, err := u.Accept(former); return err })
		}
		c.refused(n, ErrOrderNumber, func(u *Unit) error { return u.ChangeAdministrators(change) })
	}
}

// cloned is a copy of the cluster: the same units and keys again, changed in what tells them apart, if anything does.
func (c *cast) cloned(change func(*content)) *cast {
	c.t.Helper()
	clone := unopened(c.t, len(c.units)-1, 1)
	for n := range clone.units {
		file := mustRead(c.t, c.file(uint32(n+1)))
		if err := os.WriteFile(filepath.Join(clone.configs[n].Dir, stateName), file, 0o600); err != nil {
			c.t.Fatal(err)
		}
		clone.open(uint32(n + 1))
		change(clone.units[n].content)
	}
	clone.number = c.number
	return clone
}

func TestAnOrderOfACloneIsRefused(t *testing.T) {
	c := initialised(t, 2, 1)
	clone := c.cloned(func(u *content) { u.Incarnation = 2 })
	theirs := clone.begin(order.Rotate, func(o *order.Order) { o.Incarnation = 2 }).accept()
	c.refused(1, ErrOrderForeign, func(u *Unit) error { _, err := u.Accept(theirs.evidence.Order); return err })
	c.refused(1, ErrOrderForeign, clearing(clone.cancelAs(theirs, 2)))
	s := c.begin(order.Rotate, nil).accept()
	c.refused(3, ErrNoOrder, generating(&theirs.evidence))
	c.refused(3, order.ErrForeignEvidence, generating(s.told(func(e *order.Evidence) { e.Statements[0] = theirs.evidence.Statements[0] })))
	for _, end := range []*order.SignedOrder{clone.cancelAs(theirs, 2).Cancel, clone.restored(theirs, 2).Cancel} {
		c.refused(1, order.ErrForeignEvidence, clearing(s.told(func(e *order.Evidence) { e.Cancel = end })))
	}
}

// cancelAs is a cancel signed by all for an order of another incarnation.
func (c *cast) cancelAs(s *story, incarnation uint64) *order.Evidence {
	c.t.Helper()
	o := c.draft(order.Cancel)
	o.Incarnation, o.Subject.Order, o.Subject.OrderNumber = incarnation, s.digest(), s.order.Number
	signed := c.sign(o, 2)
	evidence := s.evidence
	evidence.Cancel = &signed
	return &evidence
}

func TestABatchOfAnotherRotationIsRefused(t *testing.T) {
	former, current, formerNext := written(t, 2)
	v, err := former.unit(2).NewVerifier(former.digest(), 2, 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	cancelled := former.cancel(former, 1)
	for n := range former.units {
		former.take(uint32(n+1), func(u *Unit) (order.SignedStatement, error) { return u.ClearNew(cancelled) })
	}
	s := former.committed()
	s.refused(1, ErrNoOrder, func(u *Unit) error { return u.BeginPartition(former.digest(), 0, 1) })
	s.refused(1, ErrNoOrder, func(u *Unit) error { _, err := u.Rewrap(former.digest(), 0, 1, current); return err })
	s.refused(2, ErrNoOrder, func(*Unit) error { _, err := v.Finish(); return err })
	s.refused(2, ErrNoOrder, func(u *Unit) error { _, err := u.NewVerifier(former.digest(), 2, 0, 1); return err })
	// What was noted under the former order is not this one's.
	s.refused(1, ErrPartition, func(u *Unit) error { _, err := u.Rewrap(s.digest(), 0, 1, current); return err })
	s.notRewrapped(formerNext)
	s.refused(2, ErrBlob, func(u *Unit) error { _, err := s.verify(u, 2, 0, 1, current, formerNext); return err })
}

// notRewrapped fails if unit 3 rewraps any of these.
func (s *story) notRewrapped(blobs [][]byte) {
	s.t.Helper()
	if err := s.unit(3).BeginPartition(s.digest(), 0, 1); err != nil {
		s.t.Fatal(err)
	}
	result, err := s.unit(3).Rewrap(s.digest(), 0, 1, blobs)
	if err != nil || len(result.Failed) != len(blobs) || result.Counts != (order.Counts{}) {
		s.t.Errorf("of %d it rewrapped %v, %v", len(blobs), result.Counts, err)
	}
}

// TestABatchOfACloneIsRefused: a copy of the cluster has gone on to a master key of its own.
func TestABatchOfACloneIsRefused(t *testing.T) {
	c := initialised(t, 3, 1)
	current := [][]byte{c.mustBlob(1, c.header(1, UseRoot, order.KMS))}
	clone := c.cloned(func(*content) {})
	theirs := clone.committed()
	theirNext := theirs.rewrap(current, order.Counts{}.Count(order.KMS, 1))
	theirs.activate()
	later := [][]byte{clone.mustBlob(1, clone.header(2, UseRoot, order.KMS))}
	s := c.committed()
	s.notRewrapped(theirNext)
	s.notRewrapped(later)
	s.refused(2, ErrBlob, func(u *Unit) error { _, err := s.verify(u, 1, 0, 1, current, theirNext); return err })
	s.refused(2, ErrBlob, func(u *Unit) error { _, err := s.verify(u, 1, 0, 1, later, theirNext); return err })
	// Of another instance, under the very same master key.
	other := s.cloned(func(u *content) { u.Instance = order.ID{9} })
	header := c.header(3, UseRoot, order.KMS)
	header.Instance = order.ID{9}
	s.notRewrapped([][]byte{other.mustBlob(1, header)})
}

func TestNothingIsActivatedEarly(t *testing.T) {
	c := initialised(t, 2, 1)
	s := c.begin(order.Rotate, nil)
	early := func(want error) {
		t.Helper()
		for _, n := range []uint32{1, 3} {
			c.refused(n, want, activating(&s.evidence))
		}
	}
	early(ErrNoOrder)
	s.accept()
	early(order.ErrMissing)
	s.generate()
	early(order.ErrMissing)
	s.load()
	early(order.ErrMissing)
	s.take(1, func(u *Unit) (order.SignedStatement, error) { return u.Commit(&s.evidence) })
	early(order.ErrMissing)
	s.commit()
	s.evidence.Last, s.evidence.Census = 1, order.Counts{}.Count(order.KMS, 1)
	early(order.ErrMissing)
	// The other way in is for an init with key parts.
	c.refused(1, order.ErrWrongKind, func(u *Unit) error { _, err := u.SetImmediate(&s.evidence); return err })
}

func TestNothingIsClearedAfterTheFlip(t *testing.T) {
	c := initialised(t, 2, 1)
	approval := order.Approval{Step: order.StepClearCurrent, Unit: c.unit(1).Status().Identity, Generation: c.unit(1).Status().Generation}
	before := c.approve(approval, 2)
	s := c.committed().activate()
	cancelled, restored := c.cancel(s, 2), c.restored(s, 1)
	for range 2 {
		c.refused(1, ErrActivated, clearing(cancelled))
		c.refused(1, ErrActivated, clearing(restored))
		c.crash(1)
	}
	// Signed for the unit as it was before.
	c.refused(1, ErrOrderForeign, func(u *Unit) error { return u.ClearCurrent(before) })
	next := c.committed()
	c.refused(1, ErrOrderOpen, clearing(cancelled))
	next.activate()
	c.refused(1, ErrOrderNumber, clearing(cancelled))
}

// restored has the story ended by an order that restores its cluster.
func (c *cast) restored(s *story, incarnation uint64) *order.Evidence {
	c.t.Helper()
	o := c.draft(order.Restore)
	o.Incarnation, o.Subject = incarnation, order.Subject{Archive: order.Digest{1}, Incarnation: incarnation + 1, Units: o.Units[:1]}
	signed := c.sign(o, 2)
	evidence := s.evidence
	evidence.Cancel = &signed
	return &evidence
}
