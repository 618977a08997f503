package order

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math"
)

// Format is the number of the formats of this package, the first field of
// everything that is signed.
const Format = 1

// MaxEncoded bounds, in bytes, what this package decodes in one piece.
const MaxEncoded = 1 << 20

// ErrMalformed is wrapped by every decoding error.
var ErrMalformed = errors.New("malformed encoding")

// signedBytes returns what a signature covers: the domain and the DER.
func signedBytes(domain string, der []byte) []byte {
	b := make([]byte, 0, len("tumbler/v1/")+len(domain)+1+len(der))
	b = append(b, "tumbler/v1/"...)
	b = append(b, domain...)
	b = append(b, 0)
	return append(b, der...)
}

// digestOf returns the SHA-256 of what a signature covers, so that digests
// of different kinds of thing cannot meet.
func digestOf(domain string, der []byte) Digest {
	return sha256.Sum256(signedBytes(domain, der))
}

// encode marshals a wire struct; these hold only types that DER can carry.
func encode(wire any) ([]byte, error) {
	der, err := asn1.Marshal(wire)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	if len(der) > MaxEncoded {
		return nil, fmt.Errorf("encoding: %d bytes are more than %d", len(der), MaxEncoded)
	}
	return der, nil
}

// decode unmarshals der into wire and refuses trailing bytes and anything
// whose re-encoding differs.
func decode(der []byte, wire any, what string) error {
	if len(der) > MaxEncoded {
		return fmt.Errorf("%w: %s: %d bytes are more than %d", ErrMalformed, what, len(der), MaxEncoded)
	}
	rest, err := asn1.Unmarshal(der, wire)
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
	}
	if len(rest) > 0 {
		return fmt.Errorf("%w: %s: %d bytes follow it", ErrMalformed, what, len(rest))
	}
	return nil
}

// canonical refuses der if value re-encodes to anything else.
func canonical(der []byte, what string, again func() ([]byte, error)) (err error) {
	if provedOnce("canonical "+what, func() bool { err = recoded(der, what, again); return err == nil }, der) {
		return nil
	}
	return err
}

func recoded(der []byte, what string, again func() ([]byte, error)) error {
	same, err := again()
	if err != nil {
		return fmt.Errorf("%w: %s: %w", ErrMalformed, what, err)
	}
	if !bytes.Equal(der, same) {
		return fmt.Errorf("%w: %s is not in its canonical form", ErrMalformed, what)
	}
	return nil
}

// reader turns wire values into ours and keeps the first error.
type reader struct{ err error }

func (r *reader) fail(field string, format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s: %s", ErrMalformed, field, fmt.Sprintf(format, args...))
	}
}

func (r *reader) fixed(to, from []byte, field string) {
	if len(from) != len(to) {
		r.fail(field, "%d bytes, not %d", len(from), len(to))
		return
	}
	copy(to, from)
}

// optional is fixed, but empty stands for all zero.
func (r *reader) optional(to, from []byte, field string) {
	if len(from) == 0 {
		return
	}
	r.fixed(to, from, field)
	if bytes.Equal(to, make([]byte, len(to))) {
		r.fail(field, "zero is written as empty")
	}
}

func (r *reader) u64(v int64, field string) uint64 {
	if v < 0 {
		r.fail(field, "%d is negative", v)
		return 0
	}
	return uint64(v)
}

func (r *reader) u32(v int64, field string) uint32 {
	if v < 0 || v > math.MaxUint32 {
		r.fail(field, "%d is out of range", v)
		return 0
	}
	return uint32(v)
}

func (r *reader) enum(v int64, most uint8, field string) uint8 {
	if v < 0 || v > int64(most) {
		r.fail(field, "%d is unknown", v)
		return 0
	}
	return uint8(v)
}

func (r *reader) format(v int64) {
	if v != Format {
		r.fail("format", "%d is unknown: this release knows %d", v, Format)
	}
}

// sparse is the inverse of optional.
func sparse(b []byte) []byte {
	if bytes.Equal(b, make([]byte, len(b))) {
		return []byte{}
	}
	return b
}
