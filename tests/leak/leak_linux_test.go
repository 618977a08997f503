package leak

import (
	"bytes"
	"crypto/rand"
	"flag"
	"fmt"
	"os"
	"testing"
)

var (
	sealing   = flag.String("sealing", "", "on: search a demo for planted keys; off: the same on a build that seals and erases nothing")
	released  = flag.String("released", "", "the released program, which must hold nothing of the test builds")
	withCards = flag.String("cards", "", "the released program with smart cards, the same, which custodians with cards run")
)

// The build tags of the programs that are searched.
const (
	plantedTags  = ",plantedkeys"
	unsealedTags = ",plantedkeys,unsealed"
)

// search runs a whole demo and searches all that it left. The demo is a test of its own, so that a finding does not look
// like a failure of the cluster.
func search(t *testing.T, tags string) (places []*place) {
	t.Helper()
	passed := t.Run("Demo", func(t *testing.T) {
		binary := build(t, tags, "./cli/tumbler")
		for _, program := range []string{*released, *withCards} {
			plantsNothing(t, program, binary)
		}
		r := rehearse(t, rand.Text(), tags, binary)
		places = r.places(t)
		if tags == plantedTags && r.excluded.found == 0 {
			t.Errorf("the %d bytes that core dumps leave out hold no key: the search of memory misses something", r.excluded.bytes)
		}
	})
	passed = t.Run("KeyParts", func(t *testing.T) {
		places = append(places, keyParts(t, rand.Text(), tags)...)
	}) && passed
	if !passed {
		t.FailNow()
	}
	for _, p := range places {
		fmt.Printf("%-30s %14s bytes searched   found %d\n", p.name, grouped(p.bytes), p.found)
		for _, f := range p.by {
			fmt.Printf("    found %d halves: %s, the first in %s\n", f.count, f.what, f.first)
		}
	}
	return places
}

// grouped writes a number with commas.
func grouped(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// TestNoKeyIsFound is `make leak-test`: planted keys are nowhere but in the pages that dumps leave out, and there they
// are. With SEALING=off it is to fail, which `make leak-proof` sees: it finds keys in every place.
func TestNoKeyIsFound(t *testing.T) {
	tags := plantedTags
	switch *sealing {
	case "on":
	case "off":
		tags = unsealedTags
	default:
		t.Skip("make leak-test runs this")
	}
	for _, p := range search(t, tags) {
		switch {
		case p.found > 0:
			t.Errorf("%s: found %d", p.name, p.found)
		case tags == unsealedTags:
			t.Errorf("%s: nothing, though nothing is sealed: the search of it proves nothing", p.name)
		}
	}
}

// plantsNothing: what test builds are told by is in them, and not in a released program.
func plantsNothing(t *testing.T, released, test string) {
	t.Helper()
	program, testProgram := mustRead(t, released), mustRead(t, test)
	for _, name := range []string{"TUMBLER_PLANTED", "TUMBLER_TAPS", "TUMBLER_GOSSIP_PLANT", "plants keys for the leak test"} {
		if bytes.Contains(program, []byte(name)) {
			t.Errorf("%s holds %q", released, name)
		}
		if !bytes.Contains(testProgram, []byte(name)) {
			t.Errorf("the test build does not hold %q: looking for it proves nothing", name)
		}
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
