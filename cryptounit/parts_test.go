package cryptounit

import (
	"bytes"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"tumbler/cryptounit/importer"
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
	var key []byte
	for i := range s.evidence.Statements {
		said, err := s.evidence.Statements[i].Decode()
		if err != nil {
			s.t.Fatal(err)
		}
		if said.Kind == order.Ready && said.Unit == n {
			key = said.Importer
		}
	}
	source, err := order.SKIOf(custodian.Public())
	if err != nil {
		s.t.Fatal(err)
	}
	context := order.EnvelopeContext{
		Cluster: s.cluster, Order: s.digest(), Source: source, Target: target.Identity, Importer: key, Part: number,
	}
	info, err := context.Info()
	if err != nil {
		s.t.Fatal(err)
	}
	sealed, err := importer.Seal(s.order.Suite, key, info, value)
	if err != nil {
		s.t.Fatal(err)
	}
	e := order.Envelope{Suite: s.order.Suite, Order: s.digest(), Unit: n, Part: number, Source: source, Sealed: sealed}
	if err := e.SignAsAdministrator(info, custodian); err != nil {
		s.t.Fatal(err)
	}
	return e
}

// replied: the unit itself tells each custodian what it took.
func (s *story) replied(n, number uint32, value []byte, replies []order.SignedPartReply) {
	s.t.Helper()
	for _, signed := range replies {
		reply, err := signed.Verify(s.unit(n).Status().Identity)
		if err != nil {
			s.t.Fatal(err)
		}
		if reply.Cluster != s.cluster || reply.Incarnation != 1 || reply.Order != s.digest() || reply.Unit != n || reply.Part != number ||
			reply.Pattern != masterkey.PatternOf(value) || !slices.Equal(reply.Waiting, slices.Sorted(slices.Values(s.unit(n).content.Open.Parts))) {
			s.t.Errorf("unit %d replies to part %d: %+v", n, number, reply)
		}
	}
}

// give has a custodian load a part into a unit.
func (s *story) give(n, number uint32, value []byte, custodian order.KeySigner) func(*Unit) error {
	return func(u *Unit) error {
		said, replies, err := u.LoadParts(&s.evidence, []order.Envelope{s.part(n, number, value, custodian)})
		if said != nil {
			s.evidence.Statements = append(s.evidence.Statements, *said)
		}
		if err == nil {
			s.replied(n, number, value, replies)
		}
		return err
	}
}

