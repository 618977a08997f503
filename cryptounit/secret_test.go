package cryptounit

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestASecretPrintsNothing(t *testing.T) {
	s, err := secretOf(counting())
	if err != nil {
		t.Fatal(err)
	}
	defer s.free()
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		if got := fmt.Sprintf(verb, s); got != redacted {
			t.Errorf("%s prints %s", verb, got)
		}
	}
	text, err := json.Marshal(map[string]any{"key": s})
	if err != nil || string(text) != `{"key":"[redacted]"}` {
		t.Errorf("JSON gives %s, %v", text, err)
	}
	c := content{identity: s, retired: []*secret{s}}
	printed := fmt.Sprintf("%v %+v %#v", c, c, &c)
	if strings.Contains(printed, "0x1, 0x2, 0x3") || strings.Contains(printed, "1 2 3 4") || strings.Contains(printed, hex.EncodeToString(counting())) {
		t.Errorf("the content prints %s", printed)
	}
}

func TestASecretTakesItsSourceAndIsErased(t *testing.T) {
	source := counting()
	s, err := secretOf(source)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(source, make([]byte, secretSize)) || !bytes.Equal(s.bytes, counting()) {
		t.Error("the source was not moved")
	}
	s.free()
	if s.bytes != nil {
		t.Error("the secret is still there")
	}
	s.free() // once more is harmless
	if _, err := secretOf(make([]byte, 31)); err == nil {
		t.Error("31 bytes were taken")
	}
}

// TestSecretsAreLockedAndNotDumped reads what the kernel says of the page.
func TestSecretsAreLockedAndNotDumped(t *testing.T) {
	s, err := secretOf(counting())
	if err != nil {
		t.Fatal(err)
	}
	defer s.free()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Skipf("the kernel shows no mappings: %v", err)
	}
	page := fmt.Sprintf("%x-", addressOf(s.bytes)&^uintptr(os.Getpagesize()-1))
	_, rest, found := strings.Cut("\n"+string(maps), "\n"+page)
	if !found {
		t.Fatalf("no mapping begins at %s", page)
	}
	_, flags, _ := strings.Cut(rest, "VmFlags:")
	flags, _, _ = strings.Cut(flags, "\n")
	for _, want := range []string{" lo", " dd"} { // locked, do not dump
		if !strings.Contains(flags, want) {
			t.Errorf("the page's flags are%s, without%s", flags, want)
		}
	}
	runtime.KeepAlive(s)
}

func TestTheProcessLeavesNoCore(t *testing.T) {
	newCast(t, 1, 0)
	limits, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		t.Skipf("the kernel shows no limits: %v", err)
	}
	for line := range strings.Lines(string(limits)) {
		if fields := strings.Fields(line); strings.HasPrefix(line, "Max core file size") && fields[4] != "0" {
			t.Errorf("%s", line)
		}
	}
}

// TestNoFileHoldsASecret searches the unit's folder for its keys.
func TestNoFileHoldsASecret(t *testing.T) {
	c := initialised(t, 1, 1)
	s := c.committed()
	_ = s
	u := c.unit(1)
	entries, err := os.ReadDir(c.configs[0].Dir)
	if err != nil || len(entries) != 1 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	file, err := os.ReadFile(filepath.Join(c.configs[0].Dir, entries[0].Name()))
	if err != nil {
		t.Fatal(err)
	}
	for i, secret := range u.content.secrets() {
		if secret != nil && (bytes.Contains(file, secret.bytes[:16]) || bytes.Contains(file, flip(secret.bytes)[:16])) {
			t.Errorf("the file holds secret %d", i)
		}
	}
}
