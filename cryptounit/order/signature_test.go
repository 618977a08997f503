package order_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"math/big"
	"slices"
	"testing"

	"tumbler/cryptounit/order"
)

// TestQuorum counts distinct administrators of the list that an order names.
func TestQuorum(t *testing.T) {
	admins := people(t)
	outsider := newPerson(t, "Mallory")
	for _, c := range []struct {
		name   string
		change func(*testing.T, *order.SignedOrder)
		want   error
	}{
		{"two of two", func(*testing.T, *order.SignedOrder) {}, nil},
		{"three where two do", func(t *testing.T, s *order.SignedOrder) { sign(t, s, admins[2]) }, nil},
		{"none", func(_ *testing.T, s *order.SignedOrder) { s.Signatures = nil }, order.ErrTooFewSignatures},
		{"one", func(_ *testing.T, s *order.SignedOrder) { s.Signatures = s.Signatures[:1] }, order.ErrTooFewSignatures},
		{"one, twice", func(_ *testing.T, s *order.SignedOrder) {
			s.Signatures = []order.Signature{s.Signatures[0], s.Signatures[0]}
		}, order.ErrTooFewSignatures},
		{"a stranger beside a quorum", func(t *testing.T, s *order.SignedOrder) { sign(t, s, outsider) }, order.ErrUnauthorised},
		{"a stranger under an administrator's name", func(t *testing.T, s *order.SignedOrder) {
			forged := *s
			forged.Signatures = nil
			sign(t, &forged, outsider)
			s.Signatures[1].Bytes = forged.Signatures[0].Bytes
		}, order.ErrInvalidSignature},
		{"one administrator's signature under another's name", func(_ *testing.T, s *order.SignedOrder) {
			s.Signatures[1].Bytes = s.Signatures[0].Bytes
		}, order.ErrInvalidSignature},
		{"an unknown algorithm", func(_ *testing.T, s *order.SignedOrder) { s.Signatures[1].Algorithm = 2 }, order.ErrInvalidSignature},
		{"a high s", func(t *testing.T, s *order.SignedOrder) { s.Signatures[1].Bytes = highS(t, s.Signatures[1].Bytes) }, order.ErrInvalidSignature},
		{"r of zero", func(t *testing.T, s *order.SignedOrder) {
			s.Signatures[1].Bytes = must(asn1.Marshal(rs{big.NewInt(0), big.NewInt(1)}))(t)
		}, order.ErrInvalidSignature},
		{"a byte more", func(_ *testing.T, s *order.SignedOrder) {
			s.Signatures[1].Bytes = append(slices.Clone(s.Signatures[1].Bytes), 0)
		}, order.ErrInvalidSignature},
		{"no bytes", func(_ *testing.T, s *order.SignedOrder) { s.Signatures[1].Bytes = nil }, order.ErrInvalidSignature},
		{"more signatures than anyone has", func(_ *testing.T, s *order.SignedOrder) {
			s.Signatures = slices.Repeat(s.Signatures, 9)
		}, order.ErrInvalidSignature},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := signedOrder(t, newOrder(t, order.Rotate), admins[0], admins[1])
			c.change(t, s)
			if _, err := s.Verify(board(t, 3, 2, 2)); !errors.Is(err, c.want) {
				t.Errorf("gives %v, not %v", err, c.want)
			}
		})
	}
}

// TestThresholds: which kind asks for how many.
func TestThresholds(t *testing.T) {
	admins := people(t)
	from := board(t, 4, 3, 2)
	becomes := func(change func(*order.Administrators)) *order.Order {
		next := board(t, 4, 3, 2)
		change(next)
		o := newOrder(t, order.Administration)
		o.Subject.Administrators = must(next.Encode())(t)
		return o
	}
	type want struct {
		name  string
		order *order.Order
		need  int
	}
	cases := []want{
		{"cancel", newOrder(t, order.Cancel), 1},
		{"an administrator taken away", becomes(func(a *order.Administrators) { a.List = a.List[:3] }), 2},
		{"two taken away, thresholds lowered with them", becomes(func(a *order.Administrators) { a.List, a.Signature = a.List[:2], 2 }), 3},
		{"an administrator more", becomes(func(a *order.Administrators) { a.List = append(a.List, newPerson(t, "Emmy").administrator(t)) }), 3},
		{"one in another's place", becomes(func(a *order.Administrators) { a.List[3] = newPerson(t, "Emmy").administrator(t) }), 3},
		{"a key under another name", becomes(func(a *order.Administrators) { a.List[3].Name = "Emmy" }), 3},
		{"a threshold lowered", becomes(func(a *order.Administrators) { a.Revocation = 1 }), 3},
		{"imprint mode", becomes(func(a *order.Administrators) { *a = order.Administrators{} }), 3},
	}
	for _, kind := range kinds() {
		if kind != order.Cancel && kind != order.Administration {
			cases = append(cases, want{kind.String(), newOrder(t, kind), 3})
		}
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.order.Administrators = must(from.Digest())(t)
			s := signedOrder(t, c.order, admins[:c.need]...)
			if _, err := s.Verify(from); err != nil {
				t.Errorf("with %d signatures: %v", c.need, err)
			}
			s.Signatures = s.Signatures[1:]
			var few *order.TooFewError
			if _, err := s.Verify(from); !errors.As(err, &few) || few.Need != c.need || few.Have != c.need-1 {
				t.Errorf("with %d signatures: %v", c.need-1, err)
			}
		})
	}
}

