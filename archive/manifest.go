package archive

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"
)

// Digest is a SHA-256: of a part, or of the manifest, by which an archive is known.
type Digest [32]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// MarshalText gives 64 hex digits.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText takes 64 hex digits in lower case and nothing else.
func (d *Digest) UnmarshalText(text []byte) error {
	b, err := hex.DecodeString(string(text))
	if err != nil || len(b) != len(d) {
		return fmt.Errorf("%q is not 64 hex digits", text)
	}
	copy(d[:], b)
	return nil
}

// Manifest says what an archive holds, and what is needed to use it. The format is forever.
type Manifest struct {
	Format  int    `json:"format"`
	Made    int64  `json:"made"`    // seconds since 1970
	Release string `json:"release"` // of the node that made it

	Cluster      string `json:"cluster"` // UUIDs
	Instance     string `json:"instance"`
	Incarnation  uint32 `json:"incarnation"`
	FeatureLevel uint32 `json:"feature_level"`

	Index uint64 `json:"index"` // of the last command in the state
	Epoch uint64 `json:"epoch"`
	// Patterns are the verification patterns (hex) of the master keys that open the state's keys.
	Patterns []string `json:"patterns"`
	Keys     Keys     `json:"keys"`
	State    Part     `json:"state"`
	Unit     *Unit    `json:"unit"` // null: the archive holds the file of none
}

// Keys counts the keys of the epoch by class.
type Keys struct {
	SystemInternal uint64 `json:"system_internal"`
	KMS            uint64 `json:"kms"`
	EP11           uint64 `json:"ep11"`
}

// Part is one part of an archive.
type Part struct {
	Size   int64  `json:"size"` // bytes
	SHA256 Digest `json:"sha256"`
}

// Unit is the crypto unit whose sealed file is in the archive, as it was then. The sealing key is not.
type Unit struct {
	Number     uint32   `json:"number"`
	Role       string   `json:"role"`
	Identity   string   `json:"identity"` // hex
	Generation uint64   `json:"generation"`
	Pattern    string   `json:"pattern"` // hex, of its current register
	Retired    []string `json:"retired"` // hex, of its retired keys
	File       Part     `json:"file"`
}

// Time is when the archive was made, in UTC.
func (m *Manifest) Time() time.Time { return time.Unix(m.Made, 0).UTC() }

// Size is that of the whole archive, in bytes.
func (m *Manifest) Size() (int64, error) {
	line, err := m.encode()
	if err != nil {
		return 0, err
	}
	return headSize + m.State.Size + m.unitSize() + int64(len(line)) + tailSize, nil
}

func (m *Manifest) unitSize() int64 {
	if m.Unit == nil {
		return 0
	}
	return m.Unit.File.Size
}

func (m *Manifest) encode() ([]byte, error) {
	line, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	return append(line, '\n'), nil
}

// decodeManifest takes only what encode gives.
func decodeManifest(line []byte) (*Manifest, error) {
	m := new(Manifest)
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(m); err != nil {
		return nil, damaged("its manifest: %v", err)
	}
	if m.Format != format {
		return nil, fmt.Errorf("%w: it has format %d, and this release reads format %d: use a newer release", ErrNotArchive, m.Format, format)
	}
	again, err := m.encode()
	switch {
	case err != nil:
		return nil, damaged("its manifest: %v", err)
	case !bytes.Equal(again, line):
		return nil, damaged("its manifest is not in the form in which it was written")
	case m.State.Size <= 0 || m.Index == 0 || m.Incarnation == 0 || len(m.Patterns) == 0:
		return nil, damaged("its manifest has impossible values")
	case m.Unit != nil && (m.Unit.File.Size <= 0 || m.Unit.File.Size > MaxUnit || m.Unit.Number == 0):
		return nil, damaged("its manifest has impossible values")
	}
	return m, nil
}
