package order

import (
	"crypto/ed25519"
	"fmt"
	"math"
	"slices"

	"tumbler/cryptounit/masterkey"
)

// PartReply is what a unit tells the custodian of a key part that it has
// taken. It goes to the custodian alone: a part's pattern is in no state.
type PartReply struct {
	Cluster     ID
	Incarnation uint64
	Order       Digest
	Unit        uint32
	// Part is the part's number, and Pattern the verification pattern of
	// what the unit took under it.
	Part    uint32
	Pattern masterkey.Pattern
	// Waiting are the numbers of the parts that wait in the unit now, by
	// rising number; none: it has put all of them together and loaded the
	// result.
	Waiting []uint32
}

func (p *PartReply) check() error {
	if p.Cluster.IsZero() || p.Order.IsZero() || p.Unit == 0 || p.Pattern.IsZero() || p.Incarnation == 0 || p.Incarnation > math.MaxInt64 {
		return fmt.Errorf("%w: part reply: it names no cluster, order, unit or pattern", ErrMalformed)
	}
	if p.Part == 0 || p.Part > MaxParts {
		return fmt.Errorf("%w: part reply: there is no part %d", ErrMalformed, p.Part)
	}
	last := uint32(0)
	for _, n := range p.Waiting {
		if n <= last || n > MaxParts {
			return fmt.Errorf("%w: part reply: waiting parts do not stand by rising number at %d", ErrMalformed, n)
		}
		last = n
	}
	if len(p.Waiting) > 0 && !slices.Contains(p.Waiting, p.Part) {
		return fmt.Errorf("%w: part reply: part %d is not among those that wait", ErrMalformed, p.Part)
	}
	return nil
}

type wirePartReply struct {
	Format      int64
	Cluster     []byte
	Incarnation int64
	Order       []byte
	Unit        int64
	Part        int64
	Pattern     []byte
	Waiting     []int64
}

// Encode returns the canonical DER.
func (p *PartReply) Encode() ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	w := wirePartReply{
		Format: Format, Cluster: p.Cluster[:], Incarnation: int64(p.Incarnation), Order: p.Order[:],
		Unit: int64(p.Unit), Part: int64(p.Part), Pattern: p.Pattern[:], Waiting: []int64{},
	}
	for _, n := range p.Waiting {
		w.Waiting = append(w.Waiting, int64(n))
	}
	return encode(w)
}

// DecodePartReply reads the canonical DER, unverified.
func DecodePartReply(der []byte) (*PartReply, error) {
	var w wirePartReply
	if err := decode(der, &w, "part reply"); err != nil {
		return nil, err
	}
	var r reader
	r.format(w.Format)
	p := &PartReply{Incarnation: r.u64(w.Incarnation, "incarnation"), Unit: r.u32(w.Unit, "unit"), Part: r.u32(w.Part, "part")}
	r.fixed(p.Cluster[:], w.Cluster, "cluster")
	r.fixed(p.Order[:], w.Order, "order")
	r.fixed(p.Pattern[:], w.Pattern, "pattern")
	for _, n := range w.Waiting {
		p.Waiting = append(p.Waiting, r.u32(n, "waiting part"))
	}
	if r.err != nil {
		return nil, fmt.Errorf("part reply: %w", r.err)
	}
	if err := canonical(der, "part reply", p.Encode); err != nil {
		return nil, err
	}
	return p, nil
}

// SignedPartReply is a reply as signed by the unit's identity.
type SignedPartReply struct {
	Reply     []byte
	Identity  Identity
	Signature [ed25519.SignatureSize]byte
}

// SignPartReply encodes and signs. sign is the unit's Ed25519 signature over
// the bytes that it is given.
func SignPartReply(p *PartReply, identity Identity, sign func([]byte) []byte) (*SignedPartReply, error) {
	der, err := p.Encode()
	if err != nil {
		return nil, err
	}
	signed := &SignedPartReply{Reply: der, Identity: identity}
	if n := copy(signed.Signature[:], sign(signedBytes("part-reply", der))); n != ed25519.SignatureSize {
		return nil, fmt.Errorf("signing a part reply: the signature has %d bytes", n)
	}
	return signed, nil
}

// Verify returns the reply inside if identity signed it. Whether it is about
// the order, the unit and the part that the custodian meant is theirs to see.
func (s *SignedPartReply) Verify(identity Identity) (*PartReply, error) {
	p, err := DecodePartReply(s.Reply)
	if err != nil {
		return nil, err
	}
	if s.Identity != identity || !ed25519.Verify(identity[:], signedBytes("part-reply", s.Reply), s.Signature[:]) {
		return nil, fmt.Errorf("%w: unit %d, the reply to part %d", ErrStatementSignature, p.Unit, p.Part)
	}
	return p, nil
}

type wireSignedPartReply struct {
	Format    int64
	Reply     []byte
	Identity  []byte
	Signature []byte
}

// Encode returns the DER of reply and signature together.
func (s *SignedPartReply) Encode() ([]byte, error) {
	return encode(wireSignedPartReply{Format, s.Reply, s.Identity[:], s.Signature[:]})
}

// DecodeSignedPartReply reads the DER of a signed reply, unverified.
func DecodeSignedPartReply(der []byte) (*SignedPartReply, error) {
	var w wireSignedPartReply
	if err := decode(der, &w, "signed part reply"); err != nil {
		return nil, err
	}
	var r reader
	r.format(w.Format)
	s := &SignedPartReply{Reply: w.Reply}
	r.fixed(s.Identity[:], w.Identity, "identity")
	r.fixed(s.Signature[:], w.Signature, "signature")
	if r.err != nil {
		return nil, fmt.Errorf("signed part reply: %w", r.err)
	}
	if _, err := DecodePartReply(s.Reply); err != nil {
		return nil, err
	}
	if err := canonical(der, "signed part reply", s.Encode); err != nil {
		return nil, err
	}
	return s, nil
}
