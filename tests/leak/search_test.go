package leak

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// value is one planted value of a kind.
func value(k kind, seed string) []byte { return planted(k, seed, 7) }

// planted is the n-th value of a kind, as the crypto unit's generator makes it.
func planted(k kind, seed string, n byte) []byte {
	h := k.halves(seed)
	v := append(bytes.Clone(h[0]), 0, 0, 4, 210)
	return append(append(v, h[1]...), 0, 0, 0, n)
}

func searched(s *searcher, b []byte) *place {
	p := &place{}
	s.bytesOf(p, "here", b)
	return p
}

// TestAValueIsFoundHoweverItIsWritten: raw, in hex, in base64 at every distance, as numbers; by either half.
func TestAValueIsFoundHoweverItIsWritten(t *testing.T) {
	s := newSearcher(patterns("seed", keyKinds()))
	v := value(keyKinds()[0], "seed")
	forms := map[string]string{
		"raw": string(v), "hex": hex.EncodeToString(v), "HEX": fmt.Sprintf("%X", v), "printed": fmt.Sprintf("%d", v),
		"array": strings.ReplaceAll(fmt.Sprintf("%d", v), " ", ","),
	}
	for before := range 5 {
		framed := append(bytes.Repeat([]byte{0xfb}, before), v...)
		framed = append(framed, "and more"...)
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.StdEncoding, "base64url": base64.RawURLEncoding} {
			forms[fmt.Sprintf("%s after %d", name, before)] = encoding.EncodeToString(framed)
		}
	}
	for name, text := range forms {
		p := searched(s, []byte("before "+text+" after"))
		if p.found != 2 || !strings.HasPrefix(p.by[0].what, "master key, ") {
			t.Errorf("%s: found %d times, want both halves once: %+v", name, p.found, p.by)
		}
	}
	for _, half := range [][]byte{v[:16], v[16:]} {
		if p := searched(s, half); p.found != 1 {
			t.Errorf("half a value is found %d times", p.found)
		}
	}
}

// TestNothingElseIsFound: random bytes are no keys, nor is a key of another seed.
func TestNothingElseIsFound(t *testing.T) {
	s := newSearcher(patterns("seed", keyKinds()))
	noise := make([]byte, 1<<20)
	rand.Read(noise)
	for _, k := range keyKinds() {
		noise = append(noise, value(k, "another seed")...)
	}
	if p := searched(s, noise); p.found != 0 || p.bytes != int64(len(noise)) {
		t.Errorf("found %d in %d bytes: %v", p.found, p.bytes, p.by)
	}
}

// TestAValueBetweenTwoReadsIsFoundOnce: a search goes through in pieces, and misses nothing between them.
func TestAValueBetweenTwoReadsIsFoundOnce(t *testing.T) {
	s := newSearcher(patterns("seed", keyKinds()))
	text := []byte(hex.EncodeToString(value(keyKinds()[1], "seed")))
	for from := 1<<20 - len(text) - 200; from < 1<<20+8; from += 29 {
		stream := make([]byte, from, 1<<20+1<<12)
		stream = append(append(stream, text...), make([]byte, 1<<10)...)
		if p := searched(s, stream); p.found != 2 || !strings.HasSuffix(p.by[0].first, fmt.Sprintf(" at %d", from)) {
			t.Fatalf("at %d: found %d times: %v", from, p.found, p.by)
		}
	}
}

// TestWritingsAreForBase64AtEveryDistance holds the lengths: a digit too many would never be found.
func TestWritingsAreForBase64AtEveryDistance(t *testing.T) {
	b := bytes.Repeat([]byte{0xff}, halfSize)
	for before, want := range []int{16, 15, 15} {
		if got := len(base64At(base64.RawStdEncoding, b, before)); got != want {
			t.Errorf("after %d bytes %d digits depend on it alone, want %d", before, got, want)
		}
	}
}
