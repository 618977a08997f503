package cryptounit

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"tumbler/cryptounit/masterkey"
)

// secretSize is the size in bytes of everything that a page of its own keeps: registers, parts, retired keys.
const secretSize = 32

// secret is 32 bytes outside the Go heap: a locked page between two that cannot be touched, left out of core dumps. It
// prints as [redacted] in every format. Its bytes are copied only into what inSecret erases.
type secret struct {
	region []byte // guard page, page, guard page
	bytes  []byte
}

// madvDontDump is MADV_DONTDUMP of Linux.
const madvDontDump = 16

func newSecret() (*secret, error) {
	page := os.Getpagesize()
	region, err := syscall.Mmap(-1, 0, 3*page, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("memory for a master key: %w", err)
	}
	middle := region[page : 2*page]
	if err := protect(middle); err != nil {
		_ = syscall.Munmap(region)
		return nil, err
	}
	s := &secret{region: region, bytes: middle[page-secretSize:]}
	runtime.SetFinalizer(s, (*secret).free)
	return s, nil
}

func protect(page []byte) error {
	if err := syscall.Mprotect(page, syscall.PROT_READ|syscall.PROT_WRITE); err != nil {
		return fmt.Errorf("memory for a master key: %w", err)
	}
	if err := syscall.Mlock(page); err != nil {
		return fmt.Errorf("locking memory for a master key: %w: raise RLIMIT_MEMLOCK of this process (ulimit -l, LimitMEMLOCK=) to at least 1 MiB", err)
	}
	if err := syscall.Madvise(page, madvDontDump); err != nil {
		return fmt.Errorf("excluding a master key from core dumps: %w", err)
	}
	return nil
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
	clear(b)
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

// free erases. A freed secret must not be used.
func (s *secret) free() {
	if s == nil || s.region == nil {
		return
	}
	clear(s.bytes)
	_ = syscall.Munmap(s.region)
	s.region, s.bytes = nil, nil
	runtime.SetFinalizer(s, nil)
}

const redacted = "[redacted]"

// Format prints [redacted] for every verb.
func (s secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// MarshalText gives [redacted].
func (s secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }
