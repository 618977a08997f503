package cryptounit

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

func TestImprintModeRefusesWhatNeedsAdministrators(t *testing.T) {
	c := imprinted(t, 1, 1)
	s := c.begin(order.Init, nil)
	c.refused(1, ErrImprint, func(u *Unit) error { _, err := u.Accept(s.evidence.Order); return err })
	c.refused(1, ErrImprint, func(u *Unit) error { _, err := u.Commit(&s.evidence); return err })
	c.refused(1, ErrImprint, func(u *Unit) error { return u.ClearCurrent(order.SignedApproval{}) })
}

func TestAdministratorsAreSetOnceAndByTheirOwnThreshold(t *testing.T) {
	c := imprinted(t, 2, 0)
	c.refused(1, order.ErrTooFewSignatures, func(u *Unit) error { return u.SetAdministrators(c.list, c.imprint(u, 1)) })
	c.refused(1, order.ErrInvalidSignature, func(u *Unit) error { return u.SetAdministrators(c.list, c.imprint(c.unit(2), 2)) })
	set := func(u *Unit) error { return u.SetAdministrators(c.list, c.imprint(u, 2)) }
	if err := set(c.unit(1)); err != nil {
		t.Fatal(err)
	}
	if err := set(c.unit(1)); err != nil {
		t.Errorf("the same list again: %v", err)
	}
	c.refused(1, ErrNotImprint, func(u *Unit) error {
		c.list = listOf(t, 2, 1, 1)
		return set(u)
	})
}

// TestAnOrderIsRefused changes one thing in an order that would be accepted.
func TestAnOrderIsRefused(t *testing.T) {
	c := initialised(t, 2, 1)
	stranger := newCast(t, 1, 0)
	for _, refusal := range []struct {
		name    string
		want    error
		change  func(*order.Order)
		signers int
	}{
		{"of another cluster", ErrOrderForeign, func(o *order.Order) { o.Cluster = order.ID{9} }, 2},
		{"of another instance", ErrOrderForeign, func(o *order.Order) { o.Instance = order.ID{9} }, 2},
		{"of another incarnation", ErrOrderForeign, func(o *order.Order) { o.Incarnation = 2 }, 2},
		{"with a number used before", ErrOrderNumber, func(o *order.Order) { o.Number = 1 }, 2},
		{"that replaces another key", ErrOrderForeign, func(o *order.Order) { o.Current[0] ^= 1 }, 2},
		{"that came too late", ErrOrderExpired, func(o *order.Order) { o.NotAfter = c.now.Add(-time.Second) }, 2},
		{"for another list", order.ErrOtherAdministrators, func(o *order.Order) { o.Administrators[0] ^= 1 }, 2},
		{"that names another identity", ErrOrderForeign, func(o *order.Order) { o.Units[0].Identity = stranger.unit(1).Status().Identity }, 2},
		{"that gives it another role", ErrOrderForeign, func(o *order.Order) { o.Units[0].Role = order.Recovery }, 2},
		{"that does not name it", ErrOrderForeign, func(o *order.Order) { o.Units = o.Units[1:] }, 2},
		{"with too few signatures", order.ErrTooFewSignatures, func(*order.Order) {}, 1},
		{"that is an init of a unit with a key", masterkey.ErrCurrentNotEmpty, func(o *order.Order) { o.Kind, o.Current = order.Init, masterkey.Pattern{} }, 2},
		{"that recovers a unit with a key", masterkey.ErrCurrentNotEmpty, func(o *order.Order) {
			o.Kind, o.Subject.Pattern, o.Subject.Units = order.Recover, o.Current, o.Units[:1]
		}, 2},
		{"that does not stay open", ErrOrderForeign, func(o *order.Order) {
			o.Kind, o.Generator, o.Subject.Units = order.Enrol, 0, o.Units[:1]
		}, 2},
	} {
		t.Run(refusal.name, func(t *testing.T) {
			o := c.draft(order.Rotate)
			refusal.change(o)
			c.refused(1, refusal.want, func(u *Unit) error { _, err := u.Accept(c.sign(o, refusal.signers)); return err })
		})
	}
	t.Run("changed after it was signed", func(t *testing.T) {
		signed, o := c.sign(c.draft(order.Rotate), 2), c.draft(order.Rotate)
		der, err := o.Encode()
		if err != nil {
			t.Fatal(err)
		}
		signed.Order = der
		c.refused(1, order.ErrInvalidSignature, func(u *Unit) error { _, err := u.Accept(signed); return err })
	})
	t.Run("while another is open", func(t *testing.T) {
		c.begin(order.Rotate, nil).accept()
		c.refused(1, ErrOrderOpen, func(u *Unit) error { _, err := u.Accept(c.sign(c.draft(order.Rotate), 2)); return err })
		c.refused(1, ErrOrderOpen, func(u *Unit) error {
			o := c.draft(order.Administration)
			list, err := c.list.Encode()
			if err != nil {
				t.Fatal(err)
			}
			o.Subject.Administrators = list
			return u.ChangeAdministrators(c.sign(o, 2))
		})
	})
}

func TestAnAcceptedOrderNeverExpires(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept()
	c.now = c.now.Add(48 * time.Hour)
	s.accept().generate().load().commit().activate()
}

func TestOnlyTheGeneratorGenerates(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept()
	c.refused(1, order.ErrNotNamed, func(u *Unit) error { _, _, err := u.Generate(&s.evidence); return err })
}

func TestNothingIsGeneratedBeforeEveryUnitIsReady(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept()
	s.evidence.Statements = s.evidence.Statements[1:]
	c.refused(3, order.ErrMissing, func(u *Unit) error { _, _, err := u.Generate(&s.evidence); return err })
}

func TestAForgedStatementIsRefused(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept()
	forged := s.evidence
	forged.Statements = append([]order.SignedStatement(nil), s.evidence.Statements...)
	forged.Statements[0].Signature[5] ^= 1
	c.refused(3, order.ErrStatementSignature, func(u *Unit) error { _, _, err := u.Generate(&forged); return err })
	// Rightly signed, but by another unit.
	forged.Statements[0] = s.evidence.Statements[0]
	forged.Statements[0].Identity = c.unit(2).Status().Identity
	c.refused(3, order.ErrStatementSignature, func(u *Unit) error { _, _, err := u.Generate(&forged); return err })
}

func TestNoKeyIsSealedToAUnitWithOtherAdministrators(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept()
	mine := c.list
	c.list = listOf(t, 4, 1, 1)
	ready, err := s.evidence.Statements[0].Decode()
	if err != nil {
		t.Fatal(err)
	}
	if ready.Report.Administrators, err = c.list.Encode(); err != nil {
		t.Fatal(err)
	}
	c.list = mine
	lied, err := order.SignStatement(ready, c.unit(1).Status().Identity, c.unit(1).content.signature)
	if err != nil {
		t.Fatal(err)
	}
	s.evidence.Statements[0] = *lied
	c.refused(3, ErrPeer, func(u *Unit) error { _, _, err := u.Generate(&s.evidence); return err })
}

func TestAFalseImporterKeyIsRefused(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept()
	// The generator's own `ready`, with a key that it never made.
	ready, err := s.evidence.Statements[2].Decode()
	if err != nil {
		t.Fatal(err)
	}
	ready.Importer = bytes.Clone(ready.Importer)
	ready.Importer[7] ^= 1
	lied, err := order.SignStatement(ready, c.unit(3).Status().Identity, c.unit(3).content.signature)
	if err != nil {
		t.Fatal(err)
	}
	s.evidence.Statements[2] = *lied
	c.refused(3, ErrImporterKey, func(u *Unit) error { _, _, err := u.Generate(&s.evidence); return err })
}

func TestAnEnvelopeOpensWhereItWasPublishedForOnly(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept().generate()
	load := func(n uint32, e order.Envelope) func(*Unit) error {
		return func(u *Unit) error { _, err := u.Load(&s.evidence, e); return err }
	}
	c.refused(1, ErrEnvelope, load(1, s.envelopes[2]))
	changed := s.envelopes[1]
	changed.Sealed = bytes.Clone(changed.Sealed)
	changed.Sealed[len(changed.Sealed)-1] ^= 1
	c.refused(1, ErrEnvelope, load(1, changed))
	renamed := s.envelopes[2]
	renamed.Unit = 1
	c.refused(1, ErrEnvelope, load(1, renamed))
	// Its importer key is gone once it has loaded: the file alone never opens the envelope again.
	s.load()
	if u := c.unit(1).content; u.importer != nil || len(u.Open.Importer) > 0 {
		t.Error("the importer key is still there")
	}
	if u := c.unit(3).content; u.importer != nil {
		t.Error("the generator's importer key is still there")
	}
}

