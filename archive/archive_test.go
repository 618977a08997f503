package archive

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func manifest(state, unit []byte) Manifest {
	m := Manifest{
		Made: 1_780_000_000, Release: "0.1.0", Cluster: "01000000-0000-0000-0000-000000000000", Instance: "02000000-0000-0000-0000-000000000000",
		Incarnation: 1, FeatureLevel: 2, Index: 7, Epoch: 3, Patterns: []string{strings.Repeat("ab", 32)}, Keys: Keys{1, 60, 0},
		State: Part{Size: int64(len(state))},
	}
	if unit != nil {
		m.Unit = &Unit{
			Number: 4, Role: "recovery", Identity: strings.Repeat("cd", 32), Generation: 9, Pattern: strings.Repeat("ab", 32), Retired: []string{},
			File: Part{Size: int64(len(unit))},
		}
	}
	return m
}

func written(t testing.TB, state, unit []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	m := manifest(state, unit)
	size, err := m.Size()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Write(&b, m, func(w io.Writer) error { _, err := w.Write(state); return err }, unit); err != nil {
		t.Fatal(err)
	}
	if got := int64(b.Len()); got != size {
		t.Fatalf("it has %d bytes, and was to have %d", got, size)
	}
	return b.Bytes()
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	state, unit := []byte("the state"), []byte("a sealed file")
	for _, unit := range [][]byte{unit, nil} {
		path := filepath.Join(t.TempDir(), "archive")
		if err := os.WriteFile(path, written(t, state, unit), 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		read := int64(0)
		if err := a.Verify(func(n int64) error { read = n; return nil }); err != nil || read != int64(len(state)) {
			t.Fatal(read, err)
		}
		got, err := io.ReadAll(a.State())
		if err != nil || !bytes.Equal(got, state) {
			t.Fatalf("%q, %v", got, err)
		}
		if got, err = a.Unit(); err != nil || !bytes.Equal(got, unit) {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

// whole opens an archive and reads all of it.
func whole(b []byte) (*Archive, error) {
	a, err := read(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		return nil, err
	}
	return a, a.Verify(nil)
}

func TestADamagedArchiveIsRefused(t *testing.T) {
	good := written(t, []byte("the state"), []byte("a sealed file"))
	if _, err := whole(good); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, b []byte) {
		t.Helper()
		if _, err := whole(b); !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrNotArchive) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for n := range good {
		refused("cut off", good[:n])
		for bit := range 8 {
			changed := bytes.Clone(good)
			changed[n] ^= 1 << bit
			refused("a changed bit", changed)
		}
	}
	refused("more at its end", append(bytes.Clone(good), 0))
	other := written(t, []byte("THE STATE"), []byte("a sealed file"))
	refused("the state of another", append(append([]byte{}, good[:headSize]...), append(bytes.Clone(other[headSize:headSize+9]), good[headSize+9:]...)...))
}

func TestWhatDoesNotFitTheManifestIsNotWritten(t *testing.T) {
	m := manifest([]byte("four"), []byte("unit"))
	for name, write := range map[string]func() (Digest, error){
		"a shorter state": func() (Digest, error) {
			return Write(io.Discard, m, func(w io.Writer) error { return nil }, []byte("unit"))
		},
		"another unit": func() (Digest, error) { return Write(io.Discard, m, func(w io.Writer) error { return nil }, nil) },
		"a broken state": func() (Digest, error) {
			return Write(io.Discard, m, func(w io.Writer) error { return io.ErrClosedPipe }, []byte("unit"))
		},
	} {
		if _, err := write(); err == nil {
			t.Error(name)
		}
	}
}

// FuzzArchive: what is read and whole was written by Write, byte for byte.
func FuzzArchive(f *testing.F) {
	f.Add(written(f, []byte("the state"), []byte("a sealed file")))
	f.Add(written(f, []byte("s"), nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := whole(b)
		if err != nil {
			return
		}
		unit, err := a.Unit()
		if err != nil {
			t.Fatal(err)
		}
		var again bytes.Buffer
		digest, err := Write(&again, a.Manifest, func(w io.Writer) error { _, err := io.Copy(w, a.State()); return err }, unit)
		if err != nil || digest != a.Digest || !bytes.Equal(again.Bytes(), b) {
			t.Fatalf("it is written otherwise: %v", err)
		}
	})
}

// FuzzManifest: what is taken is what encode gives.
func FuzzManifest(f *testing.F) {
	for _, unit := range [][]byte{nil, {1}} {
		m := manifest([]byte("the state"), unit)
		m.Format = format
		line, err := m.encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := decodeManifest(line)
		if err != nil {
			return
		}
		if again, err := m.encode(); err != nil || !bytes.Equal(again, line) {
			t.Fatalf("%q becomes %q, %v", line, again, err)
		}
	})
}
