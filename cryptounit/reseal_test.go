package cryptounit

import (
	"bytes"
	"errors"
	"testing"
)

// keyedSealer opens what any of its keys sealed, and seals with the first: each key is a byte that is added.
type keyedSealer struct{ keys []byte }

func (s *keyedSealer) Seal(b []byte) ([]byte, error) {
	out := append([]byte{s.keys[0]}, b...)
	for i := range b {
		out[i+1] ^= s.keys[0]
	}
	return out, nil
}

func (s *keyedSealer) Open(b []byte) ([]byte, error) {
	if len(b) == 0 || !bytes.Contains(s.keys, b[:1]) {
		return nil, errors.New("sealed with another key")
	}
	out := bytes.Clone(b[1:])
	for i := range out {
		out[i] ^= b[0]
	}
	return out, nil
}

func TestResealedUnderANewKey(t *testing.T) {
	sealer := &keyedSealer{keys: []byte{1}}
	config := Config{Dir: t.TempDir(), Number: 1, Role: 1, Sealer: sealer}
	u, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	before, file := u.Status(), mustRead(t, u.file.path())

	// Without the key that sealed the file, a crash before the write would leave one that nothing opens.
	sealer.keys = []byte{2}
	if err := u.Reseal(); !errors.Is(err, ErrStateFile) {
		t.Errorf("without the former key: %v", err)
	}
	if !bytes.Equal(file, mustRead(t, u.file.path())) || u.Status().Generation != before.Generation {
		t.Error("a refused reseal changed the file")
	}

	sealer.keys = []byte{2, 1}
	if err := u.Reseal(); err != nil {
		t.Fatal(err)
	}
	if err := u.Close(); err != nil {
		t.Fatal(err)
	}
	if err := u.Reseal(); !errors.Is(err, ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	sealer.keys = []byte{1}
	if _, err := Open(config); !errors.Is(err, ErrStateFile) {
		t.Errorf("with the former key alone: %v", err)
	}
	sealer.keys = []byte{2}
	again, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	if s := again.Status(); s.Identity != before.Identity || s.Generation != before.Generation+1 {
		t.Errorf("it was %+v, and is %+v", before, s)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}
