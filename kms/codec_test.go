package kms

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"testing"

	"tumbler/fsm"
)

// Golden: a wrap's ciphertext is stored by callers, so its form is forever.
const goldenCiphertext = "eyJjaXBoZXJ0ZXh0IjoiVTJWaGJHVmsiLCJpdiI6ImFYWT0iLCJ2ZXJzaW9uIjoiNC4wLjAiLCJoYW5kbGUiOiIwMTAyMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDAifQ=="

func TestCiphertextForm(t *testing.T) {
	id := fsm.ID{1, 2}
	if got := encodeCiphertext(id, []byte("iv"), []byte("Sealed")); got != goldenCiphertext {
		t.Fatalf("got %s", got)
	}
	version, iv, sealed, err := decodeCiphertext(goldenCiphertext)
	if err != nil || version != id || string(iv) != "iv" || string(sealed) != "Sealed" {
		t.Fatalf("%v %x %q %q", err, version, iv, sealed)
	}
}

func TestAdditionalDataIsUnambiguous(t *testing.T) {
	seen := map[string][]string{}
	for _, aad := range [][]string{nil, {""}, {"", ""}, {"ab"}, {"a", "b"}, {"", "ab"}, {"ab", ""}} {
		key := string(additionalData(fsm.ID{}, aad))
		if other, twice := seen[key]; twice {
			t.Errorf("%q and %q give the same bytes", aad, other)
		}
		seen[key] = aad
	}
}

func FuzzCiphertext(f *testing.F) {
	f.Add(goldenCiphertext)
	f.Add("")
	f.Add("e30=")
	f.Add(strings.TrimSuffix(goldenCiphertext, "="))
	f.Fuzz(func(t *testing.T, s string) {
		version, iv, sealed, err := decodeCiphertext(s)
		if err != nil {
			if !errors.Is(err, ErrCiphertext) {
				t.Fatalf("refused with %v", err)
			}
			return
		}
		if encodeCiphertext(version, iv, sealed) != s {
			t.Fatal("what parses encodes to something else")
		}
	})
}

func FuzzToken(f *testing.F) {
	good := claims{Issuer: tokenIssuer, Subject: FormatID(fsm.ID{1}), Audience: FormatID(fsm.ID{2}), ID: FormatID(fsm.ID{3}), Issued: 1, Expires: 2}
	f.Add(encodeToken(good, make([]byte, 32)))
	f.Add("..")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, token string) {
		c, input, mac, ok := decodeToken(token)
		if !ok {
			return
		}
		if encodeToken(c, mac) != token || c.signingInput() != input || len(mac) != 32 {
			t.Fatal("what parses encodes to something else")
		}
	})
}

func FuzzAPIKey(f *testing.F) {
	f.Add("tumbler_" + strings.Repeat("A", 64))
	f.Add("tumbler_")
	f.Fuzz(func(t *testing.T, secret string) {
		if _, _, ok := parseAPIKey(secret); ok && !regexp.MustCompile(`^tumbler_[-_0-9A-Za-z]{64}$`).MatchString(secret) {
			t.Fatalf("%q parses", secret)
		}
	})
}

func FuzzID(f *testing.F) {
	f.Add(FormatID(fsm.ID{1}))
	f.Add("A1020000-0000-0000-0000-000000000000")
	f.Fuzz(func(t *testing.T, s string) {
		if id, ok := ParseID(s); ok && FormatID(id) != s {
			t.Fatalf("%q parses as %s", s, FormatID(id))
		}
	})
}

func FuzzSearch(f *testing.F) {
	f.Add("not:exact:name:x")
	f.Add("::,")
	f.Fuzz(func(t *testing.T, s string) {
		if match, err := parseSearch(s); err == nil && match != nil {
			match(fsm.Key{Metadata: fsm.KeyMetadata{Name: s, Aliases: []string{s}}})
		}
	})
}

func TestTokenOfAnotherAlgorithmDoesNotParse(t *testing.T) {
	c := claims{Issuer: tokenIssuer}
	token := encodeToken(c, bytes.Repeat([]byte{1}, 32))
	if _, _, _, ok := decodeToken(token); !ok {
		t.Fatal("a good one does not parse")
	}
	none := "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0" + token[strings.Index(token, "."):]
	if _, _, _, ok := decodeToken(none); ok {
		t.Fatal("algorithm none parses")
	}
}
