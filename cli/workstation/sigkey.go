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
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"filippo.io/age"

	"tumbler/cryptounit/order"
)

// Limits of a signature key's file.
const (
	MaxName     = order.MaxName // characters of an administrator's name
	MinPassword = 6             // characters
	suffix      = ".sigkey"
	format      = 1
)

// ErrWrongPassword means that the password does not open the file.
var ErrWrongPassword = errors.New("the password is wrong")

// ErrTampered means that what a file shows in the clear is not what its secret says.
var ErrTampered = errors.New("what the file shows in the clear is not what its secret says")

// SigKeyInfo is what a signature key's file shows in the clear. Before the key is used it is checked against the secret.
type SigKeyInfo struct {
	KeyNum               int    `json:"keynum"`
	Name                 string `json:"name"`
	SubjectKeyIdentifier string `json:"subject_key_identifier"` // 64 hex digits, as order.SKI
	PublicKey            []byte `json:"public_key"`             // DER, SubjectPublicKeyInfo
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
	Format int `json:"format"`
	SigKeyInfo
	Sealed []byte `json:"sealed"` // an age file with one scrypt recipient, of a JSON sigKeySecret
}

type sigKeySecret struct {
	Name string `json:"name"`
	Key  []byte `json:"key"` // DER, PKCS #8
}

// CheckName tells what is wrong with an administrator's name.
func CheckName(name string) error {
	if name == "" || utf8.RuneCountInString(name) > MaxName || strings.TrimSpace(name) != name {
		return fmt.Errorf("%q is not an administrator's name: 1 to %d characters, no space at either end", name, MaxName)
	}
	for _, r := range name {
		if !unicode.IsPrint(r) {
			return fmt.Errorf("%q is not an administrator's name: it holds a character that cannot be printed", name)
		}
	}
	return nil
}

// CheckPassword tells what is wrong with a password for a new file.
func CheckPassword(password string) error {
	if utf8.RuneCountInString(password) < MinPassword {
		return fmt.Errorf("the password is too short: at least %d characters", MinPassword)
	}
	return nil
}

// AddSigKey makes a P-521 signature key and seals it with a password, under the lowest free number.
func (f *Folder) AddSigKey(name, password string) (SigKeyInfo, error) {
	if err := errors.Join(CheckName(name), CheckPassword(password)); err != nil {
		return SigKeyInfo{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		return SigKeyInfo{}, err
	}
	info, err := describe(name, key)
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
	sealed, err := f.seal(secret, password)
	if err != nil {
		return SigKeyInfo{}, err
	}
	existing, err := f.SigKeys()
	if err != nil {
		return SigKeyInfo{}, err
	}
	for info.KeyNum = 1; ; info.KeyNum++ {
		if slices.ContainsFunc(existing, func(e SigKeyInfo) bool { return e.KeyNum == info.KeyNum }) {
			continue
		}
		err := f.writeNew(fileName(info.KeyNum), sigKeyFile{format, info, sealed})
		if errors.Is(err, fs.ErrExist) { // another command took the number meanwhile
			continue
		}
		return info, err
	}
}

// SigKeys lists signature keys by number, from what their files show in the clear.
func (f *Folder) SigKeys() ([]SigKeyInfo, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var list []SigKeyInfo
	for _, e := range entries {
		number, isKey := strings.CutSuffix(e.Name(), suffix)
		if !isKey {
			continue
		}
		keyNum, err := strconv.Atoi(number)
		if err != nil || keyNum < 1 || fileName(keyNum) != e.Name() {
			continue
		}
		file, err := f.load(keyNum)
		if err != nil {
			return nil, err
		}
		list = append(list, file.SigKeyInfo)
	}
	slices.SortFunc(list, func(a, b SigKeyInfo) int { return a.KeyNum - b.KeyNum })
	return list, nil
}

// SigKey gives what one signature key's file shows in the clear.
func (f *Folder) SigKey(keyNum int) (SigKeyInfo, error) {
	file, err := f.load(keyNum)
	return file.SigKeyInfo, err
}

// OpenSigKey opens a signature key with its password, and checks what the file shows in the clear.
func (f *Folder) OpenSigKey(keyNum int, password string) (*SigKey, error) {
	file, err := f.load(keyNum)
	if err != nil {
		return nil, err
	}
	secret, err := unseal(file.Sealed, password)
	if err != nil {
		return nil, fmt.Errorf("signature key file %s: %w", f.path(keyNum), err)
	}
	defer clear(secret)
	tampered := func(what string) error {
		return fmt.Errorf("signature key file %s: %w (%s): restore it from a backup", f.path(keyNum), ErrTampered, what)
	}
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
	info, err := describe(opened.Name, key)
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
	if _, err := f.load(keyNum); err != nil {
		return err
	}
	if err := os.Remove(f.path(keyNum)); err != nil {
		return err
	}
	selected, err := f.SelectedSigKeys()
	if err != nil {
		return err
	}
	if rest := slices.DeleteFunc(selected, func(n int) bool { return n == keyNum }); len(rest) != len(selected) {
		return f.SelectSigKeys(rest)
	}
	return syncDir(f.dir)
}

func (f *Folder) load(keyNum int) (sigKeyFile, error) {
	var file sigKeyFile
	if err := f.read(fileName(keyNum), &file); err != nil {
		return file, err
	}
	if file.Format == 0 {
		return file, fmt.Errorf("there is no signature key with KEYNUM %d in %s: `tumbler tke sigkeys` lists those there are", keyNum, f.dir)
	}
	if file.Format != format {
		return file, fmt.Errorf("%s has format %d, and this version reads %d: use the version that made it", f.path(keyNum), file.Format, format)
	}
	if file.KeyNum != keyNum {
		return file, fmt.Errorf("%s says that it is KEYNUM %d: rename it back", f.path(keyNum), file.KeyNum)
	}
	return file, nil
}

func (f *Folder) path(keyNum int) string { return filepath.Join(f.dir, fileName(keyNum)) }

func fileName(keyNum int) string { return strconv.Itoa(keyNum) + suffix }

func describe(name string, key *ecdsa.PrivateKey) (SigKeyInfo, error) {
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return SigKeyInfo{}, err
	}
	ski, err := order.SKIOf(&key.PublicKey)
	if err != nil {
		return SigKeyInfo{}, err
	}
	return SigKeyInfo{Name: name, SubjectKeyIdentifier: ski.String(), PublicKey: public}, nil
}

func (f *Folder) seal(secret []byte, password string) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(password)
	if err != nil {
		return nil, err
	}
	recipient.SetWorkFactor(f.workFactor)
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, recipient)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(secret); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return sealed.Bytes(), nil
}

func unseal(sealed []byte, password string) ([]byte, error) {
	if password == "" {
		return nil, ErrWrongPassword
	}
	identity, err := age.NewScryptIdentity(password)
	if err != nil {
		return nil, err
	}
	identity.SetMaxWorkFactor(MostWorkFactor)
	r, err := age.Decrypt(bytes.NewReader(sealed), identity)
	var none *age.NoIdentityMatchError
	if errors.As(err, &none) {
		return nil, ErrWrongPassword
	}
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w: restore it from a backup", err)
	}
	secret, err := io.ReadAll(io.LimitReader(r, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("it is damaged: %w: restore it from a backup", err)
	}
	return secret, nil
}
