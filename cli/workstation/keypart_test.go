package workstation

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"tumbler/cryptounit/masterkey"
)

func someValue(first byte) []byte {
	value := make([]byte, masterkey.Size)
	for i := range value {
		value[i] = first + byte(i)
	}
	return value
}

func mustAddPart(t *testing.T, f *Folder, description string, value []byte) KeyPartInfo {
	t.Helper()
	info, err := f.AddKeyPart(description, value, password)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestAKeyPartComesBackWithItsPassword(t *testing.T) {
	f := open(t)
	value := someValue(1)
	info := mustAddPart(t, f, "part one", value)
	if info.KeyNum != 1 || info.Pattern != masterkey.PatternOf(value).String() {
		t.Errorf("%+v", info)
	}
	part, err := f.OpenKeyPart(1, password)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(part.value, value) || part.VerificationPattern() != masterkey.PatternOf(value) {
		t.Error("the part opened is not the part made")
	}
	part.Erase()
	if !bytes.Equal(part.value, make([]byte, masterkey.Size)) {
		t.Error("it was not erased")
	}
	if _, err := f.OpenKeyPart(1, "wrong horse"); !errors.Is(err, ErrWrongPassword) {
		t.Error(err)
	}
}

func TestAKeyPartIsNowhereInTheClear(t *testing.T) {
	f := open(t)
	value := someValue(1)
	mustAddPart(t, f, "part one", value)
	part, err := f.OpenKeyPart(1, password)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, shown := range []string{fmt.Sprintf(format, part), fmt.Sprintf(format, *part)} {
			if shown != "[redacted]" {
				t.Errorf("%s prints %s", format, shown)
			}
		}
	}
	data, err := os.ReadFile(f.path(keyPartFiles, 1))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{string(value[:8]), hex.EncodeToString(value[:8]), password} {
		if bytes.Contains(data, []byte(secret)) {
			t.Error("the file holds some of the secret")
		}
	}
	if encoded, err := json.Marshal(part); err != nil || bytes.Contains(encoded, []byte("value")) {
		t.Errorf("%s %v", encoded, err)
	}
}

func TestWhatAKeyPartsFileShowsIsComputedAgain(t *testing.T) {
	f := open(t)
	mustAddPart(t, f, "part one", someValue(1))
	other := mustAddPart(t, f, "part two", someValue(9))
	for name, edit := range map[string]func(*keyPartFile){
		"description": func(p *keyPartFile) { p.Description = "part two" },
		"pattern":     func(p *keyPartFile) { p.Pattern = other.Pattern },
		"secret of another part": func(p *keyPartFile) {
			var file keyPartFile
			if err := f.load(keyPartFiles, other.KeyNum, &file); err != nil {
				t.Fatal(err)
			}
			p.Sealed = file.Sealed
		},
		"secret of a signature key": func(p *keyPartFile) {
			var file sigKeyFile
			if err := f.load(sigKeyFiles, mustAdd(t, f, "Alice").KeyNum, &file); err != nil {
				t.Fatal(err)
			}
			p.Sealed = file.Sealed
		},
	} {
		t.Run(name, func(t *testing.T) {
			var good keyPartFile
			if err := f.load(keyPartFiles, 1, &good); err != nil {
				t.Fatal(err)
			}
			edited := good
			edit(&edited)
			if err := f.write(keyPartFiles.fileName(1), &edited); err != nil {
				t.Fatal(err)
			}
			if _, err := f.OpenKeyPart(1, password); !errors.Is(err, ErrTampered) || !strings.Contains(err.Error(), "backup") {
				t.Error(err)
			}
			if err := f.write(keyPartFiles.fileName(1), &good); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestKeyPartsThatEveryoneWouldKnowAreNotKept(t *testing.T) {
	f := open(t)
	for _, text := range []string{"", "00", strings.Repeat("0", 64), strings.Repeat("1", 63), strings.Repeat("g", 64), strings.Repeat("1", 66)} {
		if _, err := ParseKeyPart(text); err == nil {
			t.Errorf("%q was taken", text)
		}
	}
	mustAddPart(t, f, "part one", someValue(1))
	if _, err := f.AddKeyPart("again", someValue(1), password); err == nil || !strings.Contains(err.Error(), `KEYNUM 1, "part one", has this value already`) {
		t.Error(err)
	}
	for description, value := range map[string][]byte{"": someValue(2), "zero": make([]byte, masterkey.Size), "short": someValue(2)[:16]} {
		if _, err := f.AddKeyPart(description, value, password); err == nil {
			t.Errorf("%q was kept", description)
		}
	}
	if list, err := f.KeyParts(); err != nil || len(list) != 1 {
		t.Errorf("%v %v", list, err)
	}
	if bytes.Equal(RandomKeyPart(), RandomKeyPart()) {
		t.Error("two random parts are equal")
	}
}

func TestKeyPartsAndSignatureKeysHaveNumbersOfTheirOwn(t *testing.T) {
	f := open(t)
	mustAdd(t, f, "Alice")
	if info := mustAddPart(t, f, "part one", someValue(1)); info.KeyNum != 1 {
		t.Errorf("KEYNUM %d", info.KeyNum)
	}
	if err := f.RemoveKeyPart(1); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveKeyPart(1); err == nil || !strings.Contains(err.Error(), "there is no key part with KEYNUM 1") || !strings.Contains(err.Error(), "tumbler tke mks") {
		t.Error(err)
	}
	if keys, err := f.SigKeys(); err != nil || len(keys) != 1 {
		t.Errorf("%v %v", keys, err)
	}
}
