package workstation

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"tumbler/cryptounit/order"
)

// MaxName is how many characters an administrator's name has at most.
const MaxName = order.MaxName

// SigKeyInfo is what a signature key's file shows in the clear. Before the key is used it is checked against the secret.
type SigKeyInfo struct {
	KeyNum               int    `json:"keynum"`
	Name                 string `json:"name"`
	SubjectKeyIdentifier string `json:"subject_key_identifier"` // 64 hex digits, as order.SKI
	PublicKey            []byte `json:"public_key"`             // DER, SubjectPublicKeyInfo
	Card                 string `json:"card,omitempty"`         // PKCS #11 URI of a key on a smart card
}

// SigKey is an opened signature key: an order.Signer. It prints as its name.
type SigKey struct {
	SigKeyInfo
	key *ecdsa.PrivateKey
}

// Format prints the name and nothing else, in every format.
func (k SigKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.SigKeyInfo.String()) }

// Info gives what the file shows in the clear, which is what the secret says.
func (k *SigKey) Info() SigKeyInfo { return k.SigKeyInfo }

// Public returns the public key.
func (k *SigKey) Public() *ecdsa.PublicKey { return &k.key.PublicKey }

// SignMessage signs the SHA-512 of a message.
func (k *SigKey) SignMessage(message []byte) ([]byte, error) {
	return order.KeySigner{Key: k.key}.SignMessage(message)
}

// Administrator gives the entry of an administrators' list.
func (i SigKeyInfo) Administrator() order.Administrator {
	return order.Administrator{Name: i.Name, Key: i.PublicKey}
}

// String gives the name and the short identifier, as prompts show them.
func (i SigKeyInfo) String() string {
	return fmt.Sprintf("%s (%s...)", i.Name, ShortSKI(i.SubjectKeyIdentifier))
}

// ShortSKI gives the first 30 hex digits, as lists show them.
func ShortSKI(ski string) string { return ski[:min(len(ski), 30)] }

// sigKeyFile is the file.
type sigKeyFile struct {
	SigKeyInfo
	sealed
}

func (i *SigKeyInfo) number() int     { return i.KeyNum }
func (i *SigKeyInfo) setNumber(n int) { i.KeyNum = n }
func (i *SigKeyInfo) card() string    { return i.Card }

// sigKeySecret is what is sealed, as JSON.
type sigKeySecret struct {
	Name string `json:"name"`
	Key  []byte `json:"key"` // DER, PKCS #8
}

// CheckName tells what is wrong with an administrator's name.
func CheckName(name string) error {
	return checkLabel("an administrator's name", name, MaxName)
}

// checkLabel tells what is wrong with a text that lists show.
func checkLabel(what, text string, most int) error {
	if text == "" || utf8.RuneCountInString(text) > most || strings.TrimSpace(text) != text {
		return fmt.Errorf("%q is not %s: 1 to %d characters, no space at either end", text, what, most)
	}
	for _, r := range text {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%q is not %s: it holds a character that cannot be printed", text, what)
		}
	}
	return nil
}

// AddSigKey makes a P-521 signature key and seals it with a password, under the lowest free number.
func (f *Folder) AddSigKey(name, password string) (SigKeyInfo, error) {
	if err := errors.Join(CheckName(name), CheckPassword(password, name)); err != nil {
		return SigKeyInfo{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return SigKeyInfo{}, err
	}
	info, err := Describe(name, &key.PublicKey)
	if err != nil {
		return SigKeyInfo{}, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return SigKeyInfo{}, err
	}
	defer clear(der)
	secret, err := json.Marshal(sigKeySecret{name, der})
	if err != nil {
		return SigKeyInfo{}, err
	}
	defer clear(secret)
	file := sigKeyFile{SigKeyInfo: info}
	err = f.add(sigKeyFiles, &file, secret, password)
	return file.SigKeyInfo, err
}

// AddCardSigKey writes the file of a signature key on a smart card, whose label is the name.
func (f *Folder) AddCardSigKey(name, uri string, key *ecdsa.PublicKey) (SigKeyInfo, error) {
	if err := CheckName(name); err != nil {
		return SigKeyInfo{}, err
	}
	info, err := Describe(name, key)
	if err != nil {
		return SigKeyInfo{}, err
	}
	info.Card = uri
	existing, err := f.SigKeys()
	if err != nil {
		return SigKeyInfo{}, err
	}
	for _, e := range existing {
		if e.SubjectKeyIdentifier == info.SubjectKeyIdentifier {
			return SigKeyInfo{}, fmt.Errorf("KEYNUM %d, %v, is this key already", e.KeyNum, e)
		}
	}
	file := sigKeyFile{SigKeyInfo: info}
	err = f.addCard(sigKeyFiles, &file)
	return file.SigKeyInfo, err
}

// CardSigKey is a signature key on a smart card: its file, and what signs on the card.
type CardSigKey struct {
	SigKeyInfo
	order.Signer
}

// Info gives what the file shows in the clear, which is what the card says.
func (k *CardSigKey) Info() SigKeyInfo { return k.SigKeyInfo }

// Format prints the name and nothing else, in every format.
func (k CardSigKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.SigKeyInfo.String()) }

