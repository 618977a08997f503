package order

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
)

// Algorithm numbers a signature algorithm, so that others can join.
type Algorithm uint8

// ECDSAP521SHA512 is ECDSA (FIPS 186-5) on P-521 with SHA-512, DER, low s.
// The number is forever.
const ECDSAP521SHA512 Algorithm = 1

// MaxSignature bounds one signature, in bytes.
const MaxSignature = 256

// MaxSignatures bounds the signatures of one document.
const MaxSignatures = 16

// The refusals of signature checks.
var (
	ErrInvalidSignature = errors.New("invalid signature")
	ErrTooFewSignatures = errors.New("too few signatures")
	ErrUnauthorised     = errors.New("the signer is no administrator")
)

// TooFewError says how many signatures of distinct administrators there are
// and how many are asked for; it is ErrTooFewSignatures.
type TooFewError struct{ Have, Need int }

func (e *TooFewError) Error() string {
	return fmt.Sprintf("%v: %d of %d: let more administrators sign the same document", ErrTooFewSignatures, e.Have, e.Need)
}

// Unwrap returns ErrTooFewSignatures.
func (e *TooFewError) Unwrap() error { return ErrTooFewSignatures }

// Signature is one administrator's signature over a document.
type Signature struct {
	Algorithm Algorithm
	Signer    SKI
	Bytes     []byte
}

type wireSignature struct {
	Algorithm int64
	Signer    []byte
	Bytes     []byte
}

// Signer signs messages with one administrator's P-521 key: a key file, a
// signing service or a smart card. It hashes with SHA-512 and returns an
// ECDSA signature in DER; s is made low by the caller. A signature that the
// public key does not verify is refused, wherever it comes from.
type Signer interface {
	Public() *ecdsa.PublicKey
	SignMessage(message []byte) ([]byte, error)
}

// KeySigner is a Signer with the key in memory.
type KeySigner struct{ Key *ecdsa.PrivateKey }

// Public returns the public key.
func (k KeySigner) Public() *ecdsa.PublicKey { return &k.Key.PublicKey }

// SignMessage signs the SHA-512 of a message.
func (k KeySigner) SignMessage(message []byte) ([]byte, error) {
	digest := sha512.Sum512(message)
	return ecdsa.SignASN1(rand.Reader, k.Key, digest[:])
}

// SKIOf returns the identifier of a P-521 public key.
func SKIOf(key *ecdsa.PublicKey) (SKI, error) {
	point, err := key.Bytes()
	if err != nil {
		return SKI{}, fmt.Errorf("%w: %w", ErrInvalidAdministrator, err)
	}
	return sha256.Sum256(point), nil
}

type ecdsaSignature struct{ R, S *big.Int }

// sign returns the signature of signer over one domain's document.
func sign(signer Signer, domain string, der []byte) (Signature, error) {
	message := signedBytes(domain, der)
	raw, err := signer.SignMessage(message)
	if err != nil {
		return Signature{}, fmt.Errorf("signing: %w", err)
	}
	ski, err := SKIOf(signer.Public())
	if err != nil {
		return Signature{}, err
	}
	low, err := lowS(raw)
	if err != nil {
		return Signature{}, err
	}
	spki, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return Signature{}, fmt.Errorf("%w: %w", ErrInvalidAdministrator, err)
	}
	digest := sha512.Sum512(message)
	good := func() bool { return ecdsa.VerifyASN1(signer.Public(), digest[:], low) }
	if !provedOnce("ECDSA", good, spki, digest[:], low) {
		return Signature{}, fmt.Errorf("%w: what was asked to sign gave one that its own public key does not verify", ErrInvalidSignature)
	}
	return Signature{ECDSAP521SHA512, ski, low}, nil
}

func lowS(raw []byte) ([]byte, error) {
	var sig ecdsaSignature
	if rest, err := asn1.Unmarshal(raw, &sig); err != nil || len(rest) > 0 {
		return nil, fmt.Errorf("%w: not DER", ErrInvalidSignature)
	}
	n := elliptic.P521().Params().N
	if sig.S.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		sig.S.Sub(n, sig.S)
	}
	return asn1.Marshal(sig)
}

// verify checks one signature by one administrator.
func (s Signature) verify(admin Administrator, domain string, der []byte) error {
	if s.Algorithm != ECDSAP521SHA512 {
		return fmt.Errorf("%w: algorithm %d is unknown", ErrInvalidSignature, s.Algorithm)
	}
	key, err := admin.PublicKey()
	if err != nil {
		return err
	}
	low, err := lowS(s.Bytes)
	if err != nil {
		return err
	}
	digest := sha512.Sum512(signedBytes(domain, der))
	good := func() bool { return ecdsa.VerifyASN1(key, digest[:], s.Bytes) }
	if string(low) != string(s.Bytes) || !provedOnce("ECDSA", good, admin.Key, digest[:], s.Bytes) {
		return fmt.Errorf("%w: by %q", ErrInvalidSignature, admin.Name)
	}
	return nil
}

// quorum checks every signature and asks for need distinct administrators of
// the list.
func quorum(sigs []Signature, admins *Administrators, need uint32, domain string, der []byte) error {
	if admins.Imprint() {
		return fmt.Errorf("%w: the list is that of a unit in imprint mode", ErrTooFewSignatures)
	}
	distinct, err := signers(sigs, admins, domain, der)
	if err != nil {
		return err
	}
	if len(distinct) < int(need) || need == 0 {
		return &TooFewError{len(distinct), int(need)}
	}
	return nil
}

// signers checks every signature and gives whose they are: each
// administrator of the list once.
func signers(sigs []Signature, admins *Administrators, domain string, der []byte) ([]Administrator, error) {
	if len(sigs) > MaxSignatures {
		return nil, fmt.Errorf("%w: %d signatures are more than %d", ErrInvalidSignature, len(sigs), MaxSignatures)
	}
	seen := map[SKI]bool{}
	var distinct []Administrator
	for _, s := range sigs {
		admin, ok := admins.Find(s.Signer)
		if !ok {
			return nil, fmt.Errorf("%w: %v", ErrUnauthorised, s.Signer)
		}
		if err := s.verify(admin, domain, der); err != nil {
			return nil, err
		}
		if !seen[s.Signer] {
			seen[s.Signer] = true
			distinct = append(distinct, admin)
		}
	}
	return distinct, nil
}

func toWireSignatures(sigs []Signature) []wireSignature {
	w := make([]wireSignature, len(sigs))
	for i, s := range sigs {
		w[i] = wireSignature{int64(s.Algorithm), s.Signer[:], s.Bytes}
	}
	return w
}

func (r *reader) signatures(w []wireSignature) []Signature {
	if len(w) > MaxSignatures {
		r.fail("signatures", "%d are more than %d", len(w), MaxSignatures)
		return nil
	}
	var sigs []Signature
	for _, s := range w {
		if len(s.Bytes) == 0 || len(s.Bytes) > MaxSignature {
			r.fail("signature", "%d bytes", len(s.Bytes))
		}
		sig := Signature{Algorithm: Algorithm(r.enum(s.Algorithm, 255, "algorithm")), Bytes: s.Bytes}
		r.fixed(sig.Signer[:], s.Signer, "signer")
		sigs = append(sigs, sig)
	}
	return sigs
}
