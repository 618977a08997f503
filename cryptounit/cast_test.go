package cryptounit

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// testSealer flips every bit, so that a test sees whether the sealer was used, and for what.
type testSealer struct {
	fail error
	sees func([]byte)
}

func (s *testSealer) Seal(b []byte) ([]byte, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	if s.sees != nil {
		s.sees(b)
	}
	return flip(b), nil
}

func (s *testSealer) Open(b []byte) ([]byte, error) {
	if s.fail != nil {
		return nil, s.fail
	}
	return flip(b), nil
}

func flip(b []byte) []byte {
	f := bytes.Clone(b)
	for i := range f {
		f[i] ^= 0xff
	}
	return f
}

// administratorKeys are made once: P-521 is slow under the race detector.
var administratorKeys = sync.OnceValue(func() (keys []order.KeySigner) {
	for range 4 {
		key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		if err != nil {
			panic(err)
		}
		keys = append(keys, order.KeySigner{Key: key})
	}
	return keys
})

// cast is who plays in a story: the units, and three administrators of whom two must sign.
type cast struct {
	t       testing.TB
	units   []*Unit
	configs []Config
	sealer  *testSealer
	list    order.Administrators
	cluster order.ID
	inst    order.ID
	number  uint64
	now     time.Time

	incarnation uint64
}

