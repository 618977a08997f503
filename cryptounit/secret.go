package cryptounit

import (
	"fmt"

	"tumbler/cryptounit/masterkey"
)

// secretSize is the size in bytes of everything that a page of its own keeps: registers, parts, retired keys.
const secretSize = 32

// secret is 32 bytes outside the Go heap: a locked page between two that cannot be touched, left out of core dumps. It
// prints as [redacted] in every format. Its bytes are copied only into what inSecret erases.
type secret struct {
	region []byte // guard page, page, guard page
	bytes  []byte

	derived *subkeys
}

// secretOf moves b into a secret and erases b.
func secretOf(b []byte) (*secret, error) {
	if len(b) != secretSize {
		return nil, fmt.Errorf("a secret has %d bytes, not %d", len(b), secretSize)
	}
	s, err := newSecret()
	if err != nil {
		return nil, err
	}
	copy(s.bytes, b)
	erase(b)
	return s, nil
}

// of reports whether s is the master key of a pattern; an absent one is of the zero pattern.
func (s *secret) of(p masterkey.Pattern) (same bool) {
	if s == nil {
		return p.IsZero()
	}
	inSecret(func() { same = masterkey.PatternOf(s.bytes) == p })
	return same
}

const redacted = "[redacted]"

// Format prints [redacted] for every verb.
func (s secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText gives [redacted].
func (s secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
