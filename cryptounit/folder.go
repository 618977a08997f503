package cryptounit

import (
	"errors"
	"io"
	"os"
	"path/filepath"

	"tumbler/holdpoint"
)

// Folder holds a unit's sealed file. What it says is durable survives a crash at any instruction after it.
type Folder interface {
	// Read gives a file, or the first most bytes of a longer one; fs.ErrNotExist where there is none.
	Read(name string, most int) ([]byte, error)
	// Write writes a file anew. Its content is durable then, but perhaps not its name.
	Write(name string, content []byte) error
	// Rename gives a file another name at once, whose former file goes.
	Rename(from, to string) error
	// Sync makes the names durable.
	Sync() error
}

// diskFolder is a folder on this machine's disk.
type diskFolder string

func (d diskFolder) Read(name string, most int) ([]byte, error) {
	file, err := os.Open(filepath.Join(string(d), name))
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, int64(most)))
	return content, errors.Join(err, file.Close())
}

func (d diskFolder) Write(name string, content []byte) error {
	file, err := os.OpenFile(filepath.Join(string(d), name), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = file.Write(content); err == nil {
		err = holdpoint.Step("unit-file-sync", file.Sync)
	}
	return errors.Join(err, file.Close())
}

func (d diskFolder) Rename(from, to string) error {
	return holdpoint.Step("unit-file-rename", func() error {
		return os.Rename(filepath.Join(string(d), from), filepath.Join(string(d), to))
	})
}

func (d diskFolder) Sync() error {
	dir, err := os.Open(string(d))
	if err != nil {
		return err
	}
	return errors.Join(holdpoint.Step("unit-folder-sync", dir.Sync), dir.Close())
}
