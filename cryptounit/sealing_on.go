//go:build !(plantedkeys && unsealed)

package cryptounit

import (
	"crypto/cipher"
	"crypto/hpke"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"tumbler/cryptounit/importer"
)

// What the leak test takes away, to see what its search finds then: sealing_off.go.

// erase overwrites what was used of a key.
func erase(b []byte) { clear(b) }

// sealAEAD appends the ciphertext and the tag of a message to dst.
func sealAEAD(aead cipher.AEAD, dst, nonce, plaintext, additional []byte) []byte {
	return aead.Seal(dst, nonce, plaintext, additional)
}

// openAEAD is the inverse of sealAEAD.
func openAEAD(aead cipher.AEAD, dst, nonce, ciphertext, additional []byte) ([]byte, error) {
	return aead.Open(dst, nonce, ciphertext, additional)
}

// sealHPKE seals a master key to an importer key (RFC 9180, base mode).
func sealHPKE(key hpke.PublicKey, info, value []byte) ([]byte, error) {
	return hpke.Seal(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, value)
}

// openHPKE is the inverse of sealHPKE.
func openHPKE(key hpke.PrivateKey, info, ciphertext []byte) ([]byte, error) {
	return hpke.Open(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, ciphertext)
}

// openRSA and openECDH open what a smart card wrapped.
func openRSA(private, wrapped []byte) ([]byte, error) { return importer.OpenRSA(private, wrapped) }

func openECDH(private, wrapped []byte) ([]byte, error) { return importer.OpenECDH(private, wrapped) }

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
	s := &secret{region: region, bytes: middle[page-secretSize:], derived: new(subkeys)}
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

// free erases. A freed secret must not be used.
func (s *secret) free() {
	if s == nil || s.region == nil {
		return
	}
	s.derived.free()
	erase(s.bytes)
	_ = syscall.Munmap(s.region)
	s.region, s.bytes = nil, nil
	runtime.SetFinalizer(s, nil)
}