func TestTwoPatternsInOneOrderAreRefused(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept().generate()
	generated, err := s.evidence.Statements[3].Decode()
	if err != nil {
		t.Fatal(err)
	}
	s.load()
	// A generator that turned states another key for the same order.
	generated.Pattern = masterkey.PatternOf([]byte("another"))
	second, err := order.SignStatement(generated, c.unit(3).Status().Identity, c.unit(3).content.signature)
	if err != nil {
		t.Fatal(err)
	}
	alone := s.evidence
	alone.Statements = append(append([]order.SignedStatement(nil), s.evidence.Statements[:3]...), *second)
	c.refused(1, order.ErrTwoPatterns, func(u *Unit) error { _, err := u.Load(&alone, s.envelopes[1]); return err })
	both := s.evidence
	both.Statements = append(append([]order.SignedStatement(nil), s.evidence.Statements...), *second)
	c.refused(1, order.ErrTwoPatterns, func(u *Unit) error { _, err := u.Commit(&both); return err })
}

func TestAPatternThatTheEnvelopeDoesNotHoldIsRefused(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept().generate()
	generated, err := s.evidence.Statements[3].Decode()
	if err != nil {
		t.Fatal(err)
	}
	generated.Pattern = masterkey.PatternOf([]byte("another"))
	lied, err := order.SignStatement(generated, c.unit(3).Status().Identity, c.unit(3).content.signature)
	if err != nil {
		t.Fatal(err)
	}
	s.evidence.Statements[3] = *lied
	// The envelope's info names the pattern, so its signature fails first.
	c.refused(1, order.ErrStatementSignature, func(u *Unit) error { _, err := u.Load(&s.evidence, s.envelopes[1]); return err })
}

func TestNothingIsCommittedBeforeEveryUnitHasLoaded(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept().generate().load()
	s.evidence.Statements = s.evidence.Statements[:len(s.evidence.Statements)-1]
	c.refused(1, order.ErrMissing, func(u *Unit) error { _, err := u.Commit(&s.evidence); return err })
}

func TestASignedCommitWaitsForTheQuorum(t *testing.T) {
	c := initialised(t, 2, 1)
	s := c.begin(order.Rotate, func(o *order.Order) { o.Commit, o.Activate = order.Signed, order.Signed })
	s.accept().generate().load()
	commit := func(u *Unit) error { _, err := u.Commit(&s.evidence); return err }
	c.refused(1, order.ErrMissing, commit)
	b := c.unit(1).Status().Registers.NewPattern
	approval := order.Approval{Step: order.StepCommit, Order: s.digest(), Pattern: b}
	s.evidence.Approvals = []order.SignedApproval{c.approve(approval, 1)}
	c.refused(1, order.ErrTooFewSignatures, commit)
	s.evidence.Approvals = []order.SignedApproval{c.approve(approval, 2)}
	s.commit()
	c.refused(1, order.ErrMissing, func(u *Unit) error { _, err := u.Activate(&s.evidence); return err })
	s.evidence.Approvals = append(s.evidence.Approvals, c.approve(order.Approval{Step: order.StepActivate, Order: s.digest(), Pattern: b}, 1))
	s.activate()
}

func TestNothingIsActivatedBeforeAllIsVerified(t *testing.T) {
	c := initialised(t, 3, 1)
	blobs := [][]byte{c.mustBlob(1, c.header(1, UseRoot, order.KMS))}
	s := c.committed()
	activate := func(u *Unit) error { _, err := u.Activate(&s.evidence); return err }
	s.evidence.Last, s.evidence.Census = 1, order.Counts{}.Count(order.KMS, 1)
	c.refused(1, order.ErrMissing, activate)
	next := s.rewrap(blobs, s.evidence.Census)
	s.evidence.Census = s.evidence.Census.Count(order.EP11, 1)
	c.refused(1, order.ErrCensus, activate)
	s.evidence.Last = 2000
	c.refused(1, order.ErrCensus, activate)
	s.evidence.Last, s.evidence.Census = 1, order.Counts{}.Count(order.KMS, 1)
	s.activate()
	if err := c.unit(1).Check(next[0]); err != nil {
		t.Error(err)
	}
	// Never cleared once activated.
	c.refused(1, ErrActivated, func(u *Unit) error { _, err := u.ClearNew(c.cancel(s, 1)); return err })
}

