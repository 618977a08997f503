package cryptounit

import (
	"bytes"
	"crypto/sha3"
	"encoding/hex"
	"errors"
	"math"
	"testing"
)

func TestXAESMatchesThePublishedVectors(t *testing.T) {
	for _, v := range []struct {
		key       byte
		aad, want string
	}{
		{1, "", "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	} {
		key := bytes.Repeat([]byte{v.key}, xaesKeySize)
		nonce := []byte("ABCDEFGHIJKLMNOPQRSTUVWX")
		got := sealWithNonce(t, key, nonce, []byte("XAES-256-GCM"), []byte(v.aad))
		if hex.EncodeToString(got) != v.want {
			t.Errorf("key %x: sealed %x, want %s", key, got, v.want)
		}
		opened, err := openXAES(key, append(nonce, got...), []byte(v.aad))
		if err != nil || string(opened) != "XAES-256-GCM" {
			t.Errorf("key %x: opened %q, %v", key, opened, err)
		}
	}
}

func TestXAESMatchesTheAccumulatedVector(t *testing.T) {
	rng, digest := sha3.NewSHAKE128(), sha3.NewSHAKE128()
	read := func(n int) []byte {
		b := make([]byte, n)
		rng.Read(b)
		return b
	}
	for range 10_000 {
		key, nonce := read(xaesKeySize), read(xaesNonceSize)
		plaintext := read(int(read(1)[0]))
		aad := read(int(read(1)[0]))
		sealed := sealWithNonce(t, key, nonce, plaintext, aad)
		digest.Write(sealed)
		opened, err := openXAES(key, append(nonce, sealed...), aad)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Fatalf("opened %x, %v", opened, err)
		}
	}
	var sum [32]byte
	digest.Read(sum[:])
	const want = "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939"
	if hex.EncodeToString(sum[:]) != want {
		t.Errorf("accumulated %x, want %s", sum, want)
	}
}

func TestABatchSharesOneDerivedKeyAndNoNonce(t *testing.T) {
	x, err := newXAES(make([]byte, xaesKeySize))
	if err != nil {
		t.Fatal(err)
	}
	s, err := x.newBatch()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	var half []byte
	for i := range 100 {
		sealed, err := s.seal(nil, []byte("m"), nil)
		if err != nil {
			t.Fatal(err)
		}
		if half == nil {
			half = sealed[:xaesHalf]
		}
		if !bytes.Equal(half, sealed[:xaesHalf]) {
			t.Errorf("message %d has another first half", i)
		}
		seen[string(sealed[:xaesNonceSize])] = true
	}
	if len(seen) != 100 {
		t.Errorf("%d distinct nonces for 100 messages", len(seen))
	}
	other, err := x.newBatch()
	if err != nil {
		t.Fatal(err)
	}
	if other.nonce == s.nonce || bytes.Equal(other.nonce[xaesHalf:20], s.nonce[xaesHalf:20]) {
		t.Error("two batches drew the same nonce")
	}
}

func TestABatchEndsWithItsCounter(t *testing.T) {
	x, err := newXAES(make([]byte, xaesKeySize))
	if err != nil {
		t.Fatal(err)
	}
	s, err := x.newBatch()
	if err != nil {
		t.Fatal(err)
	}
	s.next = math.MaxUint32
	if _, err := s.seal(nil, nil, nil); err != nil {
		t.Errorf("the last nonce: %v", err)
	}
	if _, err := s.seal(nil, nil, nil); !errors.Is(err, errCounter) {
		t.Errorf("one more: %v, want %v", err, errCounter)
	}
}

func TestOpenRefusesWhatWasChanged(t *testing.T) {
	key := bytes.Repeat([]byte{7}, xaesKeySize)
	sealed, err := sealXAES(key, []byte("material"), []byte("header"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := openXAES(key, bad, []byte("header")); err == nil {
			t.Errorf("byte %d flipped: opened", i)
		}
	}
	for n := range sealed {
		if _, err := openXAES(key, sealed[:n], []byte("header")); err == nil {
			t.Errorf("cut to %d bytes: opened", n)
		}
	}
	if _, err := openXAES(key, sealed, []byte("headed")); err == nil {
		t.Error("another header: opened")
	}
}

// sealWithNonce seals under a given nonce, which the package itself never does.
func sealWithNonce(t *testing.T, key, nonce, plaintext, aad []byte) []byte {
	t.Helper()
	x, err := newXAES(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := x.derive((*[xaesHalf]byte)(nonce))
	if err != nil {
		t.Fatal(err)
	}
	return aead.Seal(nil, nonce[xaesHalf:], plaintext, aad)
}
