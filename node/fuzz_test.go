package node

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"tumbler/rewrap"
)

// FuzzParseConfig: what is taken is valid, holds known keys alone, and is read as before when it is written again.
func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(minimal + "timeouts: {lease: 6s}\nlog: {level: debug}\n"))
	f.Add([]byte("number: -1"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ParseConfig(data)
		if err != nil {
			return
		}
		if c.Validate() != nil {
			t.Errorf("accepted, and not valid: %+v", c)
		}
		written, err := yaml.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParseConfig(written); err != nil || again != c {
			t.Errorf("%q is %+v, is written as\n%s and read as %+v, %v", data, c, written, again, err)
		}
		if _, err := ParseConfig(append(written, "no_such_key: 0\n"...)); err == nil {
			t.Error("an unknown key was taken")
		}
	})
}

// FuzzReadKeys: a key is taken in one form alone.
func FuzzReadKeys(f *testing.F) {
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, keySize))
	f.Add([]byte(key))
	f.Add([]byte("# two\n\n " + key + " \r\n" + key + "\n"))
	f.Add([]byte(key[:8] + "\r" + key[8:]))
	path := filepath.Join(f.TempDir(), "keys")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		keys, err := ReadKeys(path)
		if err != nil {
			return
		}
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			if len(keys) == 0 || base64.StdEncoding.EncodeToString(keys[0]) != line {
				t.Fatalf("%q is not the next of %x", line, keys)
			}
			keys = keys[1:]
		}
		if len(keys) > 0 {
			t.Errorf("%x are in no line", keys)
		}
	})
}

// FuzzSealedKey: nothing opens but what was sealed.
func FuzzSealedKey(f *testing.F) {
	path := filepath.Join(f.TempDir(), "sealing.key")
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, keySize))), 0o600); err != nil {
		f.Fatal(err)
	}
	wrappers, err := wrappersIn(path)
	if err != nil {
		f.Fatal(err)
	}
	s := &sealer{wrappers: wrappers}
	secret := bytes.Repeat([]byte{9}, 32)
	sealed, err := s.Seal(secret)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add(sealed[:len(sealed)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, sealed []byte) {
		if opened, err := s.Open(sealed); err == nil && !bytes.Equal(opened, secret) {
			t.Errorf("%x opens to %x", sealed, opened)
		}
	})
}

// FuzzCalls: what nodes say to each other as JSON is read as before when it is written again. A later release may say more.
func FuzzCalls(f *testing.F) {
	f.Add([]byte(`{"number":2,"free":5,"low":true}`))
	f.Add([]byte(`{"administrators":"MAA=","signatures":["MAA="],"known":true,"removed":7}`))
	f.Add([]byte(`{"approval":"MAA=","master_key":"ab"}`))
	f.Add([]byte(`{"reply":"MAA=","loaded":true}`))
	f.Add([]byte(`{"kind":1,"order":"` + strings.Repeat("ab", 32) + `","partition":1}`))
	f.Add([]byte(`{"identity":"` + strings.Repeat("AB", 32) + `","file":"AAAA","unit":{}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		sameAgain[room](t, body)
		sameAgain[[]room](t, body)
		sameAgain[standingCall](t, body)
		sameAgain[standingAnswer](t, body)
		sameAgain[setAdministratorsCall](t, body)
		sameAgain[zeroizeCall](t, body)
		sameAgain[loadPartAnswer](t, body)
		sameAgain[unitFile](t, body)
		sameAgain[rewrap.Finding](t, body)
	})
}

func sameAgain[T any](t *testing.T, body []byte) {
	t.Helper()
	var first, second T
	if json.Unmarshal(body, &first) != nil {
		return
	}
	written, err := json.Marshal(first)
	if err != nil {
		t.Fatalf("%q is read as %+v, which cannot be written: %v", body, first, err)
	}
	err = json.Unmarshal(written, &second)
	if again, failed := json.Marshal(second); err != nil || failed != nil || !bytes.Equal(again, written) {
		t.Errorf("%q is written as %s, and that as %s, %v", body, written, again, err)
	}
}
