package importer

import (
	"bytes"
	"crypto/aes"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"tumbler/cryptounit/order"
)

var update = flag.Bool("update", false, "write the golden file anew")

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestKeyWrapVectors holds those of RFC 3394, section 4, and of RFC 5649, section 6, whose initial value and padding are given
// here by hand.
func TestKeyWrapVectors(t *testing.T) {
	key := "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F"
	data := "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F"
	iv := "A6A6A6A6A6A6A6A6"
	for name, v := range map[string]struct{ key, iv, data, wrapped string }{
		"3394 4.1": {key[:32], iv, data[:32], "1FA68B0A8112B447 AEF34BD8FB5A7B82 9D3E862371D2CFE5"},
		"3394 4.2": {key[:48], iv, data[:32], "96778B25AE6CA435 F92B5B97C050AED2 468AB8A17AD84E5D"},
		"3394 4.3": {key, iv, data[:32], "64E8C3F9CE0F5BA2 63E9777905818A2A 93C8191E7D6E8AE7"},
		"3394 4.4": {key[:48], iv, data[:48], "031D33264E15D332 68F24EC260743EDC E1C6C7DDEE725A93 6BA814915C6762D2"},
		"3394 4.5": {key, iv, data[:48], "A8F9BC1612C68B3F F6E6F4FBE30E71E4 769C8B80A32CB895 8CD5D17D6B254DA1"},
		"3394 4.6": {key, iv, data, "28C9F404C4B810F4 CBCCB35CFB87F826 3F5786E2D80ED326 CBC7F0E71A99F43B FB988B9B7A02DD21"},
		"5649 6": {"5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8", "A65959A600000014",
			"c37b7e6492584340 bed1220780894115 5068f738 00000000", "138bdeaa9b8fa7fc 61f97742e72248ee 5ae6ae5360d1ae6a 5f54f373fa543b6a"},
	} {
		wrapped, err := wrapKey(unhex(t, v.key), [8]byte(unhex(t, v.iv)), unhex(t, v.data))
		if err != nil || !bytes.Equal(wrapped, unhex(t, v.wrapped)) {
			t.Errorf("%s: wrapped is %x, %v", name, wrapped, err)
		}
		gotIV, got, err := unwrap(unhex(t, v.key), unhex(t, v.wrapped))
		if err != nil || !bytes.Equal(gotIV[:], unhex(t, v.iv)) || !bytes.Equal(got, unhex(t, v.data)) {
			t.Errorf("%s: opens to %x, %x, %v", name, gotIV, got, err)
		}
	}
}

// importerKey is a key of a suite that only cards use.
type importerKey struct {
	private, public []byte
	open            func(private, sealed []byte) ([]byte, error)
}

// importerKeys are made once: an RSA key takes its time.
var importerKeys = sync.OnceValue(func() map[order.Suite]importerKey {
	private, public, err := NewRSA()
	if err != nil {
		panic(err)
	}
	scalar, point, err := ECDHFromSeed(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		panic(err)
	}
	return map[order.Suite]importerKey{order.SuiteRSA: {private, public, OpenRSA}, order.SuiteECDH: {scalar, point, OpenECDH}}
})

func TestWhatIsSealedOpensUntilABitIsFlipped(t *testing.T) {
	part := bytes.Repeat([]byte{1, 2, 3, 4}, 8)
	for suite, key := range importerKeys() {
		if len(key.public) != suite.ImporterKeySize() {
			t.Errorf("%v: an importer key of %d bytes", suite, len(key.public))
		}
		sealed, err := Seal(suite, key.public, []byte("context"), part)
		if err != nil {
			t.Fatal(err)
		}
		e := order.Envelope{Suite: suite, Unit: 1, Part: 1, Sealed: sealed}
		if _, err := e.Encode(); err != nil {
			t.Errorf("%v: %d sealed bytes: %v", suite, len(sealed), err)
		}
		if got, err := key.open(key.private, sealed); err != nil || !bytes.Equal(got, part) {
			t.Errorf("%v: opens to %x, %v", suite, got, err)
		}
		again, err := Seal(suite, key.public, []byte("context"), part)
		if err != nil || bytes.Equal(again, sealed) {
			t.Errorf("%v: sealed twice it is the same, %v", suite, err)
		}
		for at := 0; at < len(sealed); at += 7 {
			changed := bytes.Clone(sealed)
			changed[at] ^= 1
			if got, err := key.open(key.private, changed); !errors.Is(err, ErrSealed) {
				t.Errorf("%v: with byte %d changed it opens to %x, %v", suite, at, got, err)
			}
		}
		for _, n := range []int{0, 1, len(sealed) - 8, len(sealed) - 1} {
			if got, err := key.open(key.private, sealed[:n]); !errors.Is(err, ErrSealed) {
				t.Errorf("%v: of %d bytes it opens to %x, %v", suite, n, got, err)
			}
		}
	}
}

