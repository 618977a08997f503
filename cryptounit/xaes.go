package cryptounit

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"math"
)

// XAES-256-GCM (c2sp.org/XAES-256-GCM): AES-256-GCM with a 24-byte nonce. The first half of the nonce derives a key with
// the counter KDF of NIST SP 800-108r1 over AES-CMAC, the second half is the nonce under the derived key.
const (
	xaesKeySize   = 32
	xaesNonceSize = 24
	xaesHalf      = 12
	xaesTagSize   = 16
	xaesOverhead  = xaesNonceSize + xaesTagSize
)

// xaes is one 32-byte key with its CMAC subkey, ready to derive. It is read-only once made.
type xaes struct {
	block cipher.Block
	k1    [aes.BlockSize]byte
}

func newXAES(key []byte) (*xaes, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	if len(key) != xaesKeySize {
		return nil, aes.KeySizeError(len(key))
	}
	x := &xaes{block: block}
	block.Encrypt(x.k1[:], x.k1[:])
	var carry byte
	for i := len(x.k1) - 1; i >= 0; i-- {
		x.k1[i], carry = x.k1[i]<<1|carry, x.k1[i]>>7
	}
	x.k1[len(x.k1)-1] ^= carry * 0b10000111
	return x, nil
}

// derive makes the AES-256-GCM of the first half of a nonce.
func (x *xaes) derive(half *[xaesHalf]byte) (cipher.AEAD, error) {
	var key [xaesKeySize]byte
	defer erase(key[:])
	for i := range 2 {
		m := key[i*aes.BlockSize : (i+1)*aes.BlockSize]
		m[1], m[2] = byte(i+1), 'X'
		copy(m[4:], half[:])
		for j := range m {
			m[j] ^= x.k1[j]
		}
		x.block.Encrypt(m, m)
	}
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// errCounter says that a batch sealed as many messages as its counter has values.
var errCounter = errors.New("this batch has used its 4,294,967,295 nonces: begin another")

// batchSealer seals a batch of messages under one derived key. Its nonces are 12 bytes drawn for the batch, 8 random bytes
// drawn with them, and a counter of 4 bytes that starts at 0. The counter is never stored, copied or resumed: what it was
// made for ends with it. It is not for concurrent use.
type batchSealer struct {
	aead  cipher.AEAD
	nonce [xaesNonceSize]byte
	next  uint64
}

func (x *xaes) newBatch() (*batchSealer, error) {
	s := new(batchSealer)
	rand.Read(s.nonce[:xaesNonceSize-4])
	aead, err := x.derive((*[xaesHalf]byte)(s.nonce[:]))
	if err != nil {
		return nil, err
	}
	s.aead = aead
	return s, nil
}

// seal appends nonce ‖ ciphertext ‖ tag to dst.
func (s *batchSealer) seal(dst, plaintext, additional []byte) ([]byte, error) {
	if s.next > math.MaxUint32 {
		return nil, errCounter
	}
	binary.BigEndian.PutUint32(s.nonce[xaesNonceSize-4:], uint32(s.next))
	s.next++
	dst = append(dst, s.nonce[:]...)
	return sealAEAD(s.aead, dst, s.nonce[xaesHalf:], plaintext, additional), nil
}

// batchOpener opens messages and keeps the last derived key, since messages that were sealed as a batch share one and are
// mostly read in the order they were written. It is not for concurrent use.
type batchOpener struct {
	x    *xaes
	half [xaesHalf]byte
	aead cipher.AEAD
}

func (x *xaes) newOpener() *batchOpener { return &batchOpener{x: x} }

// open appends the plaintext of nonce ‖ ciphertext ‖ tag to dst.
func (o *batchOpener) open(dst, sealed, additional []byte) ([]byte, error) {
	if len(sealed) < xaesOverhead {
		return nil, errors.New("shorter than a nonce and a tag")
	}
	half := (*[xaesHalf]byte)(sealed)
	if o.aead == nil || *half != o.half {
		aead, err := o.x.derive(half)
		if err != nil {
			return nil, err
		}
		o.half, o.aead = *half, aead
	}
	return openAEAD(o.aead, dst, sealed[xaesHalf:xaesNonceSize], sealed[xaesNonceSize:], additional)
}

// sealXAES seals one message under a key of its own batch.
func sealXAES(key, plaintext, additional []byte) ([]byte, error) {
	x, err := newXAES(key)
	if err != nil {
		return nil, err
	}
	s, err := x.newBatch()
	if err != nil {
		return nil, err
	}
	return s.seal(make([]byte, 0, len(plaintext)+xaesOverhead), plaintext, additional)
}

// openXAES opens what sealXAES sealed.
func openXAES(key, sealed, additional []byte) ([]byte, error) {
	x, err := newXAES(key)
	if err != nil {
		return nil, err
	}
	return x.newOpener().open(nil, sealed, additional)
}
