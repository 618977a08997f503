package cryptounit_test

import (
	"flag"
	"os"
	"os/exec"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestAPIGolden: a wider HSM boundary shows in review.
func TestAPIGolden(t *testing.T) {
	out, err := exec.Command("go", "doc", "-all", ".").Output()
	if err != nil {
		t.Fatalf("go doc: %v", err)
	}
	const golden = "testdata/api.golden"
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, out, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(out) != string(want) {
		t.Errorf("the exported API is not that of %s; if it was meant to change, run: go test ./cryptounit -run TestAPIGolden -update\n%s", golden, firstDifference(string(want), string(out)))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "was: " + w[i] + "\nis:  " + g[i]
		}
	}
	return "one is longer"
}

// TestOnlyTheStandardLibrary: the boundary can be audited in an hour.
func TestOnlyTheStandardLibrary(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	const want = "tumbler/cryptounit/masterkey tumbler/cryptounit/order tumbler/cryptounit/importer tumbler/holdpoint tumbler/cryptounit"
	if got := strings.Join(strings.Fields(string(out)), " "); got != want {
		t.Errorf("it is built of %s, not of %s", got, want)
	}
}
