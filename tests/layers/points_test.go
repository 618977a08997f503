package layers_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tumbler/tests/layers"
)

var update = flag.Bool("update", false, "write the list of hold points anew")

// pointsList is where tests/chaos has the names from.
const pointsList = "../chaos/points.txt"

// TestEveryDurableStepHasItsPoints: a process can be killed before and after all that it makes durable. The list of points is
// made from the sources.
func TestEveryDurableStepHasItsPoints(t *testing.T) {
	found, err := layers.FindPoints(root, "cryptounit", "fsm", "cluster", "rewrap", "converge", "node")
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range found.Without {
		t.Errorf("%s: no hold point: put it into holdpoint.Step", step)
	}
	if twice := slices.Compact(slices.Clone(found.Names)); len(twice) != len(found.Names) || len(twice) < 30 {
		t.Errorf("%d points, %d names: each has a name of its own, and there are 30 at least", len(found.Names), len(twice))
	}
	list := strings.Join(found.Names, "\n") + "\n"
	if *update {
		if err := os.WriteFile(pointsList, []byte(list), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if was, err := os.ReadFile(pointsList); err != nil || string(was) != list {
		t.Errorf("%s is not what the sources have (%v): go test ./tests/layers -update", pointsList, err)
	}
}

// TestStepsWithoutPointsAreFound plants one of each kind.
func TestStepsWithoutPointsAreFound(t *testing.T) {
	tree := t.TempDir()
	if err := os.MkdirAll(filepath.Join(tree, "fsm"), 0o755); err != nil {
		t.Fatal(err)
	}
	source := `package fsm
func f() {
	holdpoint.At("alone")
	holdpoint.Step("sync", file.Sync)
	holdpoint.Step("rename", func() error { return os.Rename(a, b) })
	_ = file.Sync()
	_ = os.Rename(a, b)
	_ = b.Commit(pebble.NoSync)
	_ = s.bolt.StoreLogs(entries)
	holdpoint.Step(name, db.Flush)
}`
	if err := os.WriteFile(filepath.Join(tree, "fsm/f.go"), []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := layers.FindPoints(tree, "fsm")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"fsm/f.go:6: file.Sync", "fsm/f.go:7: os.Rename", "fsm/f.go:8: b.Commit", "fsm/f.go:9: s.bolt.StoreLogs",
		"fsm/f.go:10: a step whose name is no literal",
	}
	if !slices.Equal(got.Without, want) {
		t.Errorf("found\n%s\nnot\n%s", strings.Join(got.Without, "\n"), strings.Join(want, "\n"))
	}
	for _, name := range []string{"alone", "before-sync", "after-sync", "before-rename"} {
		if !slices.Contains(got.Names, name) {
			t.Errorf("%s is not among the points: %v", name, got.Names)
		}
	}
}

// TestAReleasedProgramHasNoPoints looks for every name in a program that is built as released ones are.
func TestAReleasedProgramHasNoPoints(t *testing.T) {
	list, err := os.ReadFile(pointsList)
	if err != nil {
		t.Fatal(err)
	}
	binary := filepath.Join(t.TempDir(), "tumbler")
	build := exec.Command("go", "build", "-tags", "hashicorpmetrics", "-trimpath", "-o", binary, "./cli/tumbler")
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOEXPERIMENT=runtimesecret", "GOFLAGS=-buildvcs=false")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	text := string(program)
	for _, word := range append(strings.Fields(string(list)), "TUMBLER_POINTS", "TUMBLER_FEATURE_LEVEL") {
		if strings.Contains(word, "-") || strings.Contains(word, "_") { // the others are words of the language
			if strings.Contains(text, word) {
				t.Errorf("a released program holds %q", word)
			}
		}
	}
}
