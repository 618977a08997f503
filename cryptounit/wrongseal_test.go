package cryptounit

import (
	"bytes"
	"crypto/cipher"
	"errors"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// wrongAEAD seals wrongly once it has sealed rightly so many times.
type wrongAEAD struct {
	cipher.AEAD
	rightly int
	wrong   func(dst, nonce, plaintext, additional []byte) []byte
}

func (w *wrongAEAD) Seal(dst, nonce, plaintext, additional []byte) []byte {
	if w.rightly > 0 {
		w.rightly--
		return w.AEAD.Seal(dst, nonce, plaintext, additional)
	}
	return w.wrong(dst, nonce, plaintext, additional)
}

// TestWhatWasSealedIsOpenedAgain: a blob that does not open, or opens to another key, is given to nobody, nor are those that
// were made with it.
func TestWhatWasSealedIsOpenedAgain(t *testing.T) {
	c := initialised(t, 1, 1)
	c.committed()
	u := c.unit(1)
	under := []masterkey.Pattern{c.pattern(1), u.Status().Registers.NewPattern}
	keys := []NewKey{
		{Header: c.header(1, UseRoot, order.KMS), Material: bytes.Repeat([]byte{1}, 32)},
		{Header: c.header(2, UseRoot, order.KMS), Material: bytes.Repeat([]byte{2}, 32)},
	}
	makeWith := func(wrong func(right cipher.AEAD, dst, nonce, plaintext, additional []byte) []byte) (*maker, error) {
		m := &maker{content: u.content, blobs: [][][]byte{{nil, nil}, {nil, nil}}}
		if err := m.derive(under); err != nil {
			t.Fatal(err)
		}
		sealer := m.sealers[1].blob
		right := sealer.aead
		sealer.aead = &wrongAEAD{right, 1, func(dst, nonce, plaintext, additional []byte) []byte {
			return wrong(right, dst, nonce, plaintext, additional)
		}}
		return m, m.makeAll(keys, under)
	}
	for what, wrong := range map[string]func(right cipher.AEAD, dst, nonce, plaintext, additional []byte) []byte{
		"a bit of the ciphertext is wrong": func(right cipher.AEAD, dst, nonce, plaintext, additional []byte) []byte {
			sealed := right.Seal(dst, nonce, plaintext, additional)
			sealed[len(dst)] ^= 1
			return sealed
		},
		"another key was sealed": func(right cipher.AEAD, dst, nonce, plaintext, additional []byte) []byte {
			return right.Seal(dst, nonce, bytes.Repeat([]byte{3}, len(plaintext)), additional)
		},
		"the header was left out": func(right cipher.AEAD, dst, nonce, plaintext, _ []byte) []byte {
			return right.Seal(dst, nonce, plaintext, nil)
		},
	} {
		m, err := makeWith(wrong)
		if !errors.Is(err, ErrNotEqual) || m.blobs[1][1] != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := makeWith(cipher.AEAD.Seal); err != nil {
		t.Errorf("nothing is wrong: %v", err)
	}
}
