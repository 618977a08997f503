package node

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"strings"

	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
	"github.com/hashicorp/go-kms-wrapping/v2/aead"
	"google.golang.org/protobuf/proto"
)

// sealer seals the file key of the unit's state file with a go-kms-wrapping wrapper. It never sees anything else of the
// unit. It satisfies cryptounit.Sealer.
type sealer struct{ wrapper wrapping.Wrapper }

// newSealer makes the sealer that the configuration names.
func newSealer(c Sealing) (*sealer, error) {
	key, err := readKeyFile(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("sealing.key_file: %w", err)
	}
	wrapper := aead.NewWrapper()
	if err := wrapper.SetAesGcmKeyBytes(key); err != nil {
		return nil, fmt.Errorf("sealing.key_file %s: %w", c.KeyFile, err)
	}
	return &sealer{wrapper}, nil
}

// readKeyFile reads the base64 of 32 bytes.
func readKeyFile(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("%s does not hold the base64 of 32 bytes: make one with `head -c 32 /dev/urandom | base64`", path)
	}
	return key, nil
}

// Seal wraps a file key.
func (s *sealer) Seal(plaintext []byte) ([]byte, error) {
	info, err := s.wrapper.Encrypt(context.Background(), plaintext)
	if err != nil {
		return nil, fmt.Errorf("sealing the unit's file key: %w", err)
	}
	return proto.Marshal(info)
}

// Open unwraps a file key.
func (s *sealer) Open(sealed []byte) ([]byte, error) {
	var info wrapping.BlobInfo
	if err := proto.Unmarshal(sealed, &info); err != nil {
		return nil, fmt.Errorf("the sealed file key is malformed: %w", err)
	}
	plaintext, err := s.wrapper.Decrypt(context.Background(), &info)
	if err != nil {
		return nil, fmt.Errorf("the sealing key does not open the unit's file: check that sealing.key_file is the one that sealed it: %w", err)
	}
	return plaintext, nil
}
