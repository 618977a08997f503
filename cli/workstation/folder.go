// Package workstation is an administrator's folder (CLOUDTKEFILES): signature keys, parts of master keys, the selection
// of crypto units and of signature keys, and the identities of units that were seen before.
//
// It promises three things. A signature key or a key part is in the clear only in memory, while a command uses it: its file is
// sealed with a password (age, scrypt). What a file shows in the clear (name, identifier and public key; description and
// verification pattern) is computed again from the secret before that is used, so an edited file is refused. And a unit whose identity is not the one that this
// folder remembers is refused, with what to do. Files are replaced by rename after a sync, with mode 0600.
package workstation

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Env names the environment variable with the folder's path.
const Env = "CLOUDTKEFILES"

// Folder is a workstation folder. The zero value is not usable.
type Folder struct {
	dir        string
	workFactor int
}

// Work factors: the base-2 logarithm of scrypt's cost. The default takes about two seconds a file.
const (
	DefaultWorkFactor = 18
	LeastWorkFactor   = 10
	MostWorkFactor    = 22 // what age reads
)

// Open opens a folder, which it makes if need be. A work factor of 0 is the default.
func Open(dir string, workFactor int) (*Folder, error) {
	if dir == "" {
		return nil, fmt.Errorf("%s is not set: set it to the folder for signature keys on this workstation, or give --files DIR", Env)
	}
	if workFactor == 0 {
		workFactor = DefaultWorkFactor
	}
	if workFactor < LeastWorkFactor || workFactor > MostWorkFactor {
		return nil, fmt.Errorf("a work factor of %d is not between %d and %d: %d is usual", workFactor, LeastWorkFactor, MostWorkFactor, DefaultWorkFactor)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("%s: %w", Env, err)
	}
	return &Folder{dir, workFactor}, nil
}

// Dir is the folder's path.
func (f *Folder) Dir() string { return f.dir }

// read decodes a JSON file strictly; a missing one leaves value as it is.
func (f *Folder) read(name string, value any) error {
	path := filepath.Join(f.dir, name)
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return fmt.Errorf("%s cannot be read: %w: restore it from a backup", path, err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("%s cannot be read: something follows its JSON object: restore it from a backup", path)
	}
	return nil
}

// write replaces a file: after a crash there is the old one or the new one.
func (f *Folder) write(name string, value any) error {
	path := filepath.Join(f.dir, name)
	temporary, err := f.temporary(name, value)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncDir(f.dir)
}

// writeNew makes a file that must not exist yet.
func (f *Folder) writeNew(name string, value any) error {
	temporary, err := f.temporary(name, value)
	if err != nil {
		return err
	}
	err = os.Link(temporary, filepath.Join(f.dir, name))
	if err := errors.Join(err, os.Remove(temporary)); err != nil {
		return err
	}
	return syncDir(f.dir)
}

func (f *Folder) temporary(name string, value any) (string, error) {
	data, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return "", err
	}
	file, err := os.CreateTemp(f.dir, "."+strings.TrimSuffix(name, filepath.Ext(name))+"-*.tmp") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = file.Write(append(data, '\n'))
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return "", errors.Join(err, os.Remove(file.Name()))
	}
	return file.Name(), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
