package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

func planted(t *testing.T) []*mutant {
	t.Helper()
	all, err := readAll("planted")
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 20 {
		t.Fatalf("%d mutants: they are not read rightly", len(all))
	}
	return all
}

// TestEveryMutantCanBePlanted: the text that it replaces is there, once, and what comes of it is Go; the test that is to catch
// it is there too. Whether it is caught, `make mutants` tells.
func TestEveryMutantCanBePlanted(t *testing.T) {
	titles := map[string]bool{}
	for _, m := range planted(t) {
		if _, err := m.plant(root); err != nil {
			t.Error(err)
		}
		if !hasTest(m) {
			t.Errorf("%s: %s has no %s", m.name, m.pkg, m.test)
		}
		if titles[m.title] {
			t.Errorf("%s: another has its title", m.name)
		}
		titles[m.title] = true
	}
}

func hasTest(m *mutant) bool {
	test, scenario, isScenario := strings.Cut(m.test, "/")
	if isScenario {
		if _, err := os.Stat(filepath.Join(root, m.pkg, "testdata", "scenarios", scenario)); err != nil {
			return false
		}
	}
	files, _ := filepath.Glob(filepath.Join(root, m.pkg, "*_test.go"))
	return slices.ContainsFunc(files, func(file string) bool {
		text, err := os.ReadFile(file)
		return err == nil && strings.Contains(string(text), "\nfunc "+test+"(t *testing.T)")
	})
}

// TestTheDocumentListsEveryMutant: the table in docs/reliability.md has each of them, and no other.
func TestTheDocumentListsEveryMutant(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "reliability.md"))
	if err != nil {
		t.Fatal(err)
	}
	var want, rows []string
	for _, m := range planted(t) {
		want = append(want, "| "+m.title+" | "+m.heldBy()+" |")
	}
	_, table, _ := strings.Cut(string(text), "\n| bug | caught by |\n| --- | --- |\n")
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "|") {
			break
		}
		rows = append(rows, strings.TrimSpace(line))
	}
	for _, row := range want {
		if !slices.Contains(rows, row) {
			t.Errorf("it lacks\n%s", row)
		}
	}
	for _, row := range rows {
		if !slices.Contains(want, row) {
			t.Errorf("no mutant is\n%s", row)
		}
	}
}

// TestWhatIsNoMutantIsRefused: of a file that is wrong, and of a tree that has moved on.
func TestWhatIsNoMutantIsRefused(t *testing.T) {
	words := "title: a bug\nfile: main.go\ntest: tests/mutants TestX\n"
	for name, text := range map[string]string{
		"empty":               "",
		"without a test":      "title: a bug\nfile: main.go\n-- old --\na\n-- new --\nb\n",
		"without a text":      words,
		"with half a change":  words + "-- old --\na\n",
		"the wrong way round": words + "-- new --\na\n-- old --\nb\n",
		"with a new file":     words + "-- old --\na\n-- new other.go --\nb\n",
		"with another word":   words + "hurry: yes\n-- old --\na\n-- new --\nb\n",
	} {
		if _, err := parse([]byte(text)); err == nil {
			t.Errorf("%s: it is taken", name)
		}
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nvar a, b int\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change change
		want   string
	}{
		"it is gone":     {change{"main.go", "var c\n", ""}, "0 times"},
		"it comes twice": {change{"main.go", "a", "c"}, "times"},
		"it is no other": {change{"main.go", "var a, b int\n", "var a, b int\n"}, "must"},
		"no Go":          {change{"main.go", "var a, b int\n", "var a,\n"}, "no Go"},
		"a bug":          {change{"main.go", "var a, b int\n", "var a, b uint\n"}, ""},
	} {
		m := mutant{name: "m", file: "main.go", changes: []change{c.change}}
		if _, err := m.plant(dir); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOnlyATestThatFailsCatchesABug: one that was not run, that hung or that was skipped does not.
func TestOnlyATestThatFailsCatchesABug(t *testing.T) {
	exit := errors.New("exit status 1")
	for name, c := range map[string]struct {
		out            string
		ended          error
		passed, failed bool
	}{
		"it passes":             {"=== RUN   TestX\n--- PASS: TestX (0.01s)\nPASS\n", nil, true, false},
		"it fails":              {"--- FAIL: TestX (0.01s)\n    x_test.go:1: no\nFAIL\n", exit, false, true},
		"it panics":             {"--- FAIL: TestX (0.01s)\npanic: no [recovered]\n", exit, false, true},
		"another fails":         {"--- FAIL: TestXY (0.01s)\nFAIL\n", exit, false, false},
		"there is none":         {"testing: warning: no tests to run\nPASS\n", nil, false, false},
		"it is skipped":         {"--- SKIP: TestX (0.00s)\nPASS\n", nil, false, false},
		"it hangs":              {"=== RUN   TestX\npanic: test timed out after 2m0s\n", exit, false, false},
		"the process ends":      {"=== RUN   TestX\nfatal error: all goroutines are asleep - deadlock!\n", exit, false, false},
		"what comes after ends": {"--- PASS: TestX (0.01s)\nPASS\n", exit, false, false},
	} {
		passed, err := read("TestX", c.out, c.ended)
		if failed := err == nil && !passed; passed != c.passed || failed != c.failed {
			t.Errorf("%s: passed %v, %v", name, passed, err)
		}
	}
}
