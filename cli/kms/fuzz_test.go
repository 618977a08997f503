package kms

import (
	"encoding/json"
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
