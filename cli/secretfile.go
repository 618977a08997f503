package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// secretFile is a new file for a secret that is shown once. It is made before the secret is, so that a folder that cannot
// be written costs no secret.
type secretFile struct {
	file *os.File
	kept bool
}

func reserve(path string) (*secretFile, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists already, and is left as it is: name another file", path)
	}
	return &secretFile{file: file}, err
}

// keep writes the secret.
func (s *secretFile) keep(secret string) error {
	s.kept = true
	_, err := s.file.WriteString(secret)
	return errors.Join(err, s.file.Sync(), s.file.Close())
}

// drop removes the file unless it was kept.
func (s *secretFile) drop() {
	if !s.kept {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