// OpenCardSigKey checks what the file shows in the clear against the key that a card has under a label.
func (f *Folder) OpenCardSigKey(keyNum int, label string, signer order.Signer) (*CardSigKey, error) {
	shown, err := f.SigKey(keyNum)
	if err != nil {
		return nil, err
	}
	info, err := Describe(label, signer.Public())
	if err != nil {
		return nil, err
	}
	if info.Name != shown.Name || info.SubjectKeyIdentifier != shown.SubjectKeyIdentifier || !bytes.Equal(info.PublicKey, shown.PublicKey) {
		return nil, f.tampered(sigKeyFiles, keyNum, fmt.Sprintf("the key on the smart card is %v", info))
	}
	return &CardSigKey{shown, signer}, nil
}

// SigKeys lists signature keys by number, from what their files show in the clear.
func (f *Folder) SigKeys() ([]SigKeyInfo, error) {
	return listed(f, sigKeyFiles, func(file *sigKeyFile) SigKeyInfo { return file.SigKeyInfo })
}

// SigKey gives what one signature key's file shows in the clear.
func (f *Folder) SigKey(keyNum int) (SigKeyInfo, error) {
	var file sigKeyFile
	err := f.load(sigKeyFiles, keyNum, &file)
	return file.SigKeyInfo, err
}

// OpenSigKey opens a signature key with its password, and checks what the file shows in the clear.
func (f *Folder) OpenSigKey(keyNum int, password string) (*SigKey, error) {
	var file sigKeyFile
	secret, err := f.open(sigKeyFiles, keyNum, &file, password)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	tampered := func(what string) error { return f.tampered(sigKeyFiles, keyNum, what) }
	var opened sigKeySecret
	if err := json.Unmarshal(secret, &opened); err != nil {
		return nil, tampered("it holds no signature key")
	}
	defer clear(opened.Key)
	parsed, err := x509.ParsePKCS8PrivateKey(opened.Key)
	key, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok || key.Curve != elliptic.P521() {
		return nil, tampered("it holds no P-521 key")
	}
	info, err := Describe(opened.Name, &key.PublicKey)
	if err != nil {
		return nil, err
	}
	switch {
	case info.Name != file.Name:
		return nil, tampered(fmt.Sprintf("the name is %q", info.Name))
	case info.SubjectKeyIdentifier != file.SubjectKeyIdentifier:
		return nil, tampered("the subject key identifier is " + info.SubjectKeyIdentifier)
	case !bytes.Equal(info.PublicKey, file.PublicKey):
		return nil, tampered("the public key is another one")
	}
	info.KeyNum = keyNum
	return &SigKey{info, key}, nil
}

// RemoveSigKey deletes a signature key's file. Without a backup the key is gone.
func (f *Folder) RemoveSigKey(keyNum int) error {
	if err := f.remove(sigKeyFiles, keyNum, &sigKeyFile{}); err != nil {
		return err
	}
	selected, err := f.SelectedSigKeys()
	if err != nil {
		return err
	}
	if rest := slices.DeleteFunc(selected, func(n int) bool { return n == keyNum }); len(rest) != len(selected) {
		return f.SelectSigKeys(rest)
	}
	return nil
}

// Describe gives what is shown of an administrator's public key.
func Describe(name string, public *ecdsa.PublicKey) (SigKeyInfo, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return SigKeyInfo{}, err
	}
	ski, err := order.SKIOf(public)
	if err != nil {
		return SigKeyInfo{}, err
	}
	return SigKeyInfo{Name: name, SubjectKeyIdentifier: ski.String(), PublicKey: der}, nil
}
