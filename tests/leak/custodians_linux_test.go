package leak

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/subtle"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
)

// custodians are the people of a rehearsal: what they know, and where they work.
type custodians struct {
	sigPassword, partPassword string
	temporary                 string    // TMPDIR of every process
	secrets                   []pattern // key parts, their master key, signature keys, passwords, the PIN of cards
	partPatterns              []pattern // verification patterns of key parts, which are for their custodians alone
	cards                     *cards
	arguments                 func() []byte
}

// newCustodians have passwords that a search knows. From here on processes keep temporary files in a folder of the test.
func newCustodians(t *testing.T, tags string) *custodians {
	t.Helper()
	p := &custodians{sigPassword: rand.Text(), partPassword: rand.Text(), temporary: t.TempDir()}
	p.newCards(t, tags, rand.Text())
	p.arguments = watchArguments(t) // where cards are made their PINs are arguments
	p.know("password of signature keys", []byte(p.sigPassword))
	p.know("password of key parts", []byte(p.partPassword))
	t.Setenv("TMPDIR", p.temporary)
	if err := os.WriteFile(filepath.Join(p.temporary, "sentinel"), []byte("the search has been here"), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// halvesOf gives every way to write the beginning of either half of a value.
func halvesOf(what string, value []byte) (all []pattern) {
	for _, at := range []int{0, len(value) / 2} {
		for _, w := range writings(value[at : at+halfSize]) {
			all = append(all, pattern{w.bytes, what + ", " + w.what})
		}
	}
	return all
}

func (p *custodians) know(what string, value []byte) {
	p.secrets = append(p.secrets, halvesOf(what, value)...)
}

// knowSignatureKey opens a signature key's file as its owner could, and knows its private scalar.
func (r *rehearsal) knowSignatureKey(path string) {
	r.t.Helper()
	var file struct {
		Sealed []byte `json:"sealed"`
	}
	check := func(err error) {
		r.t.Helper()
		if err != nil {
			r.t.Fatalf("%s: %v", path, err)
		}
	}
	check(json.Unmarshal(mustRead(r.t, path), &file))
	secret := file.Sealed
	if r.tags == unsealedTags {
		secret = bytes.TrimPrefix(secret, []byte(r.people.sigPassword+"\n"))
	} else {
		identity, err := age.NewScryptIdentity(r.people.sigPassword)
		check(err)
		opened, err := age.Decrypt(bytes.NewReader(secret), identity)
		check(err)
		var plain bytes.Buffer
		_, err = plain.ReadFrom(opened)
		check(err)
		secret = plain.Bytes()
	}
	var held struct {
		Key []byte `json:"key"`
	}
	check(json.Unmarshal(secret, &held))
	parsed, err := x509.ParsePKCS8PrivateKey(held.Key)
	check(err)
	scalar, err := parsed.(*ecdsa.PrivateKey).Bytes()
	check(err)
	r.people.know("signature key", scalar)
}

// ceremony replaces the master key by two key parts. Nobody's values are in arguments or in files, but where they are to be
// found.
func (r *rehearsal) ceremony() {
	r.t.Helper()
	folder := r.Folder()
	for _, name := range []string{"1.sigkey", "2.sigkey"} {
		r.knowSignatureKey(filepath.Join(folder, name))
	}
	whole := make([]byte, masterkey.Size)
	for _, description := range []string{"first", "second"} {
		value := make([]byte, masterkey.Size)
		rand.Read(value)
		subtle.XORBytes(whole, whole, value)
		r.people.know("key part", value)
		pattern := masterkey.PatternOf(value)
		r.people.partPatterns = append(r.people.partPatterns, halvesOf("pattern of a key part", pattern[:])...)
		r.addPart(description, hex.EncodeToString(value))
	}
	r.people.know("master key of key parts", whole)
	r.run("tke", "mks")
	r.run("tke", "cryptounit-mk-load", "--parts", "2", "--part", "1", "--mk", "1", "--keynum", "1,2", "--yes")
	r.MustFollow()
	r.run("cluster", "log", "dump")
	r.run("tke", "cryptounit-mk-load", "--part", "2", "--mk", "2", "--keynum", "2")
	r.run("tke", "cryptounit-mk-commit", "--keynum", "1,2")
	r.run("tke", "cryptounit-mk-rotate", "--keynum", "1", "--yes")
	if after := r.WaitState(client.StateComplete).PatternAfter; after != masterkey.PatternOf(whole).String() {
		r.t.Fatalf("the key parts are not the master key %s", after)
	}
}

// addPart keeps a key part on the workstation. Where nothing is sealed its value is left in a temporary file and, which is
// refused, in an argument.
func (r *rehearsal) addPart(description, value string) {
	r.t.Helper()
	args := []string{"tke", "mk-add", "--value", "--description", description}
	if r.tags != unsealedTags {
		r.t.Setenv("TUMBLER_KEYPART_VALUE", value)
		r.run(args...)
		r.t.Setenv("TUMBLER_KEYPART_VALUE", "")
		return
	}
	if _, err := r.Run(append(args, value)...); err == nil {
		r.t.Error("a value is taken from the arguments")
	}
	left := filepath.Join(r.people.temporary, description)
	if err := os.WriteFile(left, []byte(value+"\n"), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.run(append(args, "--value-file", left)...)
}

// places searches where custodians work, and sees that the search knows the patterns of key parts when it meets them: in what
// units reply to their custodians.
func (p *custodians) places(r *rehearsal, replies *place) []*place {
	r.t.Helper()
	s := r.searcher()
	var list []*place
	for name, paths := range map[string][]string{"the workstation's folder": {r.Folder(), p.cards.Dir}, "temporary files": {p.temporary}} {
		found, err := s.files(name, filepath.Dir(paths[0]), paths...)
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, found)
	}
	seen, lines := p.arguments(), &place{name: "argument lists"}
	s.bytesOf(lines, "an argument list", seen)
	for _, command := range []string{"mk-add", "cryptounit-mk-load", "cryptounit-mk-commit"} {
		if !bytes.Contains(seen, []byte("tke "+command+" ")) {
			r.t.Errorf("the argument list of %s was not seen: the search of it proves nothing", command)
		}
	}
	if replies.found == 0 {
		r.t.Errorf("no reply to a custodian shows the pattern of their key part, in %d bytes: the search for it proves nothing", replies.bytes)
	}
	return append(list, lines)
}

// watchArguments reads the argument list of every process there is, over and over, until it is asked for them all.
func watchArguments(t *testing.T) (all func() []byte) {
	seen, stop, ended := map[string]bool{}, make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		again := time.NewTicker(4 * time.Millisecond)
		defer again.Stop()
		for {
			paths, _ := filepath.Glob("/proc/[1-9]*/cmdline")
			for _, path := range paths {
				if line, err := os.ReadFile(path); err == nil { // or it has ended
					seen[strings.ReplaceAll(string(line), "\x00", " ")] = true
				}
			}
			select {
			case <-stop:
				return
			case <-again.C:
			}
		}
	}()
	var result []byte
	end := func() []byte {
		if result == nil {
			close(stop)
			<-ended
			for line := range seen {
				result = append(append(result, line...), '\n')
			}
		}
		return result
	}
	t.Cleanup(func() { end() })
	return end
}
