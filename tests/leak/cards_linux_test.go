package leak

import (
	"bytes"
	"crypto/subtle"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/tests/softhsm"
)

// cards are the smart cards of custodians, whose program links C; that of nodes does not.
type cards struct {
	*softhsm.Cards
	program, reader string
	pin             string
	pinSource       string // a file, where nothing is sealed
}

// What is secret of cards, as findings call it.
const (
	cardPIN       = "PIN"
	cardPart      = "key part on a card"
	cardMasterKey = "master key of cards"
)

// linked is how programs with cards are built.
const linked = "CGO_ENABLED=1"

// newCards makes cards whose PIN a search knows. Where nothing is sealed it is in a file, and so the program that reads cards is
// one that seals nothing either; else it is the released one.
func (p *custodians) newCards(t *testing.T, tags, pin string) {
	t.Helper()
	p.cards = &cards{softhsm.WithPIN(t, pin, "dora", "erin"), *withCards, build(t, "", "./tests/leak/custody/cardreader", linked), pin, ""}
	p.know(cardPIN, []byte(pin))
	if tags == unsealedTags {
		p.cards.program, p.cards.pinSource = build(t, tags, "./cli/tumbler", linked), filepath.Join(p.temporary, "pin")
		if err := os.WriteFile(p.cards.pinSource, []byte(pin), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// uri names a card, and where its PIN is if not in the environment.
func (c *cards) uri(label string) string {
	if c.pinSource == "" {
		return c.URI(label)
	}
	return c.URI(label) + "&pin-source=file:" + c.pinSource
}

// command runs a program that asks for the PIN.
func (r *rehearsal) command(program string, args ...string) *exec.Cmd {
	command := exec.CommandContext(r.t.Context(), program, args...)
	command.Env = append(append(os.Environ(), r.Environment()...), "TUMBLER_SIGKEY_PASSWORD="+r.people.sigPassword)
	if program == r.people.cards.reader || r.people.cards.pinSource == "" {
		command.Env = append(command.Env, "TUMBLER_CARD_PIN="+r.people.cards.pin)
	}
	return command
}

// runCards is run, by the program that knows cards.
func (r *rehearsal) runCards(args ...string) {
	r.t.Helper()
	out, err := r.command(r.people.cards.program, args...).CombinedOutput()
	if err != nil {
		r.t.Fatalf("tumbler %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	r.said.Write(out)
}

// cardCeremony replaces the master key by parts on two cards, one of which has an administrator's signature key too. Where nothing is
// sealed the PIN is given in an argument first, which is refused.
func (r *rehearsal) cardCeremony() {
	r.t.Helper()
	dora, erin := r.people.cards.uri("dora"), r.people.cards.uri("erin")
	addKey := []string{"tke", "sigkey-add", "--name", "Dora", "--card"}
	if r.tags == unsealedTags {
		out, err := r.command(r.people.cards.program, append(addKey, r.people.cards.URI("dora")+"&pin-value="+r.people.cards.pin)...).CombinedOutput()
		if err == nil || !bytes.Contains(out, []byte("holds a PIN")) {
			r.t.Errorf("a PIN is taken from the arguments: %v\n%s", err, out)
		}
	}
	r.runCards(append(addKey, dora)...)
	r.runCards("tke", "cryptounit-admin-add", "--administrator", "3", "--keynum", "1,2")
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
	reader := r.command(r.people.cards.reader, objects...)
	reader.Stderr = os.Stderr
	out, err := reader.Output()
	if err != nil {
		r.t.Fatalf("reading the cards: %v", err)
	}
	whole = make([]byte, masterkey.Size)
	for _, line := range strings.Fields(string(out)) {
		value := must[[]byte](r.t)(hex.DecodeString(line))
		subtle.XORBytes(whole, whole, value)
		r.people.know(cardPart, value)
		pattern := masterkey.PatternOf(value)
		r.people.partPatterns = append(r.people.partPatterns, halvesOf("pattern of a key part on a card", pattern[:])...)
	}
	r.people.know(cardMasterKey, whole)
	return whole
}

// cardPlaces are those places once more where what is secret of cards shows if nothing is sealed, with that alone.
func cardPlaces(all []*place) (list []*place) {
	for _, p := range all {
		for name, shows := range map[string][]string{
			"units' files": {cardMasterKey}, "temporary files": {cardPIN}, "argument lists": {cardPIN},
			"connections of the API": {cardPart}, "calls between nodes": {cardPart}, "core dumps": {cardPart, cardMasterKey},
		} {
			if p.name == name {
				list = append(list, p.only("cards: "+name, shows))
			}
		}
	}
	return list
}

// only is a place with the findings of some kinds.
func (p *place) only(name string, kinds []string) *place {
	some := &place{name: name, bytes: p.bytes}
	for _, f := range p.by {
		kind, _, _ := strings.Cut(f.what, ", ")
		if slices.Contains(kinds, kind) {
			some.by, some.found = append(some.by, f), some.found+f.count
		}
	}
	return some
}