// newCast has its units in imprint mode left behind; the recovery units have the highest numbers.
func newCast(t testing.TB, operational, recovery int) *cast {
	t.Helper()
	c := imprinted(t, operational, recovery)
	for _, u := range c.units {
		if err := u.SetAdministrators(c.list, c.imprint(u, 2)); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// imprinted has its units still in imprint mode.
func imprinted(t testing.TB, operational, recovery int) *cast {
	t.Helper()
	c := unopened(t, operational, recovery)
	for n := range c.units {
		c.open(uint32(n + 1))
	}
	return c
}

// unopened has folders for its units, and nothing in them.
func unopened(t testing.TB, operational, recovery int) *cast {
	t.Helper()
	c := &cast{t: t, sealer: &testSealer{}, cluster: order.ID{1}, inst: order.ID{2}, incarnation: 1, now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c.list = listOf(t, 3, 2, 2)
	for i := range operational + recovery {
		role := order.Operational
		if i >= operational {
			role = order.Recovery
		}
		c.configs = append(c.configs, Config{
			Dir: t.TempDir(), Number: uint32(i + 1), Role: role, Sealer: c.sealer, Now: func() time.Time { return c.now },
		})
		c.units = append(c.units, nil)
	}
	t.Cleanup(func() {
		for _, u := range c.units {
			if u != nil {
				u.Close()
			}
		}
	})
	return c
}

func listOf(t testing.TB, people int, signature, revocation uint32) order.Administrators {
	t.Helper()
	list := order.Administrators{Signature: signature, Revocation: revocation}
	for i, key := range administratorKeys()[:people] {
		spki, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		list.List = append(list.List, order.Administrator{Name: fmt.Sprintf("administrator %d", i+1), Key: spki})
	}
	return list
}

func (c *cast) open(n uint32) {
	c.t.Helper()
	u, err := Open(c.configs[n-1])
	if err != nil {
		c.t.Fatal(err)
	}
	c.units[n-1] = u
}

// crash forgets all that is not on disk.
func (c *cast) crash(n uint32) {
	c.t.Helper()
	c.units[n-1].Close()
	c.open(n)
}

func (c *cast) unit(n uint32) *Unit { return c.units[n-1] }

// imprint is the list signed for a unit by the first so many administrators.
func (c *cast) imprint(u *Unit, signers int) []order.Signature {
	c.t.Helper()
	der, err := c.list.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	signed := order.SignedAdministrators{Administrators: der}
	for _, key := range administratorKeys()[:signers] {
		if err := signed.SignFor(u.Status().Identity, key); err != nil {
			c.t.Fatal(err)
		}
	}
	return signed.Signatures
}

// draft is an order as the workstation writes it, over the units that are there.
func (c *cast) draft(kind order.Kind) *order.Order {
	c.t.Helper()
	c.number++
	digest, err := c.list.Digest()
	if err != nil {
		c.t.Fatal(err)
	}
	o := &order.Order{
		Kind: kind, Cluster: c.cluster, Incarnation: c.incarnation, Instance: c.inst, Number: c.number, Suite: order.SuiteHPKE,
		Administrators: digest, Policy: order.Online, Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep,
		NotAfter: c.now.Add(time.Hour),
	}
	for _, u := range c.units {
		s := u.Status()
		if !s.Registers.CurrentPattern.IsZero() && kind != order.Init {
			o.Current = s.Registers.CurrentPattern
		}
		o.Units = append(o.Units, order.UnitRef{Number: s.Number, Role: s.Role, Identity: s.Identity})
		if kind.StaysOpen() && s.Role == order.Recovery && o.Generator == 0 {
			o.Generator = s.Number
		}
	}
	return o
}

// sign has the first so many administrators sign.
func (c *cast) sign(o *order.Order, signers int) order.SignedOrder {
	c.t.Helper()
	der, err := o.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	signed := order.SignedOrder{Order: der}
	for _, key := range administratorKeys()[:signers] {
		if err := signed.Sign(key); err != nil {
			c.t.Fatal(err)
		}
	}
	return signed
}

// approve has the first so many administrators sign an approval.
func (c *cast) approve(a order.Approval, signers int) order.SignedApproval {
	c.t.Helper()
	a.Cluster, a.Incarnation = c.cluster, 1
	der, err := a.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	signed := order.SignedApproval{Approval: der}
	for _, key := range administratorKeys()[:signers] {
		if err := signed.Sign(key); err != nil {
			c.t.Fatal(err)
		}
	}
	return signed
}

// story is one order on its way, with the evidence gathered so far.
type story struct {
	*cast
	order     *order.Order
	evidence  order.Evidence
	envelopes map[uint32]order.Envelope
	// crashes has every unit crash after each step and take it again.
	crashes bool
}

func (c *cast) begin(kind order.Kind, change func(*order.Order)) *story {
	c.t.Helper()
	o := c.draft(kind)
	if change != nil {
		change(o)
	}
	list, err := c.list.Encode()
	if err != nil {
		c.t.Fatal(err)
	}
	return &story{cast: c, order: o, evidence: order.Evidence{Order: c.sign(o, 2), Administrators: list}, envelopes: map[uint32]order.Envelope{}}
}

func (s *story) digest() order.Digest { return s.evidence.Order.Digest() }

// take has a unit take a step and adds what it states to the evidence.
func (s *story) take(n uint32, step func(*Unit) (order.SignedStatement, error)) *order.Statement {
	s.t.Helper()
	first := s.statement(n, step)
	if s.crashes && first.Kind != order.Ready {
		s.crash(n)
		again := s.statement(n, step)
		if !first.Same(again) || again.Generation <= first.Generation {
			s.t.Fatalf("unit %d stated %v of generation %d, then %v of %d", n, first.Kind, first.Generation, again.Kind, again.Generation)
		}
	}
	return first
}

func (s *story) statement(n uint32, step func(*Unit) (order.SignedStatement, error)) *order.Statement {
	s.t.Helper()
	signed, err := step(s.unit(n))
	if err != nil {
		s.t.Fatalf("unit %d: %v", n, err)
	}
	statement, err := signed.Verify(s.unit(n).Status().Identity)
	if err != nil {
		s.t.Fatalf("unit %d: %v", n, err)
	}
	s.evidence.Statements = append(s.evidence.Statements, signed)
	return statement
}

func (s *story) accept() *story {
	s.t.Helper()
	for _, n := range s.order.Participants() {
		s.take(n, func(u *Unit) (order.SignedStatement, error) { return u.Accept(s.evidence.Order) })
	}
	return s
}

func (s *story) generate() *story {
	s.t.Helper()
	s.take(s.order.Generator, func(u *Unit) (order.SignedStatement, error) {
		statement, envelopes, err := u.Generate(&s.evidence)
		for _, e := range envelopes {
			s.envelopes[e.Unit] = e
		}
		return statement, err
	})
	return s
}

func (s *story) load() *story {
	s.t.Helper()
	for _, n := range s.order.Loaders() {
		s.take(n, func(u *Unit) (order.SignedStatement, error) { return u.Load(&s.evidence, s.envelopes[n]) })
	}
	return s
}

func (s *story) commit() *story {
	s.t.Helper()
	for _, n := range s.order.Targets() {
		s.take(n, func(u *Unit) (order.SignedStatement, error) { return u.Commit(&s.evidence) })
	}
	return s
}

func (s *story) activate() *story {
	s.t.Helper()
	for _, n := range s.order.Targets() {
		s.take(n, func(u *Unit) (order.SignedStatement, error) { return u.Activate(&s.evidence) })
	}
	return s
}

// committed is a rotation whose new key is committed everywhere.
func (c *cast) committed() *story {
	c.t.Helper()
	return c.begin(order.Rotate, nil).accept().generate().load().commit()
}

func (c *cast) pattern(n uint32) masterkey.Pattern {
	return c.unit(n).Status().Registers.CurrentPattern
}

// header is that of the i-th key of a class.
func (c *cast) header(i int, use Use, class order.Class) Header {
	return Header{Use: use, Class: class, Instance: c.inst, Key: order.ID{15: byte(i), 14: byte(i >> 8)}, Version: 1, Owner: "team", Attributes: []byte{1, 2}}
}

// mustBlob generates a 32-byte key in unit n under its current master key.
func (c *cast) mustBlob(n uint32, h Header) []byte {
	c.t.Helper()
	blobs, err := c.unit(n).GenerateKey(h, 32, c.pattern(n))
	if err != nil {
		c.t.Fatal(err)
	}
	return blobs[0]
}

// refused fails unless err is want and the unit's file is as it was.
func (c *cast) refused(n uint32, want error, step func(*Unit) error) {
	c.t.Helper()
	before := c.unit(n).Status()
	err := step(c.unit(n))
	if !errors.Is(err, want) {
		c.t.Errorf("unit %d: %v, want %v", n, err, want)
	}
	after := c.unit(n).Status()
	if before.Generation != after.Generation || before.Registers != after.Registers || before.LastOrder != after.LastOrder || before.OpenOrder != after.OpenOrder {
		c.t.Errorf("unit %d: a refusal changed it from %+v to %+v", n, before, after)
	}
}
