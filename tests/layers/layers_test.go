package layers_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tumbler/tests/layers"
)

const root = "../.."

func readMap(t *testing.T) layers.Map {
	t.Helper()
	m, err := layers.ReadMap("testdata/map.txt")
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestImportsPointOneWay holds the map over the whole tree.
func TestImportsPointOneWay(t *testing.T) {
	violations, err := readMap(t).Violations(root, "tumbler")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range violations {
		t.Error(v)
	}
}

// TestTheMapHasNoCycle: rules that allow a circle are no direction.
func TestTheMapHasNoCycle(t *testing.T) {
	m := readMap(t)
	var visit func(string, []string)
	visit = func(pkg string, above []string) {
		if slices.Contains(above, pkg) {
			t.Fatalf("a circle: %s", strings.Join(append(above, pkg), " -> "))
		}
		for _, next := range m[pkg].Ours {
			if _, known := m[next]; !known {
				t.Errorf("%s may import %s, which has no line of its own", pkg, next)
			}
			visit(next, append(slices.Clone(above), pkg))
		}
	}
	for pkg := range m {
		visit(pkg, nil)
	}
}

// TestTheBoundaryIsTheStandardLibrary asks the go command what is linked
// into the HSM boundary.
func TestTheBoundaryIsTheStandardLibrary(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", "./cryptounit")
	list.Dir = root
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Fields(string(out))
	slices.Sort(got)
	want := []string{"tumbler/cryptounit", "tumbler/cryptounit/importer", "tumbler/cryptounit/masterkey", "tumbler/cryptounit/order", "tumbler/holdpoint"}
	if !slices.Equal(got, want) {
		t.Errorf("cryptounit is built of %v, not of %v and the standard library alone", got, want)
	}
}

// TestCIsInCardsAlone: what is released links none.
func TestCIsInCardsAlone(t *testing.T) {
	found, err := layers.Importers(root, "C", "github.com/miekg/pkcs11")
	if want := []string{"cli/card"}; err != nil || !slices.Equal(found, want) {
		t.Errorf("C is linked by %v, not by %v alone: %v", found, want, err)
	}
}

// TestViolationsAreFound plants one of each kind.
func TestViolationsAreFound(t *testing.T) {
	tree := t.TempDir()
	for file, source := range map[string]string{
		"low/low.go":              "package low\nimport (\"fmt\"; \"m/high\")",
		"low/tagged.go":           "//go:build never\n\npackage low\nimport _ \"example.org/other\"",
		"low/low_test.go":         "package low_test\nimport (\"m/low\"; \"example.org/rapid/sub\"; \"m/side\")",
		"low/more_test.go":        "package low_test\nimport \"example.org/rapidly\"",
		"high/high.go":            "package high\nimport (\"m/low\"; \"example.org/other\")",
		"high/self.go":            "package high\nimport \"m/tests/harness\"",
		"side/utils/u.go":         "package utils",
		"tests/harness/h.go":      "package harness\nimport (\"m/low\"; \"m/high\")",
		"high/testdata/broken.go": "not Go",
	} {
		path := filepath.Join(tree, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := layers.Map{"low": {Tests: []string{"example.org/rapid"}}, "high": {Ours: []string{"low"}, Others: []string{"any"}}}
	got, err := m.Violations(tree, "m")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"high/self.go: high may not import tests/harness",
		"low/low.go: low may not import high",
		"low/low_test.go: low may not import side",
		"low/more_test.go: low may not import example.org/rapidly, of another module",
		"low/tagged.go: low may not import example.org/other, of another module",
		"side/utils: no folder is called utils: name the noun in it",
		"side/utils: the map does not know this package: give it a place",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}
