package node

import (
	"context"
	"errors"
	"fmt"
	"sync"

	wrapping "github.com/hashicorp/go-kms-wrapping/v2"
	"github.com/hashicorp/go-kms-wrapping/v2/aead"
	"google.golang.org/protobuf/proto"
)

// sealer seals the file key of the unit's state file with a go-kms-wrapping wrapper a key: the first seals, all open. It
// never sees anything else of the unit. It satisfies cryptounit.Sealer.
type sealer struct {
	mu       sync.Mutex
	wrappers []wrapping.Wrapper
	old      bool // what was opened last was not sealed by the first
}

// newSealer makes the sealer that the configuration names.
func newSealer(c Sealing) (*sealer, error) {
	wrappers, err := wrappersOf(c)
	if err != nil {
		return nil, err
	}
	return &sealer{wrappers: wrappers}, nil
}

func wrappersOf(c Sealing) ([]wrapping.Wrapper, error) {
	wrappers, err := wrappersIn(c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("sealing.key_file: %w", err)
	}
	return wrappers, nil
}

// alsoOpen has the keys of another file open what was sealed with them, and seal nothing. No file: nothing.
func (s *sealer) alsoOpen(path string) error {
	if path == "" {
		return nil
	}
	if problem := checkFile(path, true, "give the file with the sealing key of the archived unit's node"); problem != "" {
		return errors.New(problem)
	}
	wrappers, err := wrappersIn(path)
	if err != nil {
		return err
	}
	s.replace(append(s.replace(nil), wrappers...))
	return nil
}

func wrappersIn(path string) ([]wrapping.Wrapper, error) {
	keys, err := ReadKeys(path)
	if err != nil {
		return nil, err
	}
	var wrappers []wrapping.Wrapper
	for _, key := range keys {
		wrapper := aead.NewWrapper()
		if err := wrapper.SetAesGcmKeyBytes(key); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		wrappers = append(wrappers, wrapper)
	}
	return wrappers, nil
}

// replace takes other keys, and gives those that were.
func (s *sealer) replace(wrappers []wrapping.Wrapper) (was []wrapping.Wrapper) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was, s.wrappers = s.wrappers, wrappers
	return was
}

// stale tells whether the file that was opened last is to be sealed anew.
func (s *sealer) stale() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.old
}

// Seal wraps a file key.
func (s *sealer) Seal(plaintext []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	info, err := s.wrappers[0].Encrypt(context.Background(), plaintext)
	if err != nil {
		return nil, fmt.Errorf("sealing the unit's file key: %w", err)
	}
	return proto.Marshal(info)
}

// leastSealed is a nonce and a tag of AES-GCM.
const leastSealed = 12 + 16

// Open unwraps a file key.
func (s *sealer) Open(sealed []byte) ([]byte, error) {
	var info wrapping.BlobInfo
	if err := proto.Unmarshal(sealed, &info); err != nil {
		return nil, fmt.Errorf("the sealed file key is malformed: %w", err)
	}
	if len(info.Ciphertext) < leastSealed { // the wrapper takes its nonce unlooked at
		return nil, fmt.Errorf("the sealed file key is cut off: it has %d bytes", len(info.Ciphertext))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var failures []error
	for i, wrapper := range s.wrappers {
		plaintext, err := wrapper.Decrypt(context.Background(), &info)
		if err == nil {
			s.old = i > 0
			return plaintext, nil
		}
		failures = append(failures, err)
	}
	return nil, fmt.Errorf("no sealing key opens the unit's file: check that sealing.key_file holds the one that sealed it: %w", errors.Join(failures...))
}
