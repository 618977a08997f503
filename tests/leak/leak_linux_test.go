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
	sealing  = flag.String("sealing", "", "on: search a demo for planted keys; off: the same on a build that seals and erases nothing")
	released = flag.String("released", "", "the released program, which must hold nothing of the test builds")
)

// The build tags of the programs that are searched.
const (
	planted  = ",plantedkeys"
	unsealed = ",plantedkeys,unsealed"
)

// search runs a whole demo and searches all that it left. The demo is a test of its own, so that a finding does not look
// like a failure of the cluster.
func search(t *testing.T, tags string) (places []*place, excluded *place) {
	t.Helper()
	passed := t.Run("Demo", func(t *testing.T) {
		r := rehearse(t, rand.Text(), tags)
		places, excluded = r.places(t), r.excluded
	})
	if !passed {
		t.FailNow()
	}
	for _, p := range places {
		fmt.Printf("%-28s %14s bytes searched   found %d\n", p.name, grouped(p.bytes), p.found)
		for _, line := range p.first {
			fmt.Printf("    found %s\n", line)
		}
	}
	return places, excluded
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
	tags := planted
	switch *sealing {
	case "on":
	case "off":
		tags = unsealed
	default:
		t.Skip("make leak-test runs this")
	}
	places, excluded := search(t, tags)
	for _, p := range places {
		switch {
		case p.found > 0:
			t.Errorf("%s: found %d", p.name, p.found)
		case tags == unsealed:
			t.Errorf("%s: nothing, though nothing is sealed: the search of it proves nothing", p.name)
		}
	}
	if tags == planted && excluded.found == 0 {
		t.Errorf("the %d bytes that core dumps leave out hold no key: the search of memory misses something", excluded.bytes)
	}
}

// TestReleasedProgramsPlantNothing: what test builds are told by is in them, and not in a released program.
func TestReleasedProgramsPlantNothing(t *testing.T) {
	if *released == "" {
		t.Skip("make leak-test runs this")
	}
	names := []string{"TUMBLER_PLANTED", "TUMBLER_TAPS", "TUMBLER_GOSSIP_PLANT", "what a log must never hold"}
	program, test := mustRead(t, *released), mustRead(t, build(t, unsealed))
	for _, name := range names {
		if bytes.Contains(program, []byte(name)) {
			t.Errorf("%s holds %q", *released, name)
		}
		if !bytes.Contains(test, []byte(name)) {
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
