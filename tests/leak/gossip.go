package leak

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
)

// The bytes of memberlist's messages that are outside its encryption.
const (
	gossipLabel     = 244 // then the label's length, and the label
	gossipEncrypted = 10  // then a length of 4 bytes; in a stream only
)

var errGossip = errors.New("no gossip that this test can read")

// unlabel takes the label off.
func unlabel(b []byte) (rest, label []byte) {
	if len(b) < 2 || b[0] != gossipLabel || len(b) < 2+int(b[1]) {
		return b, nil
	}
	n := 2 + int(b[1])
	return b[n:], b[2:n]
}

// openGossip opens version ‖ nonce ‖ ciphertext ‖ tag.
func openGossip(key, sealed, additional []byte) ([]byte, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	if len(sealed) < 1+aead.NonceSize() || sealed[0] != 1 {
		return nil, errGossip
	}
	return aead.Open(nil, sealed[1:1+aead.NonceSize()], sealed[1+aead.NonceSize():], additional)
}

// gossipPackets opens packets, each after its length.
func gossipPackets(key, b []byte) (plain []byte, err error) {
	for len(b) >= 4 {
		n := 4 + int(binary.BigEndian.Uint32(b))
		if len(b) < n {
			break
		}
		sealed, label := unlabel(b[4:n])
		one, err := openGossip(key, sealed, label)
		if err != nil {
			return plain, fmt.Errorf("a packet of %d bytes: %w", n-4, err)
		}
		plain = append(plain, one...)
		b = b[n:]
	}
	return plain, nil
}

// gossipStream opens what one end of a connection said.
func gossipStream(key, b, label []byte) (plain []byte, err error) {
	const head = 1 + 4
	for len(b) >= head {
		if b[0] != gossipEncrypted {
			return plain, errGossip
		}
		n := head + int(binary.BigEndian.Uint32(b[1:]))
		if len(b) < n {
			break
		}
		one, err := openGossip(key, b[head:n], append(append([]byte(nil), b[:head]...), label...))
		if err != nil {
			return plain, err
		}
		plain = append(plain, one...)
		b = b[n:]
	}
	return plain, nil
}
