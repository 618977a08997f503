package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestTheRotationUnderEveryFault is a short form of `make sim`.
func TestTheRotationUnderEveryFault(t *testing.T) {
	seeds := uint64(50)
	if raceEnabled { // it costs ten times as much
		seeds = 10
	}
	out, _, err := run(1, seeds, 1, false, os.Stderr)
	if err != nil || out.Violations > 0 {
		t.Fatalf("%d violations, of seeds %v: %v", out.Violations, out.Failed, err)
	}
	if out.Faults == 0 || out.Rotations == 0 {
		t.Errorf("%d faults, %d rotations: the worlds do not do what they are for", out.Faults, out.Rotations)
	}
}

// TestASeedReplays: the same seed does the same, and so does the list of its events.
func TestASeedReplays(t *testing.T) {
	for seed := uint64(100); seed < 104; seed++ {
		first, err := runSeed(seed, false)
		if err != nil {
			t.Fatal(err)
		}
		again, err := runSeed(seed, false)
		if err != nil {
			t.Fatal(err)
		}
		replayed, err := replay(seed, first.trace)
		if err != nil {
			t.Fatal(err)
		}
		if first.trail != again.trail || first.trail != replayed.trail {
			t.Errorf("seed %d went three ways: %x, %x, replayed %x", seed, first.trail, again.trail, replayed.trail)
		}
	}
}

// TestWhatOnceFailed replays the traces of failures that were mended.
func TestWhatOnceFailed(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := readFailure(path)
			if err != nil {
				t.Fatal(err)
			}
			if rule, what := broken(f.Seed, f.Trace); rule != "" {
				t.Errorf("%s: %s", rule, what)
			}
		})
	}
}
