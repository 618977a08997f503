//go:build cgo

package card

import (
	"bytes"
	"crypto/subtle"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/cryptounit/importer"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/tests/softhsm"
)

// deck is the cards of one test, and what was asked of their owners.
type deck struct {
	*softhsm.Cards
	t      *testing.T
	asked  []Token
	warned []string
	pin    string
}

func newDeck(t *testing.T, labels ...string) *deck {
	t.Helper()
	return &deck{Cards: softhsm.New(t, labels...), t: t, pin: softhsm.PIN}
}

func (d *deck) readers() Readers {
	d.t.Helper()
	r, err := New(Asker{
		PIN:  func(token Token, _ string) (string, error) { d.asked = append(d.asked, token); return d.pin, nil },
		Warn: func(text string) { d.warned = append(d.warned, text) },
	})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(func() { _ = r.Close() })
	return r
}

func (d *deck) uri(text string) URI {
	d.t.Helper()
	u, err := ParseURI(text)
	if err != nil {
		d.t.Fatal(err)
	}
	return u
}

func (d *deck) open(r Readers, label string) Card {
	d.t.Helper()
	c, err := r.Open(d.uri(d.URI(label)))
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

// reopened is the card in another program: the library is loaded anew.
func (d *deck) reopened(r Readers, label string) Card {
	d.t.Helper()
	if err := r.Close(); err != nil {
		d.t.Fatal(err)
	}
	return d.open(r, label)
}

// signedBy has a signer sign, which is verified.
func signedBy(t *testing.T, signer order.Signer) error {
	t.Helper()
	list := order.SignedAdministrators{Administrators: []byte("any document")}
	return list.SignFor(order.Identity{1}, signer) // which verifies what the signer gives
}

func TestASignatureKeyStaysOnTheCard(t *testing.T) {
	d := newDeck(t, "alice", "bob")
	r := d.readers()
	c := d.open(r, "alice")
	made, err := c.NewKey("Alice A.")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.NewKey("Alice A."); !errors.Is(err, ErrExists) {
		t.Errorf("the same name again: %v", err)
	}
	c = d.reopened(r, "alice")
	signer, err := c.Key("Alice A.")
	if err != nil || !signer.Public().Equal(made) {
		t.Fatalf("another key, or %v", err)
	}
	for range 20 { // r or s is shorter in some
		if err := signedBy(t, signer); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Key("Bob"); !errors.Is(err, ErrNoObject) {
		t.Errorf("a key that is not there: %v", err)
	}
	if _, err := d.open(r, "bob").Key("Alice A."); !errors.Is(err, ErrNoObject) {
		t.Errorf("a key of another card: %v", err)
	}
	if len(d.asked) != 3 {
		t.Errorf("PINs were asked for %v", d.asked)
	}
}

// opens opens what a card sealed, as a crypto unit does.
type opens struct {
	public []byte
	open   func(sealed []byte) ([]byte, error)
}

func importers(t *testing.T) map[order.Suite]opens {
	t.Helper()
	private, modulus, err := importer.NewRSA()
	if err != nil {
		t.Fatal(err)
	}
	scalar, point, err := importer.ECDHFromSeed(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return map[order.Suite]opens{
		order.SuiteRSA:  {modulus, func(b []byte) ([]byte, error) { return importer.OpenRSA(private, b) }},
		order.SuiteECDH: {point, func(b []byte) ([]byte, error) { return importer.OpenECDH(scalar, b) }},
	}
}

// TestAPartLeavesTheCardSealedAlone, by every suite and key wrap that SoftHSM2 has, and is what its pattern says.
func TestAPartLeavesTheCardSealedAlone(t *testing.T) {
	keys := importers(t)
	for _, mechanisms := range []string{"ALL", "-,CKM_AES_KEY_WRAP", "-,CKM_AES_KEY_WRAP_PAD", "-,CKM_GENERIC_SECRET_KEY_GEN"} {
		t.Run(mechanisms, func(t *testing.T) {
			d := newDeck(t, "alice")
			d.Mechanisms(mechanisms)
			r := d.readers()
			c := d.open(r, "alice")
			if err := c.NewPart("first"); err != nil {
				t.Fatal(err)
			}
			if err := c.NewPart("first"); !errors.Is(err, ErrExists) {
				t.Errorf("the same name again: %v", err)
			}
			if err := c.NewPart("second"); err != nil {
				t.Fatal(err)
			}
			c = d.reopened(r, "alice")
			suites := c.Suites()
			if len(suites) != 2 || suites[0] != order.SuiteECDH {
				t.Fatalf("it seals by %v", suites)
			}
			for _, label := range []string{"first", "second"} {
				pattern, err := c.Pattern(label)
				if err != nil {
					t.Fatal(err)
				}
				for range 10 { // a coordinate begins with zeros in some
					for _, suite := range suites {
						sealed, err := c.SealPart(label, suite, keys[suite].public)
						if err != nil {
							t.Fatal(err)
						}
						value, err := keys[suite].open(sealed)
						if err != nil || masterkey.PatternOf(value) != pattern || subtle.ConstantTimeCompare(value, make([]byte, 32)) == 1 {
							t.Fatalf("%v: it opens to a part of %v, not %v: %v", suite, masterkey.PatternOf(value), pattern, err)
						}
					}
				}
			}
			if _, err := c.SealPart("third", order.SuiteECDH, keys[order.SuiteECDH].public); !errors.Is(err, ErrNoObject) {
				t.Errorf("a part that is not there: %v", err)
			}
			if _, err := c.SealPart("first", order.SuiteHPKE, nil); !errors.Is(err, ErrCannotSeal) {
				t.Errorf("HPKE: %v", err)
			}
			for _, suite := range suites {
				if _, err := c.SealPart("first", suite, keys[suite].public[1:]); !errors.Is(err, importer.ErrPublicKey) {
					t.Errorf("%v: what is no importer key: %v", suite, err)
				}
			}
		})
	}
}

// TestACardSaysWhatItCannot: by its list of mechanisms.
func TestACardSaysWhatItCannot(t *testing.T) {
	for mechanisms, want := range map[string][]order.Suite{
		"-,CKM_ECDH1_DERIVE":                      {order.SuiteRSA},
		"-,CKM_RSA_PKCS_OAEP":                     {order.SuiteECDH},
		"-,CKM_AES_KEY_WRAP,CKM_AES_KEY_WRAP_PAD": {order.SuiteRSA},
		"-,CKM_ECDH1_DERIVE,CKM_RSA_PKCS_OAEP":    nil,
	} {
		d := newDeck(t, "alice")
		d.Mechanisms(mechanisms)
		r := d.readers()
		c := d.open(r, "alice")
		if got := c.Suites(); len(got) != len(want) || len(got) > 0 && got[0] != want[0] {
			t.Errorf("%s: it seals by %v, not %v", mechanisms, got, want)
		}
		if err := c.NewPart("part"); err != nil {
			t.Fatal(err)
		}
		for _, suite := range []order.Suite{order.SuiteECDH, order.SuiteRSA} {
			if len(want) == 1 && want[0] == suite {
				continue
			}
			if _, err := c.SealPart("part", suite, nil); !errors.Is(err, ErrCannotSeal) {
				t.Errorf("%s: %v: %v", mechanisms, suite, err)
			}
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	d := newDeck(t, "bob")
	d.Mechanisms("-,CKM_SHA256")
	c := d.open(d.readers(), "bob")
	if err := c.NewPart("part"); err != nil {
		t.Fatal(err)
	}
	if p, err := c.Pattern("part"); !errors.Is(err, ErrNoPattern) {
		t.Errorf("without SHA-256 the pattern is %v, %v", p, err)
	}
}

func TestAWrongPINIsTriedOnce(t *testing.T) {
	d := newDeck(t, "alice")
	r := d.readers()
	d.pin = "999999"
	if _, err := r.Open(d.uri(d.URI("alice"))); !errors.Is(err, ErrWrongPIN) || len(d.asked) != 1 || len(d.warned) != 0 {
		t.Fatalf("%v; asked for %v, warned of %v", err, d.asked, d.warned)
	}
	if _, err := r.Open(d.uri(d.URI("alice"))); !errors.Is(err, ErrWrongPIN) || len(d.asked) != 2 || len(d.warned) != 1 {
		t.Fatalf("%v; asked for %v, warned of %v", err, d.asked, d.warned)
	}
	d.pin = "1" // shorter than any PIN of this card
	if _, err := r.Open(d.uri(d.URI("alice"))); !errors.Is(err, ErrWrongPIN) || !strings.Contains(err.Error(), "was not tried") {
		t.Errorf("a short PIN: %v", err)
	}
	d.pin = softhsm.PIN
	d.open(r, "alice")
	d.open(r, "alice")
	if len(d.asked) != 4 || d.asked[3].Label != "alice" || d.asked[3].Serial == "" {
		t.Errorf("asked for %v", d.asked)
	}
}

func TestWhatIsNotThereIsNamed(t *testing.T) {
	d := newDeck(t, "alice", "bob", "bob")
	r := d.readers()
	for text, want := range map[string]struct {
		err  error
		says string
	}{
		d.URI("carol"): {ErrNoCard, "is none of alice (serial number "},
		d.URI("bob"):   {ErrNoCard, "add serial=NUMBER"},
		"pkcs11:token=alice?module-path=/nowhere/lib.so":              {ErrNoModule, "/nowhere/lib.so"},
		"pkcs11:token=alice?module-path=" + filepath.Join(d.Dir, "x"): {ErrNoModule, "is no PKCS #11 library"},
		"pkcs11:token=alice;serial=0?module-path=" + d.Module:         {ErrNoCard, "none of"},
	} {
		if err := os.WriteFile(filepath.Join(d.Dir, "x"), []byte("no library"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Open(d.uri(text)); !errors.Is(err, want.err) || !strings.Contains(err.Error(), want.says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if len(d.asked) != 0 {
		t.Errorf("PINs were asked for %v", d.asked)
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	empty := newDeck(t)
	if _, err := empty.readers().Open(empty.uri(empty.URI("alice"))); !errors.Is(err, ErrNoCard) || !strings.Contains(err.Error(), "no card in any reader") {
		t.Errorf("without a card: %v", err)
	}
}

// TestWhatCanBeTakenFromTheCardIsRefused, and what cannot leave it at all.
func TestWhatCanBeTakenFromTheCardIsRefused(t *testing.T) {
	d := newDeck(t, "alice")
	c := d.open(d.readers(), "alice").(*token)
	value := bytes.Repeat([]byte{1}, 32)
	for label, sensitive := range map[string]bool{"open": false, "kept": true} {
		if _, err := c.ctx.CreateObject(c.session, template(uint(0), uint(4), uint(0x100), uint(0x10), uint(1), true, uint(2), true, uint(3), label,
			uint(0x103), sensitive, uint(0x162), !sensitive, uint(0x11), value)); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := c.Pattern("open"); !errors.Is(err, ErrNotKept) {
		t.Errorf("a part whose value can be read: %v, %v", p, err)
	}
	if p, err := c.Pattern("kept"); !errors.Is(err, ErrCannotSeal) {
		t.Errorf("a part that cannot be wrapped: %v, %v", p, err)
	}
}

// TestNoPartLeavesByAnotherTool: the value is not to be read by whoever has the PIN.
func TestNoPartLeavesByAnotherTool(t *testing.T) {
	d := newDeck(t, "alice")
	c := d.open(d.readers(), "alice").(*token)
	if err := c.NewPart("part"); err != nil {
		t.Fatal(err)
	}
	object, err := c.part("part")
	if err != nil {
		t.Fatal(err)
	}
	if values, err := c.attributes(object, 0x11); err == nil { // CKA_VALUE
		t.Errorf("its value is %x", values)
	}
}

// TestWithoutCgoCardsAreRefused builds the package as released programs have it.
func TestWithoutCgoCardsAreRefused(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}}", ".")
	list.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "miekg") || strings.Contains(string(out), "runtime/cgo") {
		t.Errorf("without cgo it is built of\n%s", out)
	}
}

// FuzzPoint: what a card gives as a public key is a point of P-521, in either form, or is refused.
func FuzzPoint(f *testing.F) {
	_, point, err := importer.ECDHFromSeed(bytes.Repeat([]byte{9}, 32))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(point)
	f.Add(append([]byte{4, 0x81, 133}, point...))
	f.Fuzz(func(t *testing.T, value []byte) {
		key, err := pointOf(value)
		if err != nil {
			return
		}
		if again, err := key.Bytes(); err != nil || !bytes.HasSuffix(value, again) {
			t.Fatalf("%x is read as %x, %v", value, again, err)
		}
	})
}
