package cryptounit

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Sealer seals the 32-byte file key of the unit's state file: a key in a file, a hardware module or a transit service.
// It sees nothing else of the unit. Open(Seal(k)) is k, in a later process too; what was changed does not open. It is
// called at each write, at start and by Reseal, never concurrently.
type Sealer interface {
	Seal(plaintext []byte) ([]byte, error)
	Open(sealed []byte) ([]byte, error)
}

// The state file: magic ‖ format ‖ length ‖ sealed file key ‖ XAES-256-GCM(content), all before it as additional data.
const (
	stateName   = "unit.sealed"
	stateMagic  = "TUMBLERUNIT"
	stateFormat = 1
	stateLimit  = 16 << 20 // bytes
	keyLimit    = 64 << 10 // bytes of a sealed file key
)

// stateFile is the unit's file on disk.
type stateFile struct {
	dir    string
	folder Folder // nil: dir, on this machine's disk
	name   string // for messages; empty: the path
	sealer Sealer
	// fail, in tests, is asked before each durable step of a write, by its name.
	fail func(step string) error // "write", "rename", "sync-dir"
}

func (f *stateFile) path() string { return filepath.Join(f.dir, stateName) }

func (f *stateFile) shown() string {
	if f.name != "" {
		return f.name
	}
	return f.path()
}

// seal encrypts content under a fresh file key.
func (f *stateFile) seal(content []byte) ([]byte, error) {
	key := make([]byte, xaesKeySize)
	defer erase(key)
	rand.Read(key)
	sealedKey, err := f.sealer.Seal(key)
	if err != nil {
		return nil, err
	}
	if len(sealedKey) > keyLimit {
		return nil, fmt.Errorf("the sealed file key has %d bytes, more than %d", len(sealedKey), keyLimit)
	}
	head := append([]byte(stateMagic), stateFormat)
	head = binary.BigEndian.AppendUint32(head, uint32(len(sealedKey)))
	head = append(head, sealedKey...)
	sealed, err := sealXAES(key, content, head)
	if err != nil {
		return nil, err
	}
	if file := append(head, sealed...); len(file) <= stateLimit {
		return file, nil
	}
	return nil, fmt.Errorf("it would have more than %d bytes, and not be read again", stateLimit)
}

// open is the inverse of seal.
func (f *stateFile) open(file []byte) ([]byte, error) {
	head := len(stateMagic) + 1 + 4
	if len(file) < head || !bytes.HasPrefix(file, []byte(stateMagic)) {
		return nil, refuse(ErrStateFile, "%s is not the file of a crypto unit", f.shown())
	}
	if format := file[len(stateMagic)]; format != stateFormat {
		return nil, refuse(ErrStateFile, "%s has format %d, this release knows %d: run the release that wrote it", f.shown(), format, stateFormat)
	}
	n := binary.BigEndian.Uint32(file[len(stateMagic)+1:])
	if n > keyLimit || uint64(n) > uint64(len(file)-head) {
		return nil, refuse(ErrStateFile, "%s is cut off", f.shown())
	}
	key, err := f.sealer.Open(file[head : head+int(n)])
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrStateFile, f.shown(), err)
	}
	defer erase(key)
	content, err := openXAES(key, file[head+int(n):], file[:head+int(n)])
	if err != nil {
		return nil, refuse(ErrStateFile, "%s was changed or damaged: put back the newest copy of it, or zeroize and enrol the unit anew", f.shown())
	}
	return content, nil
}

// in is where the file lies.
func (f *stateFile) in() Folder {
	if f.folder != nil {
		return f.folder
	}
	return diskFolder(f.dir)
}

func (f *stateFile) makeDir() error {
	if f.folder != nil {
		return nil
	}
	if err := os.MkdirAll(f.dir, 0o700); err != nil {
		return fmt.Errorf("the crypto unit's folder: %w", err)
	}
	return nil
}

// read returns the content, or nil where there is no file yet.
func (f *stateFile) read() (*content, error) {
	file, err := f.in().Read(stateName, stateLimit+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(file) > stateLimit {
		return nil, refuse(ErrStateFile, "%s has more than %d bytes", f.path(), stateLimit)
	}
	return f.decode(file)
}

// decode reads the content of a sealed file.
func (f *stateFile) decode(file []byte) (c *content, err error) {
	inSecret(func() {
		var plain []byte
		if plain, err = f.open(file); err != nil {
			return
		}
		defer erase(plain)
		if c, err = unmarshalContent(plain); err != nil {
			err = refuse(ErrStateFile, "%s: %v", f.shown(), err)
		}
	})
	return c, err
}

// opens tells whether the file can be opened as it lies there.
func (f *stateFile) opens() error {
	file, err := f.in().Read(stateName, stateLimit+1)
	if err != nil {
		return err
	}
	inSecret(func() {
		var plain []byte
		plain, err = f.open(file)
		clear(plain)
	})
	return err
}

// write makes the content durable: a temporary file, fsync, rename, fsync of the folder.
func (f *stateFile) write(c *content) (err error) {
	if err := c.check(); err != nil {
		return fmt.Errorf("writing the crypto unit's file: %w", err)
	}
	var sealed []byte
	inSecret(func() {
		var plain []byte
		if plain, err = c.marshal(); err != nil {
			return
		}
		defer erase(plain)
		sealed, err = f.seal(plain)
	})
	if err != nil {
		return fmt.Errorf("writing the crypto unit's file: %w", err)
	}
	folder, temporary := f.in(), stateName+".tmp"
	if err := f.step("write", func() error { return folder.Write(temporary, sealed) }); err != nil {
		return err
	}
	if err := f.step("rename", func() error { return folder.Rename(temporary, stateName) }); err != nil {
		return fmt.Errorf("%w: %w", errHalfWritten, err)
	}
	if err := f.step("sync-dir", folder.Sync); err != nil {
		return fmt.Errorf("%w: %w", errHalfWritten, err)
	}
	return nil
}

// errHalfWritten: after a crash the file may be the former or the new one.
var errHalfWritten = errors.New("the crypto unit's file may have been replaced or not")

func (f *stateFile) step(name string, do func() error) error {
	if f.fail != nil {
		if err := f.fail(name); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return fmt.Errorf("writing the crypto unit's file (%s): %w", name, err)
	}
	return nil
}
