package ceremony

import (
	"bytes"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzFingerprints: units are what the file says only if it has their number and identity.
func FuzzFingerprints(f *testing.F) {
	const one = "1 0101010101010101010101010101010101010101010101010101010101010101\n"
	f.Add([]byte("# a comment\n" + one + "2 0202020202020202020202020202020202020202020202020202020202020202\n"))
	f.Add([]byte(one[:20]))
	f.Add([]byte(one + one))
	f.Add([]byte(strings.ReplaceAll(one, "0", "2") + one))
	unit := map[uint32][]byte{1: bytes.Repeat([]byte{1}, 32)}
	path := filepath.Join(f.TempDir(), "fingerprints")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		listed, err := readFingerprints(path)
		if same := compareFingerprints(path, unit) == nil; same != (err == nil && reflect.DeepEqual(listed[1], unit[1])) {
			t.Errorf("%q lists %x, %v; the same: %t", data, listed, err, same)
		}
	})
}
