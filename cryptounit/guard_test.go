package cryptounit

import (
	"math"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// TestACancelWithAHugeNumberBarsNothing: one administrator signs a cancel, so its own number must not be able to end all
// orders of the unit.
func TestACancelWithAHugeNumberBarsNothing(t *testing.T) {
	c := initialised(t, 1, 1)
	s := c.begin(order.Rotate, nil).accept()
	o := c.draft(order.Cancel)
	o.Subject.Order, o.Subject.OrderNumber, o.Number = s.digest(), s.order.Number, math.MaxInt64
	signed := c.sign(o, 1)
	s.evidence.Cancel = &signed
	for _, n := range []uint32{1, 2} {
		s.take(n, func(u *Unit) (order.SignedStatement, error) { return u.ClearNew(&s.evidence) })
	}
	c.committed()
}

func TestARecoverIsAcceptedByItsSourceAndTargetsOnly(t *testing.T) {
	c := initialised(t, 2, 2)
	signed := c.sign(func() *order.Order {
		o := c.draft(order.Recover)
		o.Subject.Pattern, o.Subject.Units = c.pattern(1), o.Units[1:2]
		return o
	}(), 2)
	for _, bystander := range []uint32{1, 4} {
		c.refused(bystander, order.ErrNotNamed, func(u *Unit) error { _, err := u.Accept(signed); return err })
	}
}

func TestASourceWithoutThatKeyRefusesARecover(t *testing.T) {
	c := initialised(t, 1, 1)
	c.refused(2, ErrRetired, func(u *Unit) error {
		o := c.draft(order.Recover)
		o.Subject.Pattern, o.Subject.Units = masterkey.PatternOf([]byte("never seen")), o.Units[:1]
		_, err := u.Accept(c.sign(o, 2))
		return err
	})
}

func TestNoOrderBringsImprintModeBack(t *testing.T) {
	c := initialised(t, 1, 1)
	o := c.draft(order.Administration)
	none, err := (&order.Administrators{}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	o.Subject.Administrators = none
	der, err := o.Encode()
	if err != nil {
		return // not even an order
	}
	signed := order.SignedOrder{Order: der}
	for _, key := range administratorKeys()[:3] {
		if err := signed.Sign(key); err != nil {
			t.Fatal(err)
		}
	}
	c.refused(1, order.ErrThresholdZero, func(u *Unit) error { return u.ChangeAdministrators(signed) })
}

// TestTheGeneratorForgetsItsEnvelopes: they lie in its file until it has activated or cleared, and no longer.
func TestTheGeneratorForgetsItsEnvelopes(t *testing.T) {
	c := initialised(t, 1, 1)
	s := c.begin(order.Rotate, nil).accept().generate()
	if len(c.unit(2).content.Open.Envelopes) != 1 {
		t.Error("it has nothing to publish again after a crash")
	}
	s.load().commit().activate()
	c.crash(2)
	if kept := c.unit(2).content.Open; len(kept.Envelopes) > 0 || len(kept.Importer) > 0 || len(kept.Notes) > 0 {
		t.Errorf("after the activation it keeps %+v", kept)
	}
	c.refused(2, ErrActivated, func(u *Unit) error { _, _, err := u.Generate(&s.evidence); return err })

	s = c.begin(order.Rotate, nil).accept().generate()
	cancelled := c.cancel(s, 1)
	s.take(2, func(u *Unit) (order.SignedStatement, error) { return u.ClearNew(cancelled) })
	c.crash(2)
	if kept := c.unit(2).content.Open; len(kept.Envelopes) > 0 || len(kept.Importer) > 0 || len(kept.Order) > 0 {
		t.Errorf("after the cancel it keeps %+v", kept)
	}
	c.refused(2, ErrNoOrder, func(u *Unit) error { _, _, err := u.Generate(&s.evidence); return err })
}

// TestAWriterKnowsThatThereIsMoreToVerify: last and census are signed by nobody, so a host may claim an empty store.
func TestAWriterKnowsThatThereIsMoreToVerify(t *testing.T) {
	s, blobs := rewrapping(t, 1)
	s.rewrapPartition(1, 0, 1, blobs)
	s.evidence.Last, s.evidence.Census = 0, order.Counts{}
	s.refused(1, order.ErrCensus, func(u *Unit) error { _, err := u.Activate(&s.evidence); return err })
}

func TestAPartitionThatCannotBeIsNotNoted(t *testing.T) {
	s, _ := rewrapping(t, 0)
	s.refused(1, ErrPartition, func(u *Unit) error { return u.BeginPartition(s.digest(), order.MaxPartitions, 1) })
}

func TestNoEvidenceIsARefusal(t *testing.T) {
	c := initialised(t, 1, 1)
	c.refused(1, ErrNoOrder, func(u *Unit) error { _, err := u.Commit(nil); return err })
	c.refused(1, ErrNoOrder, func(u *Unit) error { _, _, err := u.Generate(nil); return err })
	c.refused(1, ErrNoOrder, func(u *Unit) error { _, _, err := u.LoadParts(nil, nil); return err })
	c.refused(1, order.ErrNotCancelled, func(u *Unit) error { _, err := u.ClearNew(nil); return err })
	c.refused(1, order.ErrMalformed, func(u *Unit) error { _, err := u.Accept(order.SignedOrder{}); return err })
	c.refused(1, order.ErrMalformed, func(u *Unit) error { return u.DestroyRetired(order.SignedOrder{}) })
	c.refused(1, order.ErrMalformed, func(u *Unit) error { return u.Zeroize(&order.SignedApproval{}) })
}

// TestAnImporterKeyIsStatedUntilItIsErased: `ready` carries the key, so it is not stated again once the key is gone; that
// it was said is in the evidence by then, or nothing could have been loaded.
func TestAnImporterKeyIsStatedUntilItIsErased(t *testing.T) {
	c := newCast(t, 1, 1)
	s := c.begin(order.Init, nil)
	first := s.take(1, func(u *Unit) (order.SignedStatement, error) { return u.Accept(s.evidence.Order) })
	c.crash(1)
	again := s.take(1, func(u *Unit) (order.SignedStatement, error) { return u.Accept(s.evidence.Order) })
	if !first.Same(again) || again.Generation <= first.Generation {
		t.Errorf("stated %+v, then %+v", first, again)
	}
	s.accept().generate().load()
	c.refused(1, ErrImporterKey, func(u *Unit) error { _, err := u.Accept(s.evidence.Order); return err })
	c.refused(2, ErrImporterKey, func(u *Unit) error { _, err := u.Accept(s.evidence.Order); return err })
	s.commit().activate()
	c.refused(1, masterkey.ErrCurrentNotEmpty, func(u *Unit) error {
		o := c.draft(order.Init)
		_, err := u.Accept(c.sign(o, 2))
		return err
	})
}

// TestACancelOfALongPassedOrderChangesNothing: nor does it take away what the unit still states again of the order after.
func TestACancelOfALongPassedOrderChangesNothing(t *testing.T) {
	c := initialised(t, 1, 1)
	missed := c.begin(order.Rotate, nil)
	cancelled := c.cancel(missed, 1)
	s := c.committed().activate()
	c.refused(1, ErrOrderNumber, func(u *Unit) error { _, err := u.ClearNew(cancelled); return err })
	s.crashes = true
	s.activate()
}

// TestTwoEqualPartsOfThreeAreRefused: the key would be the third part, which one custodian knows.
func TestTwoEqualPartsOfThreeAreRefused(t *testing.T) {
	c := newCast(t, 1, 0)
	s := parts(c, order.Init, 3)
	custodians := administratorKeys()
	if _, _, err := c.unit(1).LoadParts(&s.evidence, []order.Envelope{s.part(1, 1, value(1), custodians[0])}); err != nil {
		t.Fatal(err)
	}
	c.refused(1, ErrPart, func(u *Unit) error {
		_, _, err := u.LoadParts(&s.evidence, []order.Envelope{s.part(1, 2, value(1), custodians[1])})
		return err
	})
}
