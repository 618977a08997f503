package masterkey

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Size is the length in bytes of a master key and of a key part.
const Size = 32

// PatternSize is the length in bytes of a verification pattern.
const PatternSize = 32

// ShortSize is the length in bytes of the part of a pattern that a blob carries.
const ShortSize = 16

// Pattern is a verification pattern: it names a master key without revealing
// it. The zero Pattern names no key: an empty register shows it.
type Pattern [PatternSize]byte

// PatternOf returns SHA-256(0x01 ‖ key) with its last 4 bytes zeroed.
func PatternOf(key []byte) Pattern {
	h := sha256.New()
	h.Write([]byte{0x01})
	h.Write(key)
	var p Pattern
	h.Sum(p[:0])
	clear(p[PatternSize-4:])
	return p
}

// IsZero reports whether p names no key.
func (p Pattern) IsZero() bool { return p == Pattern{} }

// Short returns the first 16 bytes, by which a blob names its master key.
func (p Pattern) Short() [ShortSize]byte { return [ShortSize]byte(p[:ShortSize]) }

// String returns 64 hex digits.
func (p Pattern) String() string { return hex.EncodeToString(p[:]) }

// MarshalText returns 64 hex digits.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText accepts 64 hex digits and nothing else.
func (p *Pattern) UnmarshalText(text []byte) error {
	if len(text) != 2*PatternSize {
		return fmt.Errorf("a verification pattern has %d hex digits, not %d", 2*PatternSize, len(text))
	}
	var decoded Pattern
	if _, err := hex.Decode(decoded[:], text); err != nil {
		return fmt.Errorf("verification pattern: %w", err)
	}
	*p = decoded
	return nil
}
