// Package archive writes and reads the one file that a lost cluster is made again from: the state at one index, the sealed file
// of one crypto unit (or none), and a manifest that names every part by its digest, and every master key that is needed.
//
// It promises: what was cut, changed or made of other parts is refused, with its name, before anything is done with it; and
// nothing that is read is ever held in memory as a whole but the unit's file. It knows nothing of what the parts mean. An
// archive holds no key in the clear; the sealing key of the unit's file is not in it.
package archive

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"os"
)

// An archive is magic ‖ format ‖ state ‖ unit's file ‖ manifest ‖ length of the manifest (4 bytes) ‖ SHA-256 of the manifest.
const (
	magic    = "TUMBLERARCHIVE"
	format   = 1
	headSize = int64(len(magic) + 1)
	tailSize = int64(4 + sha256.Size)

	maxManifest = 1 << 20
	// MaxUnit bounds a unit's file, in bytes.
	MaxUnit = 16 << 20
)

// The refusals of a file.
var (
	ErrNotArchive = errors.New("this is not an archive that this release can read")
	ErrDamaged    = errors.New("the archive is damaged or cut off: use another copy")
)

func damaged(how string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDamaged, fmt.Sprintf(how, args...))
}

// Write writes an archive: state writes just State.Size bytes, and unit is the file that the manifest names, or empty. The
// digests and the format in the manifest are filled in here. It gives the archive's digest.
func Write(w io.Writer, m Manifest, state func(io.Writer) error, unit []byte) (Digest, error) {
	m.Format = format
	if int64(len(unit)) != m.unitSize() {
		return Digest{}, fmt.Errorf("the unit's file has %d bytes, the manifest says %d", len(unit), m.unitSize())
	}
	if _, err := w.Write(append([]byte(magic), format)); err != nil {
		return Digest{}, err
	}
	sum := summing{w: w, h: sha256.New()}
	if err := state(&sum); err != nil {
		return Digest{}, err
	}
	if sum.n != m.State.Size {
		return Digest{}, fmt.Errorf("the state has %d bytes, and was to have %d", sum.n, m.State.Size)
	}
	sum.h.Sum(m.State.SHA256[:0])
	if m.Unit != nil {
		named := *m.Unit
		named.File.SHA256 = sha256.Sum256(unit)
		m.Unit = &named
		if _, err := w.Write(unit); err != nil {
			return Digest{}, err
		}
	}
	line, err := m.encode()
	if err != nil {
		return Digest{}, err
	}
	if _, err := decodeManifest(line); err != nil {
		return Digest{}, err
	}
	digest := Digest(sha256.Sum256(line))
	tail := binary.BigEndian.AppendUint32(line, uint32(len(line)))
	_, err = w.Write(append(tail, digest[:]...))
	return digest, err
}

// summing counts and digests what is written.
type summing struct {
	w io.Writer
	h hash.Hash
	n int64
}

func (s *summing) Write(b []byte) (int, error) {
	n, err := s.w.Write(b)
	s.h.Write(b[:n])
	s.n += int64(n)
	return n, err
}

// Archive is an open one. Its manifest is whole; that its parts are too Verify says.
type Archive struct {
	Manifest Manifest
	Digest   Digest

	path string
	from io.ReaderAt
	file *os.File
}

// Open opens an archive: manifest and sizes are checked, the parts are not looked at.
func Open(path string) (*Archive, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%w: it is no file", ErrNotArchive)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	a, err := read(f, info.Size())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	a.path, a.file = path, f
	return a, nil
}

// read reads what stands at both ends.
func read(from io.ReaderAt, size int64) (*Archive, error) {
	head := make([]byte, min(headSize, size))
	if _, err := from.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch {
	case int64(len(head)) < headSize || string(head[:len(magic)]) != magic:
		return nil, fmt.Errorf("%w: it does not begin like one", ErrNotArchive)
	case head[len(magic)] != format:
		return nil, fmt.Errorf("%w: it has format %d, and this release reads format %d: use a newer release", ErrNotArchive, head[len(magic)], format)
	case size < headSize+tailSize:
		return nil, damaged("it has %d bytes", size)
	}
	tail := make([]byte, tailSize)
	if _, err := from.ReadAt(tail, size-tailSize); err != nil {
		return nil, err
	}
	length := int64(binary.BigEndian.Uint32(tail))
	if length > maxManifest || length > size-headSize-tailSize {
		return nil, damaged("there is no manifest at its end")
	}
	line := make([]byte, length)
	if _, err := from.ReadAt(line, size-tailSize-length); err != nil {
		return nil, err
	}
	digest := Digest(sha256.Sum256(line))
	if digest != Digest(tail[4:]) {
		return nil, damaged("there is no manifest at its end")
	}
	m, err := decodeManifest(line)
	if err != nil {
		return nil, err
	}
	if m.State.Size > math.MaxInt64/2 || headSize+m.State.Size+m.unitSize()+length+tailSize != size {
		return nil, damaged("its parts do not have the sizes that its manifest says")
	}
	return &Archive{Manifest: *m, Digest: digest, from: from}, nil
}

// Close closes the file.
func (a *Archive) Close() error { return a.file.Close() }

// Verify reads every part and compares it with its digest. progress may be nil, see Telling.
func (a *Archive) Verify(progress func(done int64) error) error {
	if _, err := io.Copy(io.Discard, Telling(a.State(), progress)); err != nil {
		return err
	}
	_, err := a.Unit()
	return err
}

// Telling tells, while r is read, how many bytes have been; an error of progress ends it. progress may be nil.
func Telling(r io.Reader, progress func(done int64) error) io.Reader {
	if progress == nil {
		return r
	}
	return &telling{r: r, progress: progress}
}

type telling struct {
	r        io.Reader
	n        int64
	progress func(int64) error
}

func (t *telling) Read(b []byte) (int, error) {
	n, err := t.r.Read(b)
	t.n += int64(n)
	if stop := t.progress(t.n); stop != nil {
		return n, stop
	}
	return n, err
}

// State is the state as a stream, whose end is an error if it was not what the manifest names.
func (a *Archive) State() io.Reader {
	return &checked{r: io.NewSectionReader(a.from, headSize, a.Manifest.State.Size), h: sha256.New(), part: a.Manifest.State, name: "its state"}
}

// Unit is the unit's sealed file; nil if the archive holds none.
func (a *Archive) Unit() ([]byte, error) {
	u := a.Manifest.Unit
	if u == nil {
		return nil, nil
	}
	return io.ReadAll(&checked{
		r: io.NewSectionReader(a.from, headSize+a.Manifest.State.Size, u.File.Size), h: sha256.New(), part: u.File, name: "its crypto unit's file",
	})
}

// checked is a part that ends as its manifest says, or with an error.
type checked struct {
	r    io.Reader
	h    hash.Hash
	n    int64
	part Part
	name string
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.h.Write(b[:n])
	c.n += int64(n)
	if errors.Is(err, io.EOF) && (c.n != c.part.Size || Digest(c.h.Sum(nil)) != c.part.SHA256) {
		return n, damaged("%s is not what its manifest says", c.name)
	}
	return n, err
}