func (s *story) gives(n, number uint32, value []byte, custodian order.KeySigner) {
	s.t.Helper()
	if err := s.give(n, number, value, custodian)(s.unit(n)); err != nil {
		s.t.Fatalf("part %d for unit %d: %v", number, n, err)
	}
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
				said, replies, err := s.unit(n).LoadParts(&s.evidence, []order.Envelope{e})
				switch {
				case err != nil:
					t.Fatalf("part %d: %v", i+1, err)
				case (said != nil) != (i == 2):
					t.Fatalf("part %d: stated %v", i+1, said)
				}
				s.replied(n, uint32(i+1), v, replies)
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
	c.refused(1, ErrPartWaits, load(s.part(1, 1, value(1), custodians[0]), s.part(1, 1, value(2), custodians[1])))
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

// TestTheCurrentKeyIsNoPart: of what is known as the current master key nothing new is made.
func TestTheCurrentKeyIsNoPart(t *testing.T) {
	c := newCast(t, 1, 0)
	s := parts(c, order.Init, 2)
	custodians := administratorKeys()
	s.gives(1, 1, value(1), custodians[0])
	s.gives(1, 2, value(9), custodians[1])
	p := c.unit(1).Status().Registers.NewPattern
	s.evidence.Approvals = []order.SignedApproval{
		c.approve(order.Approval{Step: order.StepCommit, Order: s.digest(), Pattern: p}, 2),
		c.approve(order.Approval{Step: order.StepActivate, Order: s.digest(), Pattern: p}, 1),
	}
	s.commit().activate()
	current := make([]byte, masterkey.Size)
	subtle.XORBytes(current, value(1), value(9))
	s = parts(c, order.Rotate, 2)
	c.refused(1, masterkey.ErrSameAsCurrent, s.give(1, 1, current, custodians[0]))
	s.gives(1, 1, value(1), custodians[0])
	c.refused(1, masterkey.ErrSameAsCurrent, s.give(1, 2, value(9), custodians[1]))
	s.gives(1, 2, value(10), custodians[1]) // what made the current key was not taken
}

// TestKeyPartsComeFromDifferentAdministrators where two or more must sign: not even the first of them knows the key alone. The
// unit knows who gave what after a crash too, and its configuration may say otherwise.
func TestKeyPartsComeFromDifferentAdministrators(t *testing.T) {
	c := newCast(t, 1, 0)
	s := parts(c, order.Init, 3)
	custodians := administratorKeys()
	s.gives(1, 2, value(1), custodians[1])
	c.crash(1)
	c.refused(1, ErrPartSource, s.give(1, 1, value(70), custodians[1]))
	s.gives(1, 2, value(1), custodians[1]) // the same again
	s.gives(1, 1, value(70), custodians[0])
	c.refused(1, ErrPartSource, s.give(1, 3, value(140), custodians[1]))
	s.gives(1, 3, value(140), custodians[2])

	alone := unopened(t, 1, 0)
	alone.list = listOf(t, 1, 1, 1)
	alone.open(1)
	if err := alone.unit(1).SetAdministrators(alone.list, alone.imprint(alone.unit(1), 1)); err != nil {
		t.Fatal(err)
	}
	s = alone.begin(order.Init, func(o *order.Order) { o.Generator, o.Parts, o.Commit, o.Activate = 0, 2, order.Signed, order.Signed })
	s.evidence.Order = alone.sign(s.order, 1)
	s.accept()
	s.gives(1, 1, value(1), custodians[0])
	s.gives(1, 2, value(9), custodians[0])

	told := unopened(t, 1, 0)
	told.configs[0].OneCustodian = true
	told.open(1)
	if err := told.unit(1).SetAdministrators(told.list, told.imprint(told.unit(1), 2)); err != nil {
		t.Fatal(err)
	}
	s = parts(told, order.Init, 2)
	s.gives(1, 1, value(1), custodians[0])
	s.gives(1, 2, value(9), custodians[0])
}

// TestPartsThatMakeAnotherKeyThanTheOthersHaveAreRefused: the unit finds it before its register is loaded.
func TestPartsThatMakeAnotherKeyThanTheOthersHaveAreRefused(t *testing.T) {
	c := newCast(t, 2, 0)
	s := parts(c, order.Init, 2)
	custodians := administratorKeys()
	s.gives(1, 1, value(1), custodians[0])
	s.gives(1, 2, value(9), custodians[1])
	s.gives(2, 1, value(1), custodians[0])
	c.refused(2, ErrPartsDiffer, s.give(2, 2, value(10), custodians[1]))
	s.gives(2, 2, value(9), custodians[1])
}

// TestAUnitKeepsNoPatternOfAPart: neither in its file, nor in anything that it says or shows.
func TestAUnitKeepsNoPatternOfAPart(t *testing.T) {
	c := newCast(t, 1, 0)
	s := parts(c, order.Init, 2)
	custodians := administratorKeys()
	s.gives(1, 1, value(1), custodians[0])
	s.keepsNoPattern("while it waits", value(1), value(9))
	s.gives(1, 2, value(9), custodians[1])
	s.keepsNoPattern("when all are together", value(1), value(9))
}

func (s *story) keepsNoPattern(when string, parts ...[]byte) {
	s.t.Helper()
	u := s.unit(1)
	plain, err := u.content.marshal()
	if err != nil {
		s.t.Fatal(err)
	}
	report, err := u.Report()
	if err != nil {
		s.t.Fatal(err)
	}
	shown := append(plain, report.Statement...)
	for i := range s.evidence.Statements {
		shown = append(shown, s.evidence.Statements[i].Statement...)
	}
	shown = fmt.Appendf(shown, "%+v", u.Status())
	for _, part := range parts {
		pattern := masterkey.PatternOf(part)
		numbers, err := json.Marshal(pattern)
		if err != nil {
			s.t.Fatal(err)
		}
		for what, form := range map[string][]byte{
			"bytes": pattern[:16], "hex": []byte(hex.EncodeToString(pattern[:16])), "base64": []byte(base64.StdEncoding.EncodeToString(pattern[:15])), "JSON": numbers,
		} {
			if bytes.Contains(shown, form) {
				s.t.Errorf("%s: the pattern of a part is there, as %s", when, what)
			}
		}
	}
}

// TestACancelErasesKeyParts: those that wait, with the importer key and who gave them; a later order begins with none.
func TestACancelErasesKeyParts(t *testing.T) {
	c := newCast(t, 1, 0)
	s := parts(c, order.Init, 2)
	custodians := administratorKeys()
	s.gives(1, 1, value(1), custodians[0])
	waiting := c.unit(1).content.parts[0]
	cancelled := c.cancel(s, 1)
	if _, err := c.unit(1).ClearNew(cancelled); err != nil {
		t.Fatal(err)
	}
	after := func(when string) {
		t.Helper()
		if u := c.unit(1).content; len(u.parts) > 0 || u.importer != nil || len(u.Open.Parts) > 0 || len(u.Open.Sources) > 0 {
			t.Errorf("%s: %d parts, %+v", when, len(u.parts), u.Open)
		}
	}
	after("cancelled")
	if waiting.bytes != nil {
		t.Error("the part is still in memory")
	}
	c.refused(1, ErrNoOrder, s.give(1, 2, value(9), custodians[1]))
	c.crash(1)
	after("after a crash")
	s = parts(c, order.Init, 2)
	s.gives(1, 2, value(9), custodians[1])
	if c.unit(1).Status().Registers.New != masterkey.NewEmpty {
		t.Error("a part of the order that was cancelled counted")
	}
}

// TestPartsThatAnOlderReleaseTookAreRead: its file says of no part who gave it.
func TestPartsThatAnOlderReleaseTookAreRead(t *testing.T) {
	c := newCast(t, 1, 0)
	s := parts(c, order.Init, 3)
	custodians := administratorKeys()
	s.gives(1, 1, value(1), custodians[0])
	if err := c.unit(1).update(func(c *content) error { c.Open.Sources = nil; return nil }); err != nil {
		t.Fatal(err)
	}
	c.crash(1)
	s.gives(1, 2, value(9), custodians[0])
	c.refused(1, ErrPartSource, s.give(1, 3, value(70), custodians[0]))
	s.gives(1, 3, value(70), custodians[1])
}
