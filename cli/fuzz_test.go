package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

// FuzzBulkLine: a line of an import holds one key and known fields alone, and is read as before when it is written again.
func FuzzBulkLine(f *testing.F) {
	f.Add([]byte(`{"id":"11220000-0000-0000-0000-000000000000","name":"orders","aliases":["a"],"extractable":true,"payload":"AAAA"}`))
	f.Add([]byte(`{"name":"orders"}}`))
	f.Add([]byte(`{"name":"orders"} {"name":"more"}`))
	f.Add([]byte(`{"name":"orders","nickname":"o"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		key, err := decodeBulk(line)
		if err != nil {
			return
		}
		if !json.Valid(line) {
			t.Errorf("%q is no JSON value, and was read as %+v", line, key)
		}
		written, err := json.Marshal(bulkLine{key.ID, key.Name, key.Description, key.Aliases, key.Extractable, key.Payload})
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeBulk(written); err != nil || again.Name != key.Name || again.ID != key.ID || string(again.Payload) != string(key.Payload) ||
			len(again.Aliases) != len(key.Aliases) || again.Extractable != key.Extractable || again.Description != key.Description {
			t.Errorf("%q is written as %s and read as %+v, %v", line, written, again, err)
		}
	})
}

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