// TestApprovalThresholds: a quorum signs at commit, one at activation.
func TestApprovalThresholds(t *testing.T) {
	admins := people(t)
	for step, need := range map[order.Step]int{
		order.StepCommit: 2, order.StepActivate: 1, order.StepSetImmediate: 1, order.StepClearCurrent: 2, order.StepZeroize: 2,
	} {
		s := signedApproval(t, newApproval(t, step), admins[:need]...)
		if _, err := s.Verify(board(t, 3, 2, 2)); err != nil {
			t.Errorf("%v with %d signatures: %v", step, need, err)
		}
		s.Signatures = s.Signatures[1:]
		if _, err := s.Verify(board(t, 3, 2, 2)); !errors.Is(err, order.ErrTooFewSignatures) {
			t.Errorf("%v with %d signatures: %v", step, need-1, err)
		}
	}
}

// TestAnImprintListSignsNothing: a list with threshold 0 is no quorum of
// anything, whoever signs.
func TestAnImprintListSignsNothing(t *testing.T) {
	imprint := board(t, 3, 0, 0)
	o := newOrder(t, order.Cancel)
	o.Administrators = must(imprint.Digest())(t)
	if _, err := signedOrder(t, o, people(t)[0]).Verify(imprint); !errors.Is(err, order.ErrTooFewSignatures) {
		t.Errorf("a cancel: %v", err)
	}
	if _, err := signedApproval(t, newApproval(t, order.StepActivate), people(t)[0]).Verify(imprint); !errors.Is(err, order.ErrTooFewSignatures) {
		t.Errorf("an approval: %v", err)
	}
	first := &order.SignedAdministrators{Administrators: must(imprint.Encode())(t)}
	if err := first.SignFor(identity(1), people(t)[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := first.VerifyFor(identity(1)); !errors.Is(err, order.ErrTooFewSignatures) {
		t.Errorf("a first list: %v", err)
	}
}

// TestAFirstListIsForOneUnit: it is signed by its own new threshold, and for
// no other unit.
func TestAFirstListIsForOneUnit(t *testing.T) {
	first := &order.SignedAdministrators{Administrators: must(board(t, 3, 2, 1).Encode())(t)}
	for i, want := range []error{order.ErrTooFewSignatures, nil} {
		if err := first.SignFor(identity(1), people(t)[i]); err != nil {
			t.Fatal(err)
		}
		if _, err := first.VerifyFor(identity(1)); !errors.Is(err, want) {
			t.Errorf("with %d signatures: %v", i+1, err)
		}
	}
	if _, err := first.VerifyFor(identity(2)); !errors.Is(err, order.ErrInvalidSignature) {
		t.Errorf("for another unit: %v", err)
	}
}

// TestDomainsDoNotMeet: a signature over one kind of document is none over
// another, even of the same bytes.
func TestDomainsDoNotMeet(t *testing.T) {
	list := board(t, 3, 2, 2)
	approval := must(newApproval(t, order.StepActivate).Encode())(t)
	s := &order.SignedOrder{Order: approval}
	sign(t, s, people(t)[0])
	moved := &order.SignedApproval{Approval: approval, Signatures: s.Signatures}
	if _, err := moved.Verify(list); !errors.Is(err, order.ErrInvalidSignature) {
		t.Errorf("an order's signature over an approval: %v", err)
	}
}

// TestAWholeKeyIsNoPart: units seal whole keys and administrators parts, and
// a part is sealed by the one that it names.
func TestAWholeKeyIsNoPart(t *testing.T) {
	list := board(t, 3, 2, 2)
	whole := newEnvelope(t)
	whole.Part = 1
	if err := whole.VerifyUnit(must(envelopeContext(t).Info())(t)); !errors.Is(err, order.ErrStatementSignature) {
		t.Errorf("a part that a unit sealed: %v", err)
	}
	info := must(partContext(t).Info())(t)
	part := newPart(t)
	part.Part = 0
	if err := part.VerifyAdministrator(info, list); !errors.Is(err, order.ErrInvalidSignature) {
		t.Errorf("a whole key that an administrator sealed: %v", err)
	}
	if err := part.VerifyUnit(info); !errors.Is(err, order.ErrStatementSignature) {
		t.Errorf("an administrator's envelope as a unit's: %v", err)
	}
	part = newPart(t)
	part.Source = people(t)[1].ski(t)
	if err := part.VerifyAdministrator(info, list); !errors.Is(err, order.ErrInvalidSignature) {
		t.Errorf("a part that another administrator sealed: %v", err)
	}
}

// TestEnvelopesAreBoundToTheirContext changes one thing at a time.
func TestEnvelopesAreBoundToTheirContext(t *testing.T) {
	for name, change := range map[string]func(*order.EnvelopeContext){
		"cluster":  func(c *order.EnvelopeContext) { c.Cluster[0] ^= 1 },
		"order":    func(c *order.EnvelopeContext) { c.Order[0] ^= 1 },
		"source":   func(c *order.EnvelopeContext) { c.Source[0] ^= 1 },
		"target":   func(c *order.EnvelopeContext) { c.Target[0] ^= 1 },
		"importer": func(c *order.EnvelopeContext) { c.Importer[0] ^= 1 },
		"pattern":  func(c *order.EnvelopeContext) { c.Pattern[0] ^= 1 },
		"part":     func(c *order.EnvelopeContext) { c.Part = 2 },
	} {
		for kind, context := range map[string]*order.EnvelopeContext{"whole": envelopeContext(t), "part": partContext(t)} {
			before := must(context.Info())(t)
			change(context)
			info := must(context.Info())(t)
			if bytes.Equal(info, before) {
				t.Errorf("%s: the %s is no part of the info", kind, name)
			}
			err := newEnvelope(t).VerifyUnit(info)
			if kind == "part" {
				err = newPart(t).VerifyAdministrator(info, board(t, 3, 2, 2))
			}
			if err == nil {
				t.Errorf("%s: verified with another %s", kind, name)
			}
		}
	}
	for name, change := range map[string]func(*order.Envelope){
		"unit":   func(e *order.Envelope) { e.Unit = 3 },
		"sealed": func(e *order.Envelope) { e.Sealed[0] ^= 1 },
		"suite":  func(e *order.Envelope) { e.Suite = 2 },
		"source": func(e *order.Envelope) { e.Source = identity(5) },
	} {
		e := newEnvelope(t)
		change(e)
		if err := e.VerifyUnit(must(envelopeContext(t).Info())(t)); !errors.Is(err, order.ErrStatementSignature) {
			t.Errorf("with another %s: %v", name, err)
		}
	}
}

// TestSigningTwiceReplaces: the same key has one signature on a document.
func TestSigningTwiceReplaces(t *testing.T) {
	s := signedOrder(t, newOrder(t, order.Rotate), people(t)[0], people(t)[1], people(t)[0])
	if len(s.Signatures) != 2 {
		t.Errorf("%d signatures", len(s.Signatures))
	}
}

// TestSignersWithHighSAreMadeLow: smart cards and services return either.
func TestSignersWithHighSAreMadeLow(t *testing.T) {
	s := &order.SignedOrder{Order: must(newOrder(t, order.Cancel).Encode())(t)}
	if err := s.Sign(contrary{people(t)[0]}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Verify(board(t, 3, 2, 2)); err != nil {
		t.Error(err)
	}
}

// What is outside this process may sign something else, or with another key: that is no signature.
func TestASignerThatSignsSomethingElseIsRefused(t *testing.T) {
	s := &order.SignedOrder{Order: must(newOrder(t, order.Cancel).Encode())(t)}
	for name, by := range map[string]order.Signer{"another message": other{people(t)[0]}, "another key": mistaken{people(t)[0], people(t)[1]}} {
		if err := s.Sign(by); !errors.Is(err, order.ErrInvalidSignature) || len(s.Signatures) != 0 {
			t.Errorf("%s: %v, %d signatures", name, err, len(s.Signatures))
		}
	}
}

// other signs another message than the one that it is given.
type other struct{ person }

func (o other) SignMessage(message []byte) ([]byte, error) {
	return o.person.SignMessage(append(message, 0))
}

// mistaken signs with another key than the one that it shows.
type mistaken struct{ person, hand person }

func (m mistaken) Public() *ecdsa.PublicKey { return m.person.Public() }

func (m mistaken) SignMessage(message []byte) ([]byte, error) { return m.hand.SignMessage(message) }

// contrary is a signer that always returns the high s.
type contrary struct{ person }

func (c contrary) SignMessage(message []byte) ([]byte, error) {
	der, err := c.person.SignMessage(message)
	if err != nil {
		return nil, err
	}
	var sig rs
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil, err
	}
	return asn1.Marshal(sig.high())
}

type rs struct{ R, S *big.Int }

func (sig rs) high() rs {
	n := elliptic.P521().Params().N
	if half := new(big.Int).Rsh(n, 1); sig.S.Cmp(half) <= 0 {
		sig.S = new(big.Int).Sub(n, sig.S)
	}
	return sig
}

func highS(t *testing.T, der []byte) []byte {
	t.Helper()
	var sig rs
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		t.Fatal(err)
	}
	return must(asn1.Marshal(sig.high()))(t)
}

func sign(t *testing.T, s *order.SignedOrder, by person) {
	t.Helper()
	if err := s.Sign(by); err != nil {
		t.Fatal(err)
	}
}
