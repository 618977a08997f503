package workstation

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// MaxDescription bounds a key part's description, in characters.
const MaxDescription = 30

// KeyPartInfo is what a key part's file shows in the clear. Before the part is used it is checked against the secret.
type KeyPartInfo struct {
	KeyNum      int    `json:"keynum"`
	Description string `json:"description"`
	Pattern     string `json:"verification_pattern"` // 64 hex digits, as masterkey.Pattern; empty where a smart card cannot tell
	Card        string `json:"card,omitempty"`       // PKCS #11 URI of a part on a smart card
}

// KeyPart is an opened part of a master key. It prints as [redacted]. Whoever opens it erases it.
type KeyPart struct {
	KeyPartInfo
	pattern masterkey.Pattern
	value   []byte
}

// Format prints nothing of the part, in every format.
func (p KeyPart) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// VerificationPattern names the part without revealing it.
func (p *KeyPart) VerificationPattern() masterkey.Pattern { return p.pattern }

// Seal seals the part to the importer key of a unit, for one context (the Info of an order.EnvelopeContext).
func (p *KeyPart) Seal(suite order.Suite, importerKey, info []byte) ([]byte, error) {
	return sealPart(suite, importerKey, info, p.value)
}

// Erase overwrites the part, which is of no use then.
func (p *KeyPart) Erase() { clear(p.value) }

// keyPartFile is the file.
type keyPartFile struct {
	KeyPartInfo
	sealed
}

func (i *KeyPartInfo) number() int     { return i.KeyNum }
func (i *KeyPartInfo) setNumber(n int) { i.KeyNum = n }
func (i *KeyPartInfo) card() string    { return i.Card }

// keyPartSecret is what is sealed, as JSON.
type keyPartSecret struct {
	Description string `json:"description"`
	Value       []byte `json:"value"`
}

// CheckDescription tells what is wrong with a key part's description.
func CheckDescription(text string) error { return checkLabel("a description", text, MaxDescription) }

// RandomKeyPart draws a key part. Whoever calls it erases it.
func RandomKeyPart() []byte {
	value := make([]byte, masterkey.Size)
	_, _ = rand.Read(value) // it never fails
	return value
}

// ParseKeyPart reads a key part of 64 hex digits. Whoever calls it erases the result.
func ParseKeyPart(text string) ([]byte, error) {
	value, err := hex.DecodeString(text)
	if err != nil || len(value) != masterkey.Size {
		clear(value)
		return nil, fmt.Errorf("a key part value has %d hex digits", 2*masterkey.Size)
	}
	return value, checkValue(value)
}

func checkValue(value []byte) error {
	if len(value) != masterkey.Size || !slices.ContainsFunc(value, func(b byte) bool { return b != 0 }) {
		return fmt.Errorf("a key part of zeros alone adds nothing: give another value, or let --random draw it")
	}
	return nil
}

// AddKeyPart seals a key part with a password, under the lowest free number. The value stays the caller's.
func (f *Folder) AddKeyPart(description string, value []byte, password string) (KeyPartInfo, error) {
	for _, err := range []error{CheckDescription(description), checkValue(value), CheckPassword(password, description)} {
		if err != nil {
			return KeyPartInfo{}, err
		}
	}
	file := keyPartFile{KeyPartInfo: KeyPartInfo{Description: description, Pattern: masterkey.PatternOf(value).String()}}
	existing, err := f.KeyParts()
	if err != nil {
		return KeyPartInfo{}, err
	}
	for _, e := range existing {
		if e.Pattern == file.Pattern {
			return KeyPartInfo{}, fmt.Errorf("KEYNUM %d, %q, has this value already: equal parts cancel out", e.KeyNum, e.Description)
		}
	}
	secret, err := json.Marshal(keyPartSecret{description, value})
	if err != nil {
		return KeyPartInfo{}, err
	}
	defer clear(secret)
	err = f.add(keyPartFiles, &file, secret, password)
	return file.KeyPartInfo, err
}

// AddCardKeyPart writes the file of a key part on a smart card, whose label is the description. The pattern is zero where the card cannot
// tell.
func (f *Folder) AddCardKeyPart(description, uri string, pattern masterkey.Pattern) (KeyPartInfo, error) {
	if err := CheckDescription(description); err != nil {
		return KeyPartInfo{}, err
	}
	file := keyPartFile{KeyPartInfo: KeyPartInfo{Description: description, Card: uri}}
	if !pattern.IsZero() {
		file.Pattern = pattern.String()
	}
	existing, err := f.KeyParts()
	if err != nil {
		return KeyPartInfo{}, err
	}
	for _, e := range existing {
		if e.Card == uri || e.Pattern != "" && e.Pattern == file.Pattern {
			return KeyPartInfo{}, fmt.Errorf("KEYNUM %d, %q, is this key part already", e.KeyNum, e.Description)
		}
	}
	err = f.addCard(keyPartFiles, &file)
	return file.KeyPartInfo, err
}

// CheckCardKeyPart checks what the file shows in the clear against the part that a card has under a label. A card that cannot tell the pattern
// gives a zero one, which only goes with a file that shows none.
func (f *Folder) CheckCardKeyPart(keyNum int, label string, pattern masterkey.Pattern) error {
	shown, err := f.KeyPart(keyNum)
	if err != nil {
		return err
	}
	of := ""
	if !pattern.IsZero() {
		of = pattern.String()
	}
	if shown.Description != label || shown.Pattern != of {
		return f.tampered(keyPartFiles, keyNum, fmt.Sprintf("on the smart card is %q with verification pattern %s", label, of))
	}
	return nil
}

// KeyParts lists key parts by number, from what their files show in the clear.
func (f *Folder) KeyParts() ([]KeyPartInfo, error) {
	return listed(f, keyPartFiles, func(file *keyPartFile) KeyPartInfo { return file.KeyPartInfo })
}

// KeyPart gives what one key part's file shows in the clear.
func (f *Folder) KeyPart(keyNum int) (KeyPartInfo, error) {
	var file keyPartFile
	err := f.load(keyPartFiles, keyNum, &file)
	return file.KeyPartInfo, err
}

// OpenKeyPart opens a key part with its password, and checks what the file shows in the clear.
func (f *Folder) OpenKeyPart(keyNum int, password string) (*KeyPart, error) {
	var file keyPartFile
	secret, err := f.open(keyPartFiles, keyNum, &file, password)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	var opened keyPartSecret
	if err := json.Unmarshal(secret, &opened); err != nil || checkValue(opened.Value) != nil {
		clear(opened.Value)
		return nil, f.tampered(keyPartFiles, keyNum, "it holds no key part")
	}
	part := &KeyPart{file.KeyPartInfo, masterkey.PatternOf(opened.Value), opened.Value}
	differs := ""
	switch {
	case opened.Description != file.Description:
		differs = fmt.Sprintf("the description is %q", opened.Description)
	case part.pattern.String() != file.Pattern:
		differs = fmt.Sprintf("the verification pattern is %v", part.pattern)
	}
	if differs != "" {
		part.Erase()
		return nil, f.tampered(keyPartFiles, keyNum, differs)
	}
	return part, nil
}

// RemoveKeyPart deletes a key part's file. Without a backup the part is gone.
func (f *Folder) RemoveKeyPart(keyNum int) error {
	return f.remove(keyPartFiles, keyNum, &keyPartFile{})
}
