package order

import "fmt"

// SignedOrder is an order as signed: the bytes, and signatures over them.
type SignedOrder struct {
	Order      []byte
	Signatures []Signature
}

type wireSigned struct {
	Format     int64
	Document   []byte
	Signatures []wireSignature
}

// Digest names the order: what statements, approvals and cancels refer to.
func (s *SignedOrder) Digest() Digest { return digestOf("order", s.Order) }

// Decode returns the order inside.
func (s *SignedOrder) Decode() (*Order, error) { return DecodeOrder(s.Order) }

// Sign adds one administrator's signature, replacing an earlier one of the
// same key.
func (s *SignedOrder) Sign(by Signer) error {
	sig, err := sign(by, "order", s.Order)
	if err != nil {
		return err
	}
	s.Signatures = withSignature(s.Signatures, sig)
	return nil
}

// Signers gives the administrators of a list who have signed so far, each
// once: a signature by anybody else, or a wrong one, is an error.
func (s *SignedOrder) Signers(admins *Administrators) ([]Administrator, error) {
	return signers(s.Signatures, admins, "order", s.Order)
}

// Verify decodes the order and checks its signatures: every one must be of
// an administrator on the list that the order names, and they must be as
// many as its kind asks for.
func (s *SignedOrder) Verify(admins *Administrators) (*Order, error) {
	o, err := s.Decode()
	if err != nil {
		return nil, err
	}
	digest, err := admins.Digest()
	if err != nil {
		return nil, err
	}
	if o.Administrators != digest {
		return nil, fmt.Errorf("%w: the order was signed for the list %v, this one is %v", ErrOtherAdministrators, o.Administrators, digest)
	}
	need, err := o.Threshold(admins)
	if err != nil {
		return nil, err
	}
	if err := quorum(s.Signatures, admins, need, "order", s.Order); err != nil {
		return nil, fmt.Errorf("order %d (%v): %w", o.Number, o.Kind, err)
	}
	return o, nil
}

// Threshold is the number of signatures that the order's kind asks for, of
// administrators on a list.
func (o *Order) Threshold(admins *Administrators) (uint32, error) {
	switch o.Kind {
	case Cancel:
		return 1, nil
	case Administration:
		next, err := DecodeAdministrators(o.Subject.Administrators)
		if err != nil {
			return 0, err
		}
		return admins.thresholdOf(next), nil
	case Init, Rotate, Recover, Enrol, Remove, Settle, Restore, DestroyRetired:
		return admins.Signature, nil
	}
	return 0, invalid("kind %d is unknown", o.Kind)
}

// Encode returns the DER of order and signatures together.
func (s *SignedOrder) Encode() ([]byte, error) {
	return encode(wireSigned{Format, s.Order, toWireSignatures(s.Signatures)})
}

// DecodeSignedOrder reads the DER of a signed order, and the order inside.
func DecodeSignedOrder(der []byte) (*SignedOrder, error) {
	document, sigs, err := decodeSigned(der, "signed order")
	if err != nil {
		return nil, err
	}
	s := &SignedOrder{document, sigs}
	if _, err := s.Decode(); err != nil {
		return nil, err
	}
	if err := canonical(der, "signed order", s.Encode); err != nil {
		return nil, err
	}
	return s, nil
}

func decodeSigned(der []byte, what string) ([]byte, []Signature, error) {
	var w wireSigned
	if err := decode(der, &w, what); err != nil {
		return nil, nil, err
	}
	var r reader
	r.format(w.Format)
	sigs := r.signatures(w.Signatures)
	if r.err != nil {
		return nil, nil, fmt.Errorf("%s: %w", what, r.err)
	}
	return w.Document, sigs, nil
}

func withSignature(sigs []Signature, sig Signature) []Signature {
	for i := range sigs {
		if sigs[i].Signer == sig.Signer {
			sigs[i] = sig
			return sigs
		}
	}
	return append(sigs, sig)
}
