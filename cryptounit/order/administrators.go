package order

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Limits of an administrators' list, as the reference has them.
const (
	MaxAdministrators   = 8
	MaxAdministratorKey = 512 // bytes of a SubjectPublicKeyInfo
	MaxName             = 30  // characters
	MaxThreshold        = 8
)

// The refusals of a list.
var (
	ErrTooManyAdministrators = errors.New("more than 8 administrators")
	ErrAdministratorExists   = errors.New("the administrator is on the list already")
	ErrThreshold             = errors.New("the signature threshold is above the number of administrators")
	ErrThresholdZero         = errors.New("the signature threshold is 0")
	ErrInvalidAdministrator  = errors.New("invalid administrator")

	ErrRevocationThreshold     = errors.New("the revocation threshold is above the number of administrators")
	ErrRevocationThresholdZero = errors.New("the revocation threshold is 0")
)

// SKI is a subject key identifier: the SHA-256 of an administrator's public
// key, an uncompressed point of P-521 (SEC 1, section 2.3.3).
type SKI [32]byte

// String returns 64 hex digits.
func (s SKI) String() string { return hex.EncodeToString(s[:]) }

// MarshalText returns 64 hex digits.
func (s SKI) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts 64 hex digits and nothing else.
func (s *SKI) UnmarshalText(text []byte) error { return unhex(s[:], text, "subject key identifier") }

// Administrator is one person who signs.
type Administrator struct {
	// Name has 1 to 30 characters.
	Name string
	// Key is the SubjectPublicKeyInfo (RFC 5280) of a P-521 key, DER.
	Key []byte
}

// PublicKey returns the key, or ErrInvalidAdministrator.
func (a Administrator) PublicKey() (*ecdsa.PublicKey, error) {
	if len(a.Key) > MaxAdministratorKey {
		return nil, fmt.Errorf("%w: %q: the key has %d bytes", ErrInvalidAdministrator, a.Name, len(a.Key))
	}
	parsed, err := x509.ParsePKIXPublicKey(a.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrInvalidAdministrator, a.Name, err)
	}
	key, ok := parsed.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P521() {
		return nil, fmt.Errorf("%w: %q: the key is no P-521 key", ErrInvalidAdministrator, a.Name)
	}
	return key, nil
}

// SKI returns the key's identifier, or ErrInvalidAdministrator.
func (a Administrator) SKI() (SKI, error) {
	key, err := a.PublicKey()
	if err != nil {
		return SKI{}, err
	}
	return SKIOf(key)
}

// Administrators is a unit's list with its two thresholds. Both thresholds
// are 0 in imprint mode, which may have administrators already, and 1 to 8
// otherwise.
type Administrators struct {
	List       []Administrator
	Signature  uint32
	Revocation uint32
}

// Imprint reports whether the list asks for no signature at all.
func (a *Administrators) Imprint() bool { return a.Signature == 0 }

// Find returns the administrator with the given key identifier.
func (a *Administrators) Find(ski SKI) (Administrator, bool) {
	for _, admin := range a.List {
		if found, err := admin.SKI(); err == nil && found == ski {
			return admin, true
		}
	}
	return Administrator{}, false
}

// Check reports whether the list is one that a unit can hold.
func (a *Administrators) Check() error {
	if len(a.List) > MaxAdministrators {
		return fmt.Errorf("%w: %d", ErrTooManyAdministrators, len(a.List))
	}
	switch {
	case a.Signature == 0 && a.Revocation != 0:
		return ErrThresholdZero
	case a.Revocation == 0 && a.Signature != 0:
		return ErrRevocationThresholdZero
	case a.Signature > uint32(len(a.List)):
		return fmt.Errorf("%w: %d of %d", ErrThreshold, a.Signature, len(a.List))
	case a.Revocation > uint32(len(a.List)):
		return fmt.Errorf("%w: %d of %d", ErrRevocationThreshold, a.Revocation, len(a.List))
	}
	seen := map[SKI]bool{}
	for _, admin := range a.List {
		if n := utf8.RuneCountInString(admin.Name); n == 0 || n > MaxName || !utf8.ValidString(admin.Name) {
			return fmt.Errorf("%w: the name %q has not 1 to %d characters", ErrInvalidAdministrator, admin.Name, MaxName)
		}
		ski, err := admin.SKI()
		if err != nil {
			return err
		}
		if seen[ski] {
			return fmt.Errorf("%w: %q", ErrAdministratorExists, admin.Name)
		}
		seen[ski] = true
	}
	return nil
}

// thresholdOf is the number of signatures that turn the list into next: the
// revocation threshold where it only takes administrators away, the signature
// threshold where it takes none away, and the higher where it does both. So a
// low revocation threshold lets nobody in and lowers no threshold.
func (a *Administrators) thresholdOf(next *Administrators) uint32 {
	taken, other := false, a.Signature != next.Signature || a.Revocation != next.Revocation
	for _, admin := range a.List {
		taken = taken || !next.has(admin)
	}
	for _, admin := range next.List {
		other = other || !a.has(admin)
	}
	switch {
	case taken && other:
		return max(a.Signature, a.Revocation)
	case taken:
		return a.Revocation
	}
	return a.Signature
}

func (a *Administrators) has(admin Administrator) bool {
	for _, each := range a.List {
		if each.Name == admin.Name && bytes.Equal(each.Key, admin.Key) {
			return true
		}
	}
	return false
}

type wireAdministrator struct {
	Name string `asn1:"utf8"`
	Key  []byte
}

type wireAdministrators struct {
	Format     int64
	List       []wireAdministrator
	Signature  int64
	Revocation int64
}

// Encode returns the canonical DER, after Check. The order of the list is
// part of it.
func (a *Administrators) Encode() ([]byte, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	list := make([]wireAdministrator, len(a.List))
	for i, admin := range a.List {
		list[i] = wireAdministrator(admin)
	}
	return encode(wireAdministrators{Format, list, int64(a.Signature), int64(a.Revocation)})
}

// DecodeAdministrators reads the canonical DER of a list and checks it.
func DecodeAdministrators(der []byte) (*Administrators, error) {
	var w wireAdministrators
	if err := decode(der, &w, "administrators"); err != nil {
		return nil, err
	}
	var r reader
	r.format(w.Format)
	a := &Administrators{Signature: r.u32(w.Signature, "signature threshold"), Revocation: r.u32(w.Revocation, "revocation threshold")}
	if r.err != nil {
		return nil, fmt.Errorf("administrators: %w", r.err)
	}
	for _, admin := range w.List {
		a.List = append(a.List, Administrator(admin))
	}
	if err := canonical(der, "administrators", a.Encode); err != nil {
		return nil, err
	}
	return a, nil
}

// Digest names the list and its thresholds.
func (a *Administrators) Digest() (Digest, error) {
	der, err := a.Encode()
	if err != nil {
		return Digest{}, err
	}
	return digestOf("administrators", der), nil
}
