package order

import (
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"

	"tumbler/cryptounit/masterkey"
)

// MaxSealed bounds the sealed part of an envelope, in bytes.
const MaxSealed = 4096

// Envelope carries a master key, or one part of it, sealed to one unit's
// importer key of one order.
type Envelope struct {
	Suite Suite
	Order Digest
	// Unit is the unit that can open it.
	Unit uint32
	// Part is 0 for a whole key, 1 to 3 for a part.
	Part uint32
	// Source is the identity of the unit that sealed a whole key, or the
	// key identifier of the administrator who sealed a part.
	Source [32]byte
	// Sealed is the encapsulated key, if the suite has one, and the ciphertext.
	Sealed []byte
	// Signature is the source's over all of the above and the Info: Ed25519
	// of a unit, or an administrator's Signature in DER for a part.
	Signature []byte
}

// EnvelopeContext is what an envelope is bound to.
type EnvelopeContext struct {
	Cluster  ID
	Order    Digest
	Source   [32]byte
	Target   Identity
	Importer []byte
	// Pattern is that of the key; zero for a part, for which Part stands.
	Pattern masterkey.Pattern
	Part    uint32
}

type wireContext struct {
	Cluster  []byte
	Order    []byte
	Source   []byte
	Target   []byte
	Importer []byte
	Pattern  []byte
	Part     int64
}

// Info returns SHA-256 of the canonical context: the HPKE info (RFC 9180,
// section 5.1), and what the signature covers in every suite.
func (c *EnvelopeContext) Info() ([]byte, error) {
	der, err := encode(wireContext{c.Cluster[:], c.Order[:], c.Source[:], c.Target[:], c.Importer, sparse(c.Pattern[:]), int64(c.Part)})
	if err != nil {
		return nil, err
	}
	info := sha256.Sum256(signedBytes("envelope-info", der))
	return info[:], nil
}

type wireEnvelope struct {
	Format    int64
	Suite     int64
	Order     []byte
	Unit      int64
	Part      int64
	Source    []byte
	Sealed    []byte
	Signature []byte
}

type wireEnvelopeBody struct {
	Info   []byte
	Suite  int64
	Unit   int64
	Sealed []byte
}

func (e *Envelope) document(info []byte) ([]byte, error) {
	return encode(wireEnvelopeBody{info, int64(e.Suite), int64(e.Unit), e.Sealed})
}

// SignAsUnit signs with a unit's identity; info is that of its context.
func (e *Envelope) SignAsUnit(info []byte, sign func([]byte) []byte) error {
	document, err := e.document(info)
	if err != nil {
		return err
	}
	e.Signature = sign(signedBytes("envelope", document))
	return nil
}

// VerifyUnit checks the signature of the unit that sealed it.
func (e *Envelope) VerifyUnit(info []byte) error {
	document, err := e.document(info)
	if err != nil {
		return err
	}
	if e.Part != 0 || !ed25519.Verify(e.Source[:], signedBytes("envelope", document), e.Signature) {
		return fmt.Errorf("%w: an envelope for unit %d", ErrStatementSignature, e.Unit)
	}
	return nil
}

// SignAsAdministrator signs a part's envelope.
func (e *Envelope) SignAsAdministrator(info []byte, by Signer) error {
	document, err := e.document(info)
	if err != nil {
		return err
	}
	sig, err := sign(by, "part-envelope", document)
	if err != nil {
		return err
	}
	e.Signature, err = sig.Encode()
	return err
}

// VerifyAdministrator checks the signature of the administrator who sealed a
// part.
func (e *Envelope) VerifyAdministrator(info []byte, admins *Administrators) error {
	document, err := e.document(info)
	if err != nil {
		return err
	}
	sig, err := DecodeSignature(e.Signature)
	if err != nil {
		return err
	}
	if e.Part == 0 || sig.Signer != SKI(e.Source) {
		return fmt.Errorf("%w: a part's envelope for unit %d", ErrInvalidSignature, e.Unit)
	}
	return quorum([]Signature{*sig}, admins, 1, "part-envelope", document)
}

// Encode returns the canonical DER.
func (e *Envelope) Encode() ([]byte, error) {
	if !e.Suite.seals(len(e.Sealed)) || len(e.Signature) > 2*MaxSignature || e.Unit == 0 || e.Part > 3 || e.Part == 0 && e.Suite != SuiteHPKE {
		return nil, fmt.Errorf("%w: envelope: its fields are out of range", ErrMalformed)
	}
	return encode(wireEnvelope{Format, int64(e.Suite), e.Order[:], int64(e.Unit), int64(e.Part), e.Source[:], e.Sealed, append([]byte{}, e.Signature...)})
}

// DecodeEnvelope reads the canonical DER, unverified.
func DecodeEnvelope(der []byte) (*Envelope, error) {
	var w wireEnvelope
	if err := decode(der, &w, "envelope"); err != nil {
		return nil, err
	}
	var r reader
	r.format(w.Format)
	e := &Envelope{
		Suite: Suite(r.enum(w.Suite, 255, "suite")), Unit: r.u32(w.Unit, "unit"), Part: r.u32(w.Part, "part"),
		Sealed: w.Sealed, Signature: w.Signature,
	}
	r.fixed(e.Order[:], w.Order, "order")
	r.fixed(e.Source[:], w.Source, "source")
	if r.err != nil {
		return nil, fmt.Errorf("envelope: %w", r.err)
	}
	if err := canonical(der, "envelope", e.Encode); err != nil {
		return nil, err
	}
	return e, nil
}

// Digest names the envelope's very bytes.
func (e *Envelope) Digest() (Digest, error) {
	der, err := e.Encode()
	if err != nil {
		return Digest{}, err
	}
	return digestOf("envelope", der), nil
}
