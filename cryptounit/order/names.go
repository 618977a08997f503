// Package order holds what administrators sign and what crypto units state:
// orders, approvals, statements, envelopes and the evidence that they make
// together, in canonical DER, with their signatures and with the one function
// that says what each step of a rotation needs.
//
// It is a leaf without IO, clock or randomness, shared by three parties that
// do not trust each other: the replicated state uses it to know when to
// advance, each crypto unit to decide whether to obey, and an auditor's
// workstation to check the receipt afterwards. A decoded value is always the
// one whose re-encoding gives the same bytes.
package order

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// ID names a cluster, an instance or a key: 16 bytes, written as a UUID.
type ID [16]byte

// IsZero reports whether id names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// String returns the form 8-4-4-4-12.
func (id ID) String() string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// MarshalText returns the form 8-4-4-4-12.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText accepts the form 8-4-4-4-12 in lower case and nothing else.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

// ParseID reads the form 8-4-4-4-12.
func ParseID(s string) (ID, error) {
	var id ID
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != len(id) {
		return ID{}, fmt.Errorf("%q is not a UUID of the form 8-4-4-4-12", s)
	}
	copy(id[:], b)
	if id.String() != strings.ToLower(s) {
		return ID{}, fmt.Errorf("%q is not a UUID of the form 8-4-4-4-12", s)
	}
	return id, nil
}

// Digest is a SHA-256 digest: of an order, a list, an envelope or a blob.
type Digest [32]byte

// IsZero reports whether d is of nothing.
func (d Digest) IsZero() bool { return d == Digest{} }

// String returns 64 hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText returns 64 hex digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText accepts 64 hex digits and nothing else.
func (d *Digest) UnmarshalText(text []byte) error { return unhex(d[:], text, "digest") }

// Identity is a crypto unit's Ed25519 public key (RFC 8032).
type Identity [32]byte

// IsZero reports whether i is no identity.
func (i Identity) IsZero() bool { return i == Identity{} }

// String returns 64 hex digits: the fingerprint that people compare.
func (i Identity) String() string { return hex.EncodeToString(i[:]) }

// MarshalText returns 64 hex digits.
func (i Identity) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText accepts 64 hex digits and nothing else.
func (i *Identity) UnmarshalText(text []byte) error { return unhex(i[:], text, "identity") }

func unhex(to, text []byte, what string) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(to) {
		return fmt.Errorf("%s: %q is not %d hex digits", what, text, 2*len(to))
	}
	copy(to, b)
	return nil
}

// Role says whether a crypto unit serves keys or keeps the backup.
type Role uint8

// The roles. The numbers are forever.
const (
	Operational Role = 1
	Recovery    Role = 2
)

// String returns the word of the configuration and of JSON.
func (r Role) String() string {
	switch r {
	case Operational:
		return "operational"
	case Recovery:
		return "recovery"
	}
	return fmt.Sprintf("Role(%d)", uint8(r))
}

// Class is what progress and census count keys by.
type Class uint8

// The classes. The numbers are forever.
const (
	SystemInternal Class = 1
	KMS            Class = 2
	EP11           Class = 3
)

// Classes lists every class in the order of Counts.
func Classes() []Class { return []Class{SystemInternal, KMS, EP11} }

// String returns the word of JSON and of lists.
func (c Class) String() string {
	switch c {
	case SystemInternal:
		return "system internal"
	case KMS:
		return "KMS"
	case EP11:
		return "EP11"
	}
	return fmt.Sprintf("Class(%d)", uint8(c))
}

// Counts holds a number of blobs for each class, in the order of Classes.
type Counts [3]uint64

// Of returns the count of one class, 0 for an unknown one.
func (c Counts) Of(class Class) uint64 {
	if class < SystemInternal || class > EP11 {
		return 0
	}
	return c[class-1]
}

// Count returns c with n more of class; an unknown class counts nowhere.
func (c Counts) Count(class Class, n uint64) Counts {
	if class >= SystemInternal && class <= EP11 {
		c[class-1] += n
	}
	return c
}

// Plus returns the sum.
func (c Counts) Plus(d Counts) Counts {
	for i := range c {
		c[i] += d[i]
	}
	return c
}

// Minus returns the difference; ok is false where it would fall below zero.
func (c Counts) Minus(d Counts) (diff Counts, ok bool) {
	for i := range c {
		if d[i] > c[i] {
			return Counts{}, false
		}
		diff[i] = c[i] - d[i]
	}
	return diff, true
}

// Total returns the count over all classes.
func (c Counts) Total() uint64 { return c[0] + c[1] + c[2] }
