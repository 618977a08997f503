package workstation

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

const password = "correct horse"

func open(t *testing.T) *Folder {
	t.Helper()
	f, err := Open(filepath.Join(t.TempDir(), "files"), LeastWorkFactor)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func mustAdd(t *testing.T, f *Folder, name string) SigKeyInfo {
	t.Helper()
	info, err := f.AddSigKey(name, password)
	if err != nil {
		t.Fatal(err)
	}
	return info
}

func TestASignatureKeySignsAfterItsPasswordIsGiven(t *testing.T) {
	f := open(t)
	info := mustAdd(t, f, "Alice")
	key, err := f.OpenSigKey(info.KeyNum, password)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha512.Sum512([]byte("order"))
	signature, err := ecdsa.SignASN1(rand.Reader, key.key, digest[:])
	if err != nil {
		t.Fatal(err)
	}
	if !ecdsa.VerifyASN1(&key.key.PublicKey, digest[:], signature) || !bytes.Equal(key.PublicKey, info.PublicKey) {
		t.Error("the key opened is not the key made")
	}
}

func TestAFileHoldsNoSecretInTheClear(t *testing.T) {
	f := open(t)
	info := mustAdd(t, f, "Alice")
	key, err := f.OpenSigKey(info.KeyNum, password)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(f.path(sigKeyFiles, info.KeyNum))
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := key.key.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	var file sigKeyFile
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{scalar, scalar[20:40], []byte(password)} {
		if bytes.Contains(data, part) || bytes.Contains(file.Sealed, part) {
			t.Error("the file holds a part of the secret")
		}
	}
	if info, err := os.Stat(f.path(sigKeyFiles, info.KeyNum)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestAnOpenedKeyPrintsAsItsName(t *testing.T) {
	f := open(t)
	info := mustAdd(t, f, "Alice")
	key, err := f.OpenSigKey(info.KeyNum, password)
	if err != nil {
		t.Fatal(err)
	}
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%d"} {
		for _, shown := range []string{fmt.Sprintf(format, key), fmt.Sprintf(format, *key)} {
			if shown != info.String() {
				t.Errorf("%s prints %s", format, shown)
			}
		}
	}
}

func TestAWrongPasswordIsSaid(t *testing.T) {
	f := open(t)
	info := mustAdd(t, f, "Alice")
	for _, wrong := range []string{"", "wrong horse", password + " "} {
		if _, err := f.OpenSigKey(info.KeyNum, wrong); !errors.Is(err, ErrWrongPassword) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
}

func TestWhatAFileShowsIsComputedAgain(t *testing.T) {
	f := open(t)
	alice, bob := mustAdd(t, f, "Alice"), mustAdd(t, f, "Bob")
	for name, edit := range map[string]func(*sigKeyFile){
		"name":                   func(s *sigKeyFile) { s.Name = "Mallory" },
		"subject key identifier": func(s *sigKeyFile) { s.SubjectKeyIdentifier = bob.SubjectKeyIdentifier },
		"public key":             func(s *sigKeyFile) { s.PublicKey = bob.PublicKey },
		"secret of another key": func(s *sigKeyFile) {
			var other sigKeyFile
			if err := f.load(sigKeyFiles, bob.KeyNum, &other); err != nil {
				t.Fatal(err)
			}
			s.Sealed = other.Sealed
		},
	} {
		t.Run(name, func(t *testing.T) {
			var good sigKeyFile
			if err := f.load(sigKeyFiles, alice.KeyNum, &good); err != nil {
				t.Fatal(err)
			}
			edited := good
			edit(&edited)
			if err := f.write(sigKeyFiles.fileName(alice.KeyNum), edited); err != nil {
				t.Fatal(err)
			}
			if _, err := f.OpenSigKey(alice.KeyNum, password); !errors.Is(err, ErrTampered) || !strings.Contains(err.Error(), "backup") {
				t.Errorf("%v", err)
			}
			if err := f.write(sigKeyFiles.fileName(alice.KeyNum), good); err != nil {
				t.Fatal(err)
			}
			if _, err := f.OpenSigKey(alice.KeyNum, password); err != nil {
				t.Errorf("the file as it was: %v", err)
			}
		})
	}
}

func TestADamagedFileIsSaid(t *testing.T) {
	f := open(t)
	info := mustAdd(t, f, "Alice")
	var good sigKeyFile
	if err := f.load(sigKeyFiles, info.KeyNum, &good); err != nil {
		t.Fatal(err)
	}
	for i := range good.Sealed {
		damaged := good
		damaged.Sealed = slices.Clone(good.Sealed)
		damaged.Sealed[i] ^= 1
		if i%7 != 0 && i < len(good.Sealed)-40 { // every place costs a derivation
			continue
		}
		if err := f.write(sigKeyFiles.fileName(info.KeyNum), damaged); err != nil {
			t.Fatal(err)
		}
		if _, err := f.OpenSigKey(info.KeyNum, password); err == nil {
			t.Errorf("a flipped bit in byte %d was not seen", i)
		}
	}
	if err := os.WriteFile(f.path(sigKeyFiles, info.KeyNum), []byte(`{"format":1,"keynum":1,"extra":true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := f.SigKeys(); err == nil || !strings.Contains(err.Error(), "extra") {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestNumbersAreTheLowestFree(t *testing.T) {
	f := open(t)
	for _, name := range []string{"Alice", "Bob", "Carol"} {
		mustAdd(t, f, name)
	}
	if err := f.RemoveSigKey(2); err != nil {
		t.Fatal(err)
	}
	if info := mustAdd(t, f, "Dora"); info.KeyNum != 2 {
		t.Errorf("KEYNUM %d", info.KeyNum)
	}
	list, err := f.SigKeys()
	if err != nil || len(list) != 3 || list[1].Name != "Dora" {
		t.Errorf("%v %v", list, err)
	}
}

func TestTwoCommandsAtOnceNeverTakeOneNumber(t *testing.T) {
	f := open(t)
	const n = 6
	numbers := make([]int, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			info, err := f.AddSigKey("Alice", password)
			if err != nil {
				t.Error(err)
			}
			numbers[i] = info.KeyNum
		})
	}
	wg.Wait()
	slices.Sort(numbers)
	if !slices.Equal(numbers, []int{1, 2, 3, 4, 5, 6}) {
		t.Errorf("%v", numbers)
	}
	if left, err := filepath.Glob(filepath.Join(f.dir, ".*")); err != nil || len(left) > 0 {
		t.Errorf("temporary files left: %v %v", left, err)
	}
}

func TestNamesAndPasswordsAreChecked(t *testing.T) {
	f := open(t)
	for _, name := range []string{"", " Alice", "Alice\n", strings.Repeat("a", MaxName+1)} {
		if _, err := f.AddSigKey(name, password); err == nil {
			t.Errorf("%q was taken", name)
		}
	}
	if _, err := f.AddSigKey(strings.Repeat("é", MaxName), password); err != nil {
		t.Error(err)
	}
	if _, err := f.AddSigKey("Alice", "short"); err == nil || !strings.Contains(err.Error(), "less than 8 characters") {
		t.Error(err)
	}
}

func TestWeakPasswordsAreRefused(t *testing.T) {
	for _, weak := range []string{"", "short", "password1", "Passw0rd!", "qwertyuiop", "12345678901234", "2026-11-29", "aaaaaaaaaaaa", "ééééééééé", "Alice Alice Alice", "Alice Alice", "alice Alice ALICE alice", "Thirty thirty thirty", "alicealice1"} {
		var refused *WeakPasswordError
		if err := CheckPassword(weak, "Alice"); !errors.As(err, &refused) || weak != "" && strings.Contains(err.Error(), weak) {
			t.Errorf("%q: %v", weak, err)
		}
	}
	for _, strong := range []string{password, GeneratePassword(), "3h1d-9kfp", strings.Repeat("a long sentence that nobody would think of ", 100)} {
		if err := CheckPassword(strong, "Alice"); err != nil {
			t.Errorf("%q: %v", strong, err)
		}
	}
	if a, b := GeneratePassword(), GeneratePassword(); a == b || len(a) != 31 {
		t.Errorf("%q, %q", a, b)
	}
}

func TestRemovingAKeyTakesItOutOfTheSelection(t *testing.T) {
	f := open(t)
	mustAdd(t, f, "Alice")
	mustAdd(t, f, "Bob")
	if err := f.SelectSigKeys([]int{2, 1, 2}); err != nil {
		t.Fatal(err)
	}
	if err := f.RemoveSigKey(1); err != nil {
		t.Fatal(err)
	}
	if selected, err := f.SelectedSigKeys(); err != nil || !slices.Equal(selected, []int{2}) {
		t.Errorf("%v %v", selected, err)
	}
	if err := f.RemoveSigKey(1); err == nil || !strings.Contains(err.Error(), "tumbler tke sigkeys") {
		t.Error(err)
	}
}

func TestUnitsAreSelectedUntilTheyAreTakenOut(t *testing.T) {
	f := open(t)
	want := func(number uint32, want bool) {
		t.Helper()
		if got, err := f.Selected("i", number); err != nil || got != want {
			t.Errorf("unit %d selected: %v %v", number, got, err)
		}
	}
	want(1, true)
	for _, in := range []bool{false, false, true} {
		if err := f.SelectUnit("i", 1, in); err != nil {
			t.Fatal(err)
		}
		want(1, in)
		want(2, true)
	}
}

func TestAChangedIdentityIsRefused(t *testing.T) {
	f := open(t)
	one, two, other := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32), bytes.Repeat([]byte{3}, 32)
	if err := f.PinIdentities("i", map[uint32][]byte{1: one, 2: two}); err != nil {
		t.Fatal(err)
	}
	known, err := f.CheckIdentities("i", map[uint32][]byte{1: one, 3: other})
	if err != nil || !known[1] || known[3] {
		t.Errorf("%v %v", known, err)
	}
	var changed *IdentityChangedError
	if err := f.PinIdentities("i", map[uint32][]byte{2: other, 3: other}); !errors.As(err, &changed) || changed.Number != 2 {
		t.Errorf("%v", err)
	} else if !strings.Contains(err.Error(), identitiesFile) {
		t.Errorf("does not say what to do: %v", err)
	}
	if known, err := f.CheckIdentities("i", map[uint32][]byte{3: one}); err != nil || known[3] {
		t.Errorf("something was pinned with the refusal: %v %v", known, err)
	}
	if err := f.PinIdentities("another instance", map[uint32][]byte{2: other}); err != nil {
		t.Error(err)
	}
}

func TestTheFolderMustBeNamed(t *testing.T) {
	if _, err := Open("", 0); err == nil || !strings.Contains(err.Error(), Env) {
		t.Error(err)
	}
	for _, factor := range []int{1, LeastWorkFactor - 1, MostWorkFactor + 1} {
		if _, err := Open(t.TempDir(), factor); err == nil {
			t.Errorf("work factor %d was taken", factor)
		}
	}
}

func FuzzFiles(f *testing.F) {
	f.Add([]byte(`{"format":1,"keynum":1,"name":"A","subject_key_identifier":"00","public_key":"","sealed":"YWdl"}`))
	f.Add([]byte(`{"format":1,"keynum":1,"description":"A","verification_pattern":"00","sealed":"YWdl"}`))
	f.Add([]byte(`{"instances":{"i":{"1":"00"}}}`))
	f.Add([]byte(`{} {}`))
	f.Add([]byte(`{}}`))
	f.Add([]byte(`{"sigkeys":[1,2],"deselects":{"i":[1,2]}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		folder := open(t)
		for _, name := range []string{sigKeyFiles.fileName(1), keyPartFiles.fileName(1), selectionFile, identitiesFile} {
			if err := os.WriteFile(filepath.Join(folder.dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		// Each says what it holds or that it cannot be read; a key that was not sealed with this password never opens.
		for name, value := range map[string]any{sigKeyFiles.fileName(1): &sigKeyFile{}, keyPartFiles.fileName(1): &keyPartFile{}, selectionFile: &selection{}, identitiesFile: &identities{}} {
			if err := folder.read(name, value); err == nil && !json.Valid(data) {
				t.Errorf("%q was read as %+v", data, value)
			}
		}
		_, _ = folder.SigKeys()
		_, _ = folder.SelectedSigKeys()
		_, _ = folder.KeyParts()
		_ = folder.PinIdentities("i", map[uint32][]byte{1: {0}})
		if _, err := folder.OpenSigKey(1, ""); err == nil {
			t.Error("opened")
		}
		if _, err := folder.OpenKeyPart(1, ""); err == nil {
			t.Error("opened")
		}
	})
}
