package command

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// SecretFile is a new file for a secret that is shown once. It is made before the secret is, so that a folder that cannot
// be written costs no secret.
type SecretFile struct {
	file *os.File
	Kept bool
}

// ReserveFile makes a new file that only its owner reads; it refuses one that is there.
func ReserveFile(path string) (*SecretFile, error) {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("%s exists already, and is left as it is: name another file", path)
	}
	return &SecretFile{file: file}, err
}

// Keep writes the secret.
func (s *SecretFile) Keep(secret string) error {
	s.Kept = true
	_, err := s.file.WriteString(secret)
	return errors.Join(err, s.file.Sync(), s.file.Close())
}

// Drop removes the file unless it was kept.
func (s *SecretFile) Drop() {
	if !s.Kept {
		_ = s.file.Close()
		_ = os.Remove(s.file.Name())
	}
}