func TestACancelOfAnotherOrderClearsNothing(t *testing.T) {
	c := initialised(t, 2, 1)
	first := c.begin(order.Rotate, nil)
	s := c.committed()
	clear := func(e *order.Evidence) func(*Unit) error {
		return func(u *Unit) error { _, err := u.ClearNew(e); return err }
	}
	c.refused(1, ErrOrderOpen, clear(c.cancel(first, 1)))
	swapped := s.evidence
	swapped.Cancel = c.cancel(first, 1).Cancel
	c.refused(1, order.ErrForeignEvidence, clear(&swapped))
	c.refused(1, order.ErrNotCancelled, clear(&s.evidence))
	c.refused(1, order.ErrTooFewSignatures, clear(c.cancel(s, 0)))
}

func TestSetImmediateIsForKeyPartsOnly(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept().generate().load().commit()
	c.refused(1, order.ErrWrongKind, func(u *Unit) error { _, err := u.SetImmediate(&s.evidence); return err })
}

func TestClearCurrentAndZeroizeAskForTheQuorumOnce(t *testing.T) {
	c := initialised(t, 2, 1)
	status := c.unit(1).Status()
	approval := order.Approval{Step: order.StepClearCurrent, Unit: status.Identity, Generation: status.Generation}
	clearCurrent := func(a order.SignedApproval) func(*Unit) error {
		return func(u *Unit) error { return u.ClearCurrent(a) }
	}
	zeroize := approval
	zeroize.Step = order.StepZeroize
	c.refused(1, order.ErrTooFewSignatures, clearCurrent(c.approve(approval, 1)))
	c.refused(2, ErrOrderForeign, clearCurrent(c.approve(approval, 2)))
	c.refused(1, ErrOrderForeign, clearCurrent(c.approve(zeroize, 2)))
	c.refused(1, ErrNotImprint, func(u *Unit) error { return u.Zeroize(nil) })
	signed := c.approve(approval, 2)
	if err := c.unit(1).ClearCurrent(signed); err != nil {
		t.Fatal(err)
	}
	if c.unit(1).Status().Registers != masterkey.Empty() {
		t.Error("the current register still holds a key")
	}
	c.refused(1, ErrOrderForeign, clearCurrent(signed))

	zeroize.Generation = c.unit(1).Status().Generation
	wiped := c.approve(zeroize, 2)
	if err := c.unit(1).Zeroize(&wiped); err != nil {
		t.Fatal(err)
	}
	after := c.unit(1).Status()
	if after.Identity == status.Identity || !after.Administrators.Imprint() || after.Generation <= status.Generation {
		t.Errorf("zeroized to %+v", after)
	}
	if err := c.unit(1).Zeroize(nil); err != nil {
		t.Errorf("in imprint mode: %v", err)
	}
}

func TestAdministratorsChangeByAnOrder(t *testing.T) {
	c := initialised(t, 1, 1)
	o := c.draft(order.Administration)
	next := listOf(t, 4, 3, 3)
	der, err := next.Encode()
	if err != nil {
		t.Fatal(err)
	}
	o.Subject.Administrators = der
	c.refused(1, order.ErrTooFewSignatures, func(u *Unit) error { return u.ChangeAdministrators(c.sign(o, 1)) })
	rotate := c.sign(c.draft(order.Rotate), 2)
	c.refused(1, ErrOrderForeign, func(u *Unit) error { return u.ChangeAdministrators(rotate) })
	signed := c.sign(o, 2)
	for range 2 {
		if err := c.unit(1).ChangeAdministrators(signed); err != nil {
			t.Fatal(err)
		}
	}
	if got := c.unit(1).Status().Administrators; got.Signature != 3 || len(got.List) != 4 {
		t.Errorf("the list is %+v", got)
	}
	c.refused(1, order.ErrOtherAdministrators, func(u *Unit) error { _, err := u.Accept(rotate); return err })
}

func TestAClosedUnitDoesNothing(t *testing.T) {
	c := initialised(t, 1, 1)
	blob := c.mustBlob(1, c.header(1, UseRoot, order.KMS))
	u := c.unit(1)
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	if err := u.Check(blob); !errors.Is(err, ErrClosed) {
		t.Errorf("check: %v", err)
	}
	if _, err := u.Report(); !errors.Is(err, ErrClosed) {
		t.Errorf("report: %v", err)
	}
	if _, err := u.Accept(order.SignedOrder{}); !errors.Is(err, ErrClosed) {
		t.Errorf("accept: %v", err)
	}
	if err := u.Zeroize(nil); !errors.Is(err, ErrClosed) {
		t.Errorf("zeroize: %v", err)
	}
}
