package leak

import (
	"crypto/subtle"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/tests/softhsm"
)

// cards are the smart cards of custodians. The command line that knows cards links C, as nodes do not.
type cards struct {
	*softhsm.Cards
	program, reader string
	pin             string // which nodes do not know
}

// newCards makes cards whose PIN a search knows, and builds what they are used by.
func (p *custodians) newCards(t *testing.T, tags, pin string) {
	t.Helper()
	linked := []string{"CGO_ENABLED=1", "GOEXPERIMENT=", "GOFLAGS=-buildvcs=false"} // as tests are, which have compiled most of it
	p.cards = &cards{
		softhsm.WithPIN(t, pin, "dora", "erin"),
		build(t, tags, "./cli/tumbler", linked...),
		build(t, tags, "./tests/leak/custody/cardreader", linked...),
		"TUMBLER_CARD_PIN=" + pin,
	}
	p.know("PIN", []byte(pin))
	if tags == unsealedTags {
		if err := os.WriteFile(filepath.Join(p.temporary, "pin"), []byte(pin), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// runCards is run, by the program that knows cards.
func (r *rehearsal) runCards(args ...string) {
	r.t.Helper()
	command := exec.CommandContext(r.t.Context(), r.people.cards.program, args...)
	command.Env = append(append(os.Environ(), r.Environment()...), "TUMBLER_SIGKEY_PASSWORD="+r.people.sigPassword, r.people.cards.pin)
	out, err := command.CombinedOutput()
	if err != nil {
		r.t.Fatalf("tumbler %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	r.said.Write(out)
}

// cardCeremony replaces the master key by parts on two cards, one of which has an administrator's signature key too.
func (r *rehearsal) cardCeremony() {
	r.t.Helper()
	dora, erin := r.people.cards.URI("dora"), r.people.cards.URI("erin")
	r.runCards("tke", "sigkey-add", "--name", "Dora", "--card", dora)
	r.run("tke", "cryptounit-admin-add", "--administrator", "3", "--keynum", "1,2")
	var objects []string
	for _, uri := range []string{dora, erin} {
		r.runCards("tke", "mk-add", "--random", "--card", uri, "--description", "part")
		objects = append(objects, strings.Replace(uri, "?", ";object=part?", 1))
	}
	whole := r.readCards(objects)
	r.runCards("tke", "cryptounit-mk-load", "--mk", "3 4", "--keynum", "2,3", "--yes")
	r.MustFollow()
	r.runCards("tke", "cryptounit-mk-commit", "--keynum", "1,3")
	r.runCards("tke", "cryptounit-mk-rotate", "--keynum", "3", "--yes")
	if after := r.WaitState(client.StateComplete).PatternAfter; after != masterkey.PatternOf(whole).String() {
		r.t.Fatalf("the key parts on the cards are not the master key %s", after)
	}
}

// readCards has the search know the parts on the cards, and gives the master key that they are.
func (r *rehearsal) readCards(objects []string) (whole []byte) {
	r.t.Helper()
	reader := exec.CommandContext(r.t.Context(), r.people.cards.reader, objects...)
	reader.Env, reader.Stderr = append(os.Environ(), r.people.cards.pin), os.Stderr
	out, err := reader.Output()
	if err != nil {
		r.t.Fatalf("reading the cards: %v", err)
	}
	whole = make([]byte, masterkey.Size)
	for _, line := range strings.Fields(string(out)) {
		value := must[[]byte](r.t)(hex.DecodeString(line))
		subtle.XORBytes(whole, whole, value)
		r.people.know("key part on a card", value)
		pattern := masterkey.PatternOf(value)
		r.people.partPatterns = append(r.people.partPatterns, halvesOf("pattern of a key part on a card", pattern[:])...)
	}
	r.people.know("master key of cards", whole)
	return whole
}
