package order

import (
	"crypto/rand"
	"encoding/binary"
	"testing"
)

// TestProvedOnce: what was good once is not verified again, and vouches for nothing that differs in any part, nor for
// parts of other lengths that make the same bytes; what was not good is verified each time.
func TestProvedOnce(t *testing.T) {
	var key, message, signature [32]byte
	rand.Read(key[:])
	rand.Read(message[:])
	rand.Read(signature[:])
	asked := func(key, message, signature []byte, good bool) (answer, verified bool) {
		answer = provedOnce("signature", func() bool { verified = true; return good }, key, message, signature)
		return answer, verified
	}
	if answer, verified := asked(key[:], message[:], signature[:], false); answer || !verified {
		t.Fatalf("a bad signature: %v, verified %v", answer, verified)
	}
	if answer, verified := asked(key[:], message[:], signature[:], true); !answer || !verified {
		t.Fatalf("a bad signature was remembered: %v, verified %v", answer, verified)
	}
	if answer, verified := asked(key[:], message[:], signature[:], false); !answer || verified {
		t.Fatalf("a good signature: %v, verified again %v", answer, verified)
	}
	other := key
	other[31] ^= 1
	for name, parts := range map[string][3][]byte{
		"another key":                      {other[:], message[:], signature[:]},
		"another message":                  {key[:], other[:], signature[:]},
		"another signature":                {key[:], message[:], other[:]},
		"the same bytes in other lengths":  {key[:31], append(key[31:], message[:]...), signature[:]},
		"the message where a signature is": {key[:], append(message[:], signature[:]...), nil},
	} {
		if answer, verified := asked(parts[0], parts[1], parts[2], false); answer || !verified {
			t.Errorf("%s: %v, verified %v", name, answer, verified)
		}
	}
}

// TestProvedIsBounded: the memory of good signatures has an end.
func TestProvedIsBounded(t *testing.T) {
	for i := range uint64(2*mostProved + 1) {
		provedOnce("number", func() bool { return true }, binary.BigEndian.AppendUint64(nil, i))
	}
	if n := len(proved.good); n == 0 || n > mostProved {
		t.Errorf("%d are remembered, want 1 to %d", n, mostProved)
	}
}