// TestACardMayWrapInEitherWay: RFC 3394 or RFC 5649, but no part of another length.
func TestACardMayWrapInEitherWay(t *testing.T) {
	key, part := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	for _, iv := range [][8]byte{keyWrapIV, paddedIV} {
		wrapped, err := wrapKey(key, iv, part)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unwrapKey(key, wrapped); err != nil || !bytes.Equal(got, part) {
			t.Errorf("%x: %x, %v", iv, got, err)
		}
	}
	for name, v := range map[string]struct {
		iv   [8]byte
		part []byte
	}{
		"another initial value": {[8]byte{}, part},
		"a length of 31":        {[8]byte{0xa6, 0x59, 0x59, 0xa6, 0, 0, 0, 31}, part},
		"24 bytes":              {keyWrapIV, part[:24]},
		"40 bytes":              {keyWrapIV, append([]byte("8 more..")[:8:8], part...)},
	} {
		wrapped, err := wrapKey(key, v.iv, v.part)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unwrapKey(key, wrapped); !errors.Is(err, ErrSealed) {
			t.Errorf("%s: opens to %x, %v", name, got, err)
		}
	}
}

func TestWhatIsNoImporterKeyIsSealedNothing(t *testing.T) {
	small := bytes.Clone(importerKeys()[order.SuiteRSA].public)
	small[0] = 0x7f
	even := bytes.Clone(importerKeys()[order.SuiteRSA].public)
	even[511] &^= 1
	off := bytes.Clone(importerKeys()[order.SuiteECDH].public)
	off[132] ^= 1
	for name, v := range map[string]struct {
		suite  order.Suite
		public []byte
	}{
		"a small modulus":      {order.SuiteRSA, small},
		"an even modulus":      {order.SuiteRSA, even},
		"a modulus cut off":    {order.SuiteRSA, small[1:]},
		"a point off P-521":    {order.SuiteECDH, off},
		"a compressed point":   {order.SuiteECDH, append([]byte{2}, off[1:67]...)},
		"an unknown suite":     {4, nil},
		"a short HPKE key":     {order.SuiteHPKE, make([]byte, 1215)},
		"a key of other suite": {order.SuiteECDH, importerKeys()[order.SuiteRSA].public},
	} {
		if sealed, err := Seal(v.suite, v.public, nil, make([]byte, 32)); !errors.Is(err, ErrPublicKey) {
			t.Errorf("%s: sealed %x, %v", name, sealed, err)
		}
	}
}

func TestHPKEIsSealedToo(t *testing.T) {
	key, err := KEM().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := Seal(order.SuiteHPKE, key.PublicKey().Bytes(), []byte("context"), make([]byte, 32))
	if err != nil || len(sealed) != 1168 {
		t.Errorf("%d sealed bytes, %v", len(sealed), err)
	}
}

// TestGoldenImporterKeys: what was sealed to importer keys of an earlier release opens, and a seed gives the same key.
func TestGoldenImporterKeys(t *testing.T) {
	const golden = "testdata/importer-keys.golden"
	if *update {
		var b strings.Builder
		for _, suite := range []order.Suite{order.SuiteRSA, order.SuiteECDH} {
			key := importerKeys()[suite]
			sealed, err := Seal(suite, key.public, nil, bytes.Repeat([]byte{0x5a}, 32))
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&b, "%d %x %x %x\n", suite, key.private, key.public, sealed)
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines", len(lines))
	}
	for _, line := range lines {
		var suite order.Suite
		var private, public, sealed []byte
		if _, err := fmt.Sscanf(line, "%d %x %x %x", &suite, &private, &public, &sealed); err != nil {
			t.Fatal(err)
		}
		got, err := importerKeys()[suite].open(private, sealed)
		if err != nil || !bytes.Equal(got, bytes.Repeat([]byte{0x5a}, 32)) {
			t.Errorf("%v: opens to %x, %v", suite, got, err)
		}
		if same := bytes.Equal(public, importerKeys()[suite].public); suite == order.SuiteECDH && !same {
			t.Errorf("the seed gives another key than %x", public)
		}
	}
}

// TestTheSharedSecretLosesItsLeadingBytes, as PKCS #11 has it.
func TestTheSharedSecretLosesItsLeadingBytes(t *testing.T) {
	a, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b, err := ecdh.P521().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := a.ECDH(b.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	if key, err := agree(b, a.PublicKey()); err != nil || !bytes.Equal(key, secret[34:]) || len(key) != 2*aes.BlockSize {
		t.Errorf("%x of %x, %v", key, secret, err)
	}
}

// FuzzOpen: whatever is given as sealed to a card's suite opens to a part, or is refused by one error.
func FuzzOpen(f *testing.F) {
	for suite, key := range importerKeys() {
		sealed, err := Seal(suite, key.public, nil, make([]byte, 32))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(sealed)
		f.Add(sealed[1:])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		for suite, key := range importerKeys() {
			value, err := key.open(key.private, sealed)
			if err != nil && !errors.Is(err, ErrSealed) || err == nil && suite == order.SuiteECDH && len(value) != 32 {
				t.Fatalf("%v: %x, %v", suite, value, err)
			}
		}
	})
}
