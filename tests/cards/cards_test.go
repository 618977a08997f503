//go:build cgo

package cards

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/tests/harness"
	"tumbler/tests/softhsm"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// keyCount makes three partitions, or more.
var keyCount = flag.Int("keys", 2100, "how many keys each rotation moves")

// ceremony is a cluster whose administrators, Alice and Bob, have a card each, with their signature keys.
type ceremony struct {
	*harness.Cluster
	t     *testing.T
	cards *softhsm.Cards
	keys  *harness.Keys
}

func newCeremony(t *testing.T) *ceremony {
	t.Helper()
	cards := softhsm.New(t, "alice", "bob")
	t.Setenv("TUMBLER_CARD_PIN", softhsm.PIN)
	c := &ceremony{Cluster: harness.NewCluster(t, 3, 2, harness.Uninitialised), t: t, cards: cards}
	c.MustRun("tke", "sigkey-add", "--name", "Alice", "--card", cards.URI("alice"))
	c.MustRun("tke", "sigkey-add", "--name", "Bob", "--card", cards.URI("bob"))
	c.MustRun("tke", "auto-init", "--signature-threshold", "2", "--revocation-threshold", "2", "--administrators", "2", "--keynum", "1,2", "--yes")
	c.keys = c.MustImportKeys(*keyCount)
	return c
}

// mustAddParts draws a key part on each card, and gives their KEYNUMs.
func (c *ceremony) mustAddParts(name string) string {
	c.t.Helper()
	var numbers []string
	for _, owner := range []string{"alice", "bob"} {
		var part struct {
			KeyNum  int    `json:"keynum"`
			Pattern string `json:"verification_pattern"`
		}
		c.read(&part, "tke", "mk-add", "--random", "--description", name+" of "+owner, "--card", c.cards.URI(owner))
		if len(part.Pattern) != 64 {
			c.t.Fatalf("the part on the card of %s has pattern %q", owner, part.Pattern)
		}
		numbers = append(numbers, fmt.Sprint(part.KeyNum))
	}
	return strings.Join(numbers, ",")
}

// read runs the program and reads the JSON that it prints.
func (c *ceremony) read(to any, args ...string) {
	c.t.Helper()
	out := c.MustRun(append(args, "--output", "json")...)
	if err := json.Unmarshal([]byte(out), to); err != nil {
		c.t.Fatalf("tumbler %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// refused runs a command that has to be refused, and after which no order is under way.
func (c *ceremony) refused(says string, args ...string) {
	c.t.Helper()
	out, err := c.Run(args...)
	if err == nil || !strings.HasPrefix(strings.TrimLeft(out, "\n"), "FAILED") && !strings.Contains(out, "\nFAILED") || !strings.Contains(out, says) {
		c.t.Errorf("tumbler %s does not say %q: %v\n%s", strings.Join(args, " "), says, err, out)
	}
	if s, err := c.Admin().Rotation(c.t.Context()); err != nil || s.Open {
		c.t.Fatalf("after that an order is under way: %+v, %v", s.Order, err)
	}
}

// rotate replaces the master key by one part from each card.
func (c *ceremony) rotate(parts, suite string, flags ...string) {
	c.t.Helper()
	began := time.Now()
	var loaded struct {
		Suite   string `json:"suite"`
		Pattern string `json:"verification_pattern"`
		Loaded  bool   `json:"loaded"`
	}
	c.read(&loaded, append([]string{"tke", "cryptounit-mk-load", "--mk", parts, "--yes"}, flags...)...)
	if loaded.Suite != suite || !loaded.Loaded {
		c.t.Fatalf("%+v, want suite %s", loaded, suite)
	}
	c.t.Logf("loaded by %s after %v", suite, time.Since(began).Round(time.Millisecond))
	c.registers(client.RegisterFullUncommitted, loaded.Pattern)
	if status := c.MustRun("tke", "rotation", "status"); !strings.Contains(status, suite+", which is not post-quantum") {
		c.t.Errorf("rotation status does not say how the parts are sealed:\n%s", status)
	}
	c.MustRun("tke", "cryptounit-mk-commit")
	c.registers(client.RegisterFullCommitted, loaded.Pattern)
	if out := c.MustRun("tke", "cryptounit-mk-rotate", "--yes"); !strings.Contains(out, "Master key rotation successful.") {
		c.t.Errorf("mk-rotate says\n%s", out)
	}
	c.MustHold(loaded.Pattern)
	c.keys.MustOpenAll()
	receipt := filepath.Join(c.t.TempDir(), "receipt")
	c.MustRun("tke", "rotation", "receipt", "--out", receipt)
	if out := c.MustRun("tke", "rotation", "receipt", "--verify", receipt); !strings.Contains(out, "The receipt is valid") || !strings.Contains(out, suite+", which is not post-quantum") {
		c.t.Errorf("the receipt says\n%s", out)
	}
	c.MustAgree()
}

// registers: the new register of every unit is in a state, with one pattern.
func (c *ceremony) registers(state, pattern string) {
	c.t.Helper()
	units, err := c.Admin().Units(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, u := range units.Units {
		if u.Registers.New.State != state || u.Registers.New.Pattern != pattern {
			c.t.Errorf("the new register of crypto unit %d is %+v, want %s %s", u.Number, u.Registers.New, state, pattern)
		}
	}
}

// TestRotationsBySmartCards, by both suites, each an order of its own, after all that can be wrong with a card.
func TestRotationsBySmartCards(t *testing.T) {
	c := newCeremony(t)
	first := c.mustAddParts("first")
	load := []string{"tke", "cryptounit-mk-load", "--mk", first, "--yes"}

	t.Setenv("TUMBLER_CARD_PIN", "111111")
	c.refused("the PIN is wrong: alice", load...)
	t.Setenv("TUMBLER_CARD_PIN", softhsm.PIN)
	c.refused("cannot be sealed by hpke", append(load, "--suite", "hpke")...)
	hidden := c.cards.Hide("bob")
	c.refused("the smart card is not there", load...)
	hidden()
	had := c.cards.Objects("alice")
	gone := c.mustAddParts("gone")
	c.cards.Keep("alice", had)
	c.refused(`has no key part "gone of alice"`, "tke", "cryptounit-mk-load", "--mk", gone, "--yes")

	c.rotate(first, "ecdh-p521-aes-kw")
	second := c.mustAddParts("second")
	c.rotate(second, "rsa-4096-oaep", "--suite", "rsa-4096-oaep")
	// Loaded once more, the parts are those of the current master key.
	out, err := c.Run("tke", "cryptounit-mk-load", "--mk", second, "--yes")
	if err == nil || !strings.Contains(out, "current") {
		t.Errorf("the current master key is loaded again: %v\n%s", err, out)
	}
	c.MustRun("tke", "cryptounit-mk-clrnew", "--yes")
	c.keys.MustOpenAll()
}
