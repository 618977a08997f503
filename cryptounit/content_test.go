package cryptounit

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// TestContentThatContradictsItselfIsRefused changes one thing in what a unit holds in the middle of a rotation: it is
// neither written nor read.
func TestContentThatContradictsItselfIsRefused(t *testing.T) {
	c := initialised(t, 1, 1)
	c.committed().activate()
	s := c.begin(order.Rotate, nil).accept().generate()
	u, other := c.unit(1).content, masterkey.PatternOf([]byte("another"))
	for name, change := range map[string]func(*content){
		"no generation":              func(c *content) { c.Generation = 0 },
		"a generation past the wire": func(c *content) { c.Generation = 1 << 63 },
		"no number":                  func(c *content) { c.Number = 0 },
		"an unknown role":            func(c *content) { c.Role = 9 },
		"no identity":                func(c *content) { c.identity = nil },
		"another pattern":            func(c *content) { c.Registers.CurrentPattern = other },
		"an empty register":          func(c *content) { c.current = nil },
		"a key of no order":          func(c *content) { c.next = c.identity },
		"no importer key":            func(c *content) { c.importer = nil },
		"an importer key of none":    func(c *content) { c.Open.Importer = nil },
		"an importer key too many":   func(c *content) { c.Open.Cleared = true },
		"a part of no number":        func(c *content) { c.parts = []*secret{c.identity} },
		"a number of no part":        func(c *content) { c.Open.Parts = []uint32{1} },
		"a part that is absent":      func(c *content) { c.Open.Parts, c.parts = []uint32{1}, []*secret{nil} },
		"somebody who gave no part":  func(c *content) { c.Open.Sources = []order.SKI{{1}} },
		"no order":                   func(c *content) { c.Open = nil },
		"an order of another digest": func(c *content) { c.Open.Digest[3] ^= 1 },
		"an order that is none":      func(c *content) { c.Open.Order = c.Open.Order[:40] },
		"no administrators":          func(c *content) { c.Administrators = nil },
		"a retired key": func(c *content) {
			c.Retired, c.retired = []retiredKey{{Pattern: c.Registers.CurrentPattern}}, []*secret{c.current}
		},
		"a retired key of no pattern": func(c *content) { c.retired = []*secret{c.current} },
	} {
		t.Run(name, func(t *testing.T) {
			bad := u.clone()
			change(bad)
			if err := bad.check(); err == nil {
				t.Fatal("it was taken")
			}
			file := stateFile{dir: t.TempDir(), sealer: c.sealer, fail: func(string) error { t.Error("it was written"); return nil }}
			if err := file.write(bad); err == nil {
				t.Error("it was written")
			}
			plain, err := bad.marshal()
			if err != nil {
				t.Fatal(err)
			}
			if read, err := unmarshalContent(plain); err == nil {
				t.Error("it was read")
				freeAll(read.secrets())
			}
		})
	}
	if recovery := c.unit(2).content.clone(); recovery.check() != nil || len(recovery.Retired) != 1 {
		t.Fatal("the recovery unit keeps no retired key")
	} else if recovery.Retired[0].Pattern = other; recovery.check() == nil {
		t.Error("a retired key of another pattern was taken")
	}
	s.load().commit().activate() // nothing of all this stuck
}

// TestContentHasOneForm: the same words in another form, or with more in them, are not read.
func TestContentHasOneForm(t *testing.T) {
	c := newCast(t, 1, 0)
	plain, err := c.unit(1).content.marshal()
	if err != nil {
		t.Fatal(err)
	}
	n := binary.BigEndian.Uint32(plain)
	words, secrets := string(plain[4:4+n]), plain[4+n:]
	for name, change := range map[string]func() ([]byte, []byte){
		"a word more":      func() ([]byte, []byte) { return []byte(strings.Replace(words, "{", `{"More":1,`, 1)), secrets },
		"a word twice":     func() ([]byte, []byte) { return []byte(strings.Replace(words, "{", `{"Number":7,`, 1)), secrets },
		"a word less":      func() ([]byte, []byte) { return []byte(strings.Replace(words, `"Number":1,`, "", 1)), secrets },
		"in lower case":    func() ([]byte, []byte) { return []byte(strings.Replace(words, "Number", "number", 1)), secrets },
		"with a blank":     func() ([]byte, []byte) { return []byte(words + " "), secrets },
		"no words":         func() ([]byte, []byte) { return nil, secrets },
		"a secret more":    func() ([]byte, []byte) { return []byte(words), append(bytes.Clone(secrets), secrets[:33]...) },
		"a secret less":    func() ([]byte, []byte) { return []byte(words), secrets[:3*33] },
		"no secrets":       func() ([]byte, []byte) { return []byte(words), nil },
		"half a secret":    func() ([]byte, []byte) { return []byte(words), secrets[:len(secrets)-1] },
		"neither nor":      func() ([]byte, []byte) { return []byte(words), append([]byte{2}, secrets[1:]...) },
		"absent, with key": func() ([]byte, []byte) { return []byte(words), append([]byte{0}, secrets[1:]...) },
	} {
		t.Run(name, func(t *testing.T) {
			w, s := change()
			b := append(binary.BigEndian.AppendUint32(nil, uint32(len(w))), w...)
			if read, err := unmarshalContent(append(b, s...)); err == nil {
				freeAll(read.secrets())
				t.Errorf("%q was read", w)
			}
		})
	}
	if _, err := unmarshalContent(binary.BigEndian.AppendUint32(nil, 1<<31)); err == nil {
		t.Error("words longer than the file were read")
	}
	read, err := unmarshalContent(bytes.Clone(plain))
	if err != nil {
		t.Fatal(err)
	}
	freeAll(read.secrets())
}

// TestAFileTooLargeToReadIsNotWritten: the unit would not start again.
func TestAFileTooLargeToReadIsNotWritten(t *testing.T) {
	file := stateFile{dir: t.TempDir(), sealer: &testSealer{}}
	if _, err := file.seal(make([]byte, stateLimit)); err == nil {
		t.Error("it was sealed")
	}
	if _, err := file.seal(make([]byte, stateLimit-200)); err != nil {
		t.Error(err)
	}
}
