package cryptounit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// register returns the register that a blob's pattern names; the new one only once it is committed.
func (c *content) register(short [masterkey.ShortSize]byte) (*secret, error) {
	if c.current != nil && c.Registers.CurrentPattern.Short() == short {
		return c.current, nil
	}
	if c.Registers.New == masterkey.NewFullCommitted && c.Registers.NewPattern.Short() == short {
		return c.next, nil
	}
	return nil, refuse(ErrPatternUnknown, "%x", short)
}

func (s *secret) xaes(p purpose) (*xaes, error) {
	key, err := s.derived.subkeyOf(s, p)
	if err != nil {
		return nil, err
	}
	return newXAES(key.bytes)
}

// withKey runs f with the material of a blob, erased afterwards.
func (u *Unit) withKey(blob []byte, f func(h Header, material []byte) error) (err error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.stopped != nil {
		return u.stopped
	}
	inSecret(func() {
		var material []byte
		if material, err = u.content.open(blob); err != nil {
			return
		}
		defer erase(material)
		var h Header
		if h, err = ParseHeader(blob); err == nil {
			err = f(h, material)
		}
	})
	return err
}

// open returns the material of a blob.
func (c *content) open(blob []byte) ([]byte, error) {
	n, err := headerLength(blob)
	if err != nil {
		return nil, err
	}
	if order.ID(blob[4:patternOffset]) != c.Instance {
		return nil, refuse(ErrBlob, "it is of another instance")
	}
	register, err := c.register(blobPattern(blob))
	if err != nil {
		return nil, err
	}
	x, err := register.xaes(blobPurpose(Use(blob[1])))
	if err != nil {
		return nil, err
	}
	material, err := x.newOpener().open(nil, blob[n:], blob[:n])
	if err != nil {
		return nil, refuse(ErrBlob, "it is not what was sealed")
	}
	return material, nil
}

// Export returns the payload of a blob of UseStandard; any other is ErrUse.
func (u *Unit) Export(blob []byte) (payload []byte, err error) {
	err = u.withKey(blob, func(h Header, material []byte) error {
		if h.Use != UseStandard {
			return refuse(ErrUse, "it is not extractable")
		}
		payload = append([]byte(nil), material...)
		return nil
	})
	return payload, err
}

// Wrap encrypts with the key in a blob of UseRoot: AES-GCM (NIST SP 800-38D)
// with a random 12-byte iv; the tag ends the ciphertext.
func (u *Unit) Wrap(blob, plaintext, aad []byte) (iv, ciphertext []byte, err error) {
	err = u.withKey(blob, func(h Header, material []byte) error {
		gcm, err := rootCipher(h, material)
		if err != nil {
			return err
		}
		iv = make([]byte, gcm.NonceSize())
		rand.Read(iv)
		ciphertext = gcm.Seal(nil, iv, plaintext, aad)
		return nil
	})
	return iv, ciphertext, err
}

// Unwrap is the inverse of Wrap; what is not authentic is ErrNotAuthentic.
func (u *Unit) Unwrap(blob, iv, ciphertext, aad []byte) (plaintext []byte, err error) {
	err = u.withKey(blob, func(h Header, material []byte) error {
		gcm, err := rootCipher(h, material)
		if err != nil {
			return err
		}
		if len(iv) != gcm.NonceSize() {
			return refuse(ErrNotAuthentic, "an iv of %d bytes", len(iv))
		}
		if plaintext, err = gcm.Open(nil, iv, ciphertext, aad); err != nil {
			return ErrNotAuthentic
		}
		return nil
	})
	return plaintext, err
}

func rootCipher(h Header, material []byte) (cipher.AEAD, error) {
	if h.Use != UseRoot {
		return nil, refuse(ErrUse, "it does not wrap")
	}
	block, err := aes.NewCipher(material)
	if err != nil {
		return nil, refuse(ErrUse, "%v", err)
	}
	return cipher.NewGCM(block)
}

// MAC returns HMAC-SHA-256 (RFC 2104) with the key in a blob of UseMAC.
func (u *Unit) MAC(blob, message []byte) (mac []byte, err error) {
	err = u.withKey(blob, func(h Header, material []byte) error {
		if h.Use != UseMAC {
			return refuse(ErrUse, "it does not authenticate")
		}
		m := hmac.New(sha256.New, material)
		m.Write(message)
		mac = m.Sum(nil)
		return nil
	})
	return mac, err
}

// Check opens a blob and shows nothing of it.
func (u *Unit) Check(blob []byte) error {
	return u.withKey(blob, func(Header, []byte) error { return nil })
}
