package cryptounit

import (
	"bytes"
	"fmt"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// TestInitAndRotation walks three operational and two recovery units through an init and a rotation with real evidence,
// once as planned and once with every unit crashing after every step and taking it again.
func TestInitAndRotation(t *testing.T) {
	for _, crashes := range []bool{false, true} {
		t.Run(fmt.Sprintf("crashes=%v", crashes), func(t *testing.T) {
			c := newCast(t, 3, 2)
			init := c.begin(order.Init, nil)
			init.crashes = crashes
			init.accept().generate().load().commit().activate()
			a := c.pattern(1)
			c.sameRegisters(masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: a, New: masterkey.NewEmpty})

			const keys = 2500 // three partitions
			blobs := make([][]byte, keys)
			var census order.Counts
			for i := range blobs {
				h := c.header(i, UseRoot, order.KMS)
				if i%100 == 0 {
					h = c.header(i, UseKEK, order.SystemInternal)
				}
				census = census.Count(h.Class, 1)
				blobs[i] = c.mustBlob(uint32(i%3+1), h)
			}
			iv, wrapped, err := c.unit(2).Wrap(blobs[7], []byte("data key"), []byte("aad"))
			if err != nil {
				t.Fatal(err)
			}

			r := c.begin(order.Rotate, nil)
			r.crashes = crashes
			r.accept().generate().load().commit()
			b := c.unit(1).Status().Registers.NewPattern
			next := r.rewrap(blobs, census)
			r.activate()
			c.sameRegisters(masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: b, New: masterkey.NewEmpty})
			for i, blob := range next {
				if err := c.unit(uint32(i%5 + 1)).Check(blob); err != nil {
					t.Fatalf("blob %d: %v", i, err)
				}
			}
			got, err := c.unit(3).Unwrap(next[7], iv, wrapped, []byte("aad"))
			if err != nil || string(got) != "data key" {
				t.Errorf("unwrapped %q, %v", got, err)
			}
			for _, u := range c.units {
				s := u.Status()
				if retired := len(s.Retired) == 1 && s.Retired[0] == a; retired != (s.Role == order.Recovery) {
					t.Errorf("unit %d (%v) keeps the retired keys %v", s.Number, s.Role, s.Retired)
				}
				c.refused(s.Number, ErrPatternUnknown, func(u *Unit) error { return u.Check(blobs[0]) })
			}
		})
	}
}

func (c *cast) sameRegisters(want masterkey.Registers) {
	c.t.Helper()
	for _, u := range c.units {
		if got := u.Status().Registers; got != want {
			c.t.Errorf("unit %d has %+v, want %+v", u.Status().Number, got, want)
		}
	}
}

// rewrap has each partition written by an operational unit and verified by the next unit.
func (s *story) rewrap(blobs [][]byte, census order.Counts) [][]byte {
	s.t.Helper()
	last := uint64(len(blobs))
	s.evidence.Last, s.evidence.Census = last, census
	var next [][]byte
	for p := range order.Partitions(last) {
		from, to, _ := order.PartitionRange(last, p)
		owner := p%3 + 1
		next = append(next, s.rewrapPartition(owner, p, 1, blobs[from-1:to])...)
		s.take(owner+1, func(u *Unit) (order.SignedStatement, error) {
			return s.verify(u, last, p, 1, blobs[from-1:to], next[from-1:to])
		})
	}
	return next
}

func (s *story) rewrapPartition(owner, partition, pass uint32, blobs [][]byte) [][]byte {
	s.t.Helper()
	if err := s.unit(owner).BeginPartition(s.digest(), partition, pass); err != nil {
		s.t.Fatal(err)
	}
	if s.crashes {
		s.crash(owner)
	}
	result, err := s.unit(owner).Rewrap(s.digest(), partition, pass, blobs)
	if err != nil || len(result.Failed) > 0 {
		s.t.Fatalf("partition %d: failed %v, %v", partition, result.Failed, err)
	}
	return result.Blobs
}

func (s *story) verify(u *Unit, last uint64, partition, pass uint32, current, next [][]byte) (order.SignedStatement, error) {
	v, err := u.NewVerifier(s.digest(), last, partition, pass)
	if err != nil {
		return order.SignedStatement{}, err
	}
	for i := range current {
		if err := v.Add(current[i], next[i]); err != nil {
			return order.SignedStatement{}, err
		}
	}
	return v.Finish()
}

func TestARecoveredUnitOpensWhatTheOthersSealed(t *testing.T) {
	c := initialised(t, 2, 1)
	blob := c.mustBlob(1, c.header(1, UseRoot, order.KMS))
	approval := c.approve(order.Approval{Step: order.StepZeroize, Unit: c.unit(2).Status().Identity, Generation: c.unit(2).Status().Generation}, 2)
	if err := c.unit(2).Zeroize(&approval); err != nil {
		t.Fatal(err)
	}
	c.enrol(2)
	r := c.begin(order.Recover, func(o *order.Order) {
		o.Subject.Pattern, o.Subject.Units = c.pattern(1), o.Units[1:2]
	})
	r.crashes = true
	r.accept().generate().load().commit().activate()
	if err := c.unit(2).Check(blob); err != nil {
		t.Error(err)
	}
	if open := c.unit(3).Status().OpenOrder; !open.IsZero() {
		t.Errorf("the source still has order %v open", open)
	}
	// All go on to a rotation.
	c.committed()
}

