package workstation

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// The formats of files: with a sealed secret, and of what is on a smart card.
const (
	sealedFormat = 1
	cardFormat   = 2
)

// ErrOnCard means that a file has no secret that a password would open.
var ErrOnCard = errors.New("it is on a smart card")

// ErrWrongPassword means that the password does not open the file.
var ErrWrongPassword = errors.New("the password is wrong")

// ErrTampered means that what a file shows in the clear is not what its secret says.
var ErrTampered = errors.New("what the file shows in the clear is not what its secret says")

// sealedKind is a kind of sealed file: a secret that a password opens, and beside it what is shown of it in the clear. Files
// of a kind are called by their KEYNUM.
type sealedKind struct {
	noun   string
	suffix string
	list   string // the command that lists them
}

var (
	sigKeyFiles  = sealedKind{"signature key", ".sigkey", "sigkeys"}
	keyPartFiles = sealedKind{"key part", ".mkpart", "mks"}
)

func (k sealedKind) fileName(keyNum int) string { return strconv.Itoa(keyNum) + k.suffix }

// sealed is what every sealed file has.
type sealed struct {
	Format int    `json:"format"`
	Sealed []byte `json:"sealed,omitempty"` // an age file with one scrypt recipient, of the secret as JSON; none of what is on a card
}

func (s *sealed) seal() *sealed { return s }

// sealedFile is a file of one kind.
type sealedFile interface {
	seal() *sealed
	number() int
	setNumber(keyNum int)
	card() string // PKCS #11 URI of what is on a smart card
}

// add seals a secret with a password, under the lowest free number, which the file then has.
func (f *Folder) add(kind sealedKind, file sealedFile, secret []byte, password string) error {
	ciphertext, err := f.seal(secret, password)
	if err != nil {
		return err
	}
	*file.seal() = sealed{sealedFormat, ciphertext}
	return f.put(kind, file)
}

// addCard writes the file of what is on a smart card, as add does.
func (f *Folder) addCard(kind sealedKind, file sealedFile) error {
	*file.seal() = sealed{Format: cardFormat}
	return f.put(kind, file)
}

func (f *Folder) put(kind sealedKind, file sealedFile) error {
	taken, err := f.keyNums(kind)
	if err != nil {
		return err
	}
	for keyNum := 1; ; keyNum++ {
		if slices.Contains(taken, keyNum) {
			continue
		}
		file.setNumber(keyNum)
		err := f.writeNew(kind.fileName(keyNum), file)
		if errors.Is(err, fs.ErrExist) { // another command took the number meanwhile
			continue
		}
		return err
	}
}

// keyNums gives the numbers of the files of a kind, in their order.
func (f *Folder) keyNums(kind sealedKind) ([]int, error) {
	entries, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, e := range entries {
		number, ofKind := strings.CutSuffix(e.Name(), kind.suffix)
		keyNum, err := strconv.Atoi(number)
		if ofKind && err == nil && keyNum >= 1 && kind.fileName(keyNum) == e.Name() {
			numbers = append(numbers, keyNum)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// listed gives what the files of a kind show in the clear, by number.
func listed[F, Shown any, File interface {
	*F
	sealedFile
}](f *Folder, kind sealedKind, shown func(File) Shown) ([]Shown, error) {
	numbers, err := f.keyNums(kind)
	if err != nil {
		return nil, err
	}
	var list []Shown
	for _, n := range numbers {
		file := File(new(F))
		if err := f.load(kind, n, file); err != nil {
			return nil, err
		}
		list = append(list, shown(file))
	}
	return list, nil
}

// load reads what a file shows in the clear.
func (f *Folder) load(kind sealedKind, keyNum int, file sealedFile) error {
	if err := f.read(kind.fileName(keyNum), file); err != nil {
		return err
	}
	switch format := file.seal().Format; {
	case format == 0:
		return fmt.Errorf("there is no %s with KEYNUM %d in %s: `tumbler tke %s` lists those there are", kind.noun, keyNum, f.dir, kind.list)
	case format != sealedFormat && format != cardFormat:
		return fmt.Errorf("%s has format %d, and this version reads %d and %d: use the version that made it", f.path(kind, keyNum), format, sealedFormat, cardFormat)
	case (format == cardFormat) != (file.card() != "") || (format == cardFormat) != (len(file.seal().Sealed) == 0):
		return f.tampered(kind, keyNum, "it is neither of a secret nor of a smart card")
	case file.number() != keyNum:
		return fmt.Errorf("%s says that it is KEYNUM %d: rename it back", f.path(kind, keyNum), file.number())
	}
	return nil
}

// open reads a file and opens its secret, which the caller compares with what the file shows, and erases.
func (f *Folder) open(kind sealedKind, keyNum int, file sealedFile, password string) ([]byte, error) {
	if err := f.load(kind, keyNum, file); err != nil {
		return nil, err
	}
	if file.card() != "" {
		return nil, fmt.Errorf("%s %s: %w (%s)", kind.noun, f.path(kind, keyNum), ErrOnCard, file.card())
	}
	secret, err := unseal(file.seal().Sealed, password)
	if err != nil {
		return nil, fmt.Errorf("%s file %s: %w", kind.noun, f.path(kind, keyNum), err)
	}
	return secret, nil
}

func (f *Folder) tampered(kind sealedKind, keyNum int, what string) error {
	return fmt.Errorf("%s file %s: %w (%s): restore it from a backup", kind.noun, f.path(kind, keyNum), ErrTampered, what)
}

// remove deletes a file. Without a backup its secret is gone.
func (f *Folder) remove(kind sealedKind, keyNum int, file sealedFile) error {
	if err := f.load(kind, keyNum, file); err != nil {
		return err
	}
	if err := os.Remove(f.path(kind, keyNum)); err != nil {
		return err
	}
	return syncDir(f.dir)
}

func (f *Folder) path(kind sealedKind, keyNum int) string {
	return filepath.Join(f.dir, kind.fileName(keyNum))
}
