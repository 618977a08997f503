package signservice

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tumbler/cryptounit/order"
)

// File is the name of the file in the workstation folder that lists the keys that sign.
const File = "SIGNSERVKEYS"

// Entry is a key of the list.
type Entry struct {
	// Key is its name in the service.
	Key string `json:"key"`
	// Token authorises its use; none: it is asked for, which is safer.
	Token string `json:"token,omitempty"`
	// Name is the administrator's, at most 30 characters; none: the key's own. Trusted Key Entry has no such field.
	Name string `json:"name,omitempty"`
}

// Administrator is the name of the administrator whose key it is.
func (e Entry) Administrator() string {
	if e.Name != "" {
		return e.Name
	}
	return e.Key
}

// Format prints what is no secret, in every format.
func (e Entry) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, e.Key) }

// ReadFile reads the list in a folder: at least one key, each once. open tells whether others on this machine can read tokens
// that are in it.
func ReadFile(dir string) (list []Entry, open bool, err error) {
	path := filepath.Join(dir, File)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, fmt.Errorf("%s is set, and there is no file %s: write it, such as [{\"key\":\"alice\"},{\"key\":\"bob\"}]", EnvURL, path)
	}
	if err != nil {
		return nil, false, err
	}
	if list, err = parse(text); err != nil {
		return nil, false, fmt.Errorf("%s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, false, err
	}
	for _, e := range list {
		open = open || e.Token != "" && info.Mode().Perm()&0o077 != 0
	}
	return list, open, nil
}

func parse(text []byte) ([]Entry, error) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	var list []Entry
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("it is not a JSON list such as [{\"key\":\"alice\"},{\"key\":\"bob\"}]: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows its JSON list")
	}
	if len(list) == 0 {
		return nil, errors.New("it lists no key")
	}
	seen := map[string]bool{}
	for _, e := range list {
		if err := checkName(e.Key); err != nil {
			return nil, err
		}
		if seen[e.Key] {
			return nil, fmt.Errorf("it lists %s twice", e.Key)
		}
		seen[e.Key] = true
		if name := []rune(e.Administrator()); len(name) > order.MaxName {
			return nil, fmt.Errorf("the name of key %s has more than %d characters: give the administrator's as \"name\"", e.Key, order.MaxName)
		}
	}
	return list, nil
}