func TestADestroyOrderAtActivationKeepsNothing(t *testing.T) {
	c := initialised(t, 2, 1)
	s := c.begin(order.Rotate, func(o *order.Order) { o.Retire = order.Destroy })
	s.accept().generate().load().commit().activate()
	if kept := c.unit(3).Status().Retired; len(kept) > 0 {
		t.Errorf("the recovery unit keeps %v", kept)
	}
}

func TestRetiredKeysAreDestroyedByAnOrder(t *testing.T) {
	c := initialised(t, 2, 1)
	a := c.pattern(1)
	c.committed().activate()
	destroy := c.sign(func() *order.Order {
		o := c.draft(order.DestroyRetired)
		o.Subject.Pattern = a
		return o
	}(), 2)
	for range 2 {
		for _, u := range c.units {
			if err := u.DestroyRetired(destroy); err != nil {
				t.Fatal(err)
			}
			if kept := u.Status().Retired; len(kept) > 0 {
				t.Errorf("unit %d keeps %v", u.Status().Number, kept)
			}
		}
	}
}

func TestACancelClearsAndUsesTheNumber(t *testing.T) {
	c := initialised(t, 3, 1)
	a := c.pattern(1)
	s := c.begin(order.Rotate, nil)
	for _, n := range []uint32{1, 2, 4} { // unit 3 never hears of it
		s.take(n, func(u *Unit) (order.SignedStatement, error) { return u.Accept(s.evidence.Order) })
	}
	cancelled := c.cancel(s, 1)
	for range 2 {
		for _, u := range c.units {
			if _, err := u.ClearNew(cancelled); err != nil {
				t.Fatal(err)
			}
			if st := u.Status(); !st.OpenOrder.IsZero() || st.LastOrder != s.order.Number {
				t.Errorf("unit %d: %+v", st.Number, st)
			}
		}
	}
	c.sameRegisters(masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: a, New: masterkey.NewEmpty})
	c.refused(3, ErrOrderNumber, func(u *Unit) error { _, err := u.Accept(s.evidence.Order); return err })
	c.committed() // and the next one goes on
}

func (c *cast) cancel(s *story, signers int) *order.Evidence {
	c.t.Helper()
	o := c.draft(order.Cancel)
	o.Subject.Order, o.Subject.OrderNumber = s.digest(), s.order.Number
	evidence := s.evidence
	signed := c.sign(o, signers)
	evidence.Cancel = &signed
	return &evidence
}

func TestACancelledRotationLeavesNoKeyBehind(t *testing.T) {
	c := initialised(t, 2, 1)
	s := c.committed()
	b := c.unit(1).Status().Registers.NewPattern
	blobs, err := c.unit(1).GenerateKey(c.header(1, UseRoot, order.KMS), 32, c.pattern(1), b)
	if err != nil {
		t.Fatal(err)
	}
	evidence := c.cancel(s, 1)
	for _, u := range c.units {
		if _, err := u.ClearNew(evidence); err != nil {
			t.Fatal(err)
		}
		if err := u.Check(blobs[0]); err != nil {
			t.Error(err)
		}
	}
	c.refused(1, ErrPatternUnknown, func(u *Unit) error { return u.Check(blobs[1]) })
}

// TestAForgedStatementBarsNoCancel: the state takes statements unchecked, and no unit acts on one that is forged. What ends the
// order needs none.
func TestAForgedStatementBarsNoCancel(t *testing.T) {
	c := initialised(t, 2, 1)
	s := c.committed()
	s.evidence.Statements[0].Signature[5] ^= 1
	evidence := c.cancel(s, 1)
	if _, err := c.unit(1).ClearNew(evidence); err != nil {
		t.Error(err)
	}
}

func TestTheGeneratorGivesTheSameEnvelopesAgain(t *testing.T) {
	c := newCast(t, 2, 1)
	s := c.begin(order.Init, nil).accept()
	_, first, err := c.unit(3).Generate(&s.evidence)
	if err != nil {
		t.Fatal(err)
	}
	c.crash(3)
	_, again, err := c.unit(3).Generate(&s.evidence)
	if err != nil || len(first) != 2 || len(again) != 2 {
		t.Fatalf("%d, then %d envelopes, %v", len(first), len(again), err)
	}
	for i := range first {
		if !bytes.Equal(first[i].Sealed, again[i].Sealed) || !bytes.Equal(first[i].Signature, again[i].Signature) {
			t.Errorf("envelope %d is another one", i)
		}
	}
}
