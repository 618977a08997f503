package model

import (
	"flag"
	"testing"
)

var whole = flag.Bool("whole", false, "run every search of the model, not only the small ones")

// searches are what must be found nowhere. Faults of two kinds at once take most of the time.
func searches() []struct {
	name  string
	small bool
	Search
} {
	type search = struct {
		name  string
		small bool
		Search
	}
	return []search{
		{"a crash", true, Search{Defines: []string{"CHANGES=0"}}},
		{"another leader", true, Search{Defines: []string{"CRASHES=0"}}},
		{"a crash and another leader", false, Search{}},
		{"two crashes", false, Search{Defines: []string{"CRASHES=2", "CHANGES=0"}}},
		{"a unit that is gone", true, Search{Defines: []string{"CHANGES=0", "GONE=1"}}},
		{"a spoilt batch", true, Search{Defines: []string{"CHANGES=0", "CREATES=0", "SPOILS=1"}}},
		{"a held activation", true, Search{Defines: []string{"CHANGES=0", "CREATES=0", "HOLD=1"}}},
		{"two orders, a crash", false, Search{Defines: []string{"ORDERS=2", "CREATES=0", "CHANGES=0"}}},
		{"two orders, another leader", false, Search{Defines: []string{"ORDERS=2", "CREATES=0", "CRASHES=0"}}},
		{"every unit returns: it completes", true, Search{InTheEnd: true, Defines: []string{"ALL_RETURN", "CANCELS=0", "CREATES=0", "CHANGES=0"}}},
		{"every unit returns, another leader: it completes", false, Search{InTheEnd: true, Defines: []string{"ALL_RETURN", "CANCELS=0"}}},
		{"all have committed, a quorum returns: it completes", false, Search{InTheEnd: true, Defines: []string{"QUORUM_RETURNS", "CANCELS=0", "GONE=1", "CREATES=0"}}},
		{"a quorum returns: a cancel ends it", false, Search{InTheEnd: true, Defines: []string{"CANCEL_ENDS", "GONE=1", "CREATES=0"}}},
	}
}

// TestSearches visits every state and finds nothing wrong in any.
func TestSearches(t *testing.T) {
	for _, s := range searches() {
		if !s.small && !*whole {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			found, err := s.Run(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if found.Broken != "" {
				t.Fatalf("%d states, errors: 1: %s", found.States, found.Broken)
			}
			t.Logf("%d states, errors: 0", found.States)
		})
	}
}

// bugs are planted one at a time, each with faults under which it shows.
func bugs() map[string]Search {
	crash, cancelled := []string{"CHANGES=0"}, []string{"CHANGES=0", "CRASHES=0"}
	in := func(faults ...string) Search { return Search{Defines: faults} }
	return map[string]Search{
		"FLIP_EARLY": in(cancelled...), "SELF_VERIFY": in(cancelled...), "DROP_OLD_AT_FLIP": in(cancelled...), "CLEAR_RACES_FLIP": in(cancelled...),
		"STALE_LOADED":   in("ORDERS=2", "CREATES=0", "CRASHES=0"),
		"TWO_PATTERNS":   in(crash...),
		"COMPLETE_EARLY": in(cancelled...), "CANCEL_FORGETS": in(cancelled...), "SINGLE_IN_REWRAP": in(cancelled...),
		"SAY_BEFORE_DURABLE": in(crash...), "DROP_OLD_AT_COMMIT": in(cancelled...),
		"NOBODY_TAKES_OVER": {InTheEnd: true, Defines: []string{"QUORUM_RETURNS", "CANCELS=0", "GONE=1", "CREATES=0", "CHANGES=0"}},
		"NOBODY_IS_FENCED":  {InTheEnd: true, Defines: []string{"CANCEL_ENDS", "GONE=1", "CREATES=0", "CHANGES=0"}},
	}
}

// TestPlantedBugsAreFound: a model that cannot fail proves nothing.
func TestPlantedBugsAreFound(t *testing.T) {
	for bug, search := range bugs() {
		t.Run(bug, func(t *testing.T) {
			t.Parallel()
			search.Defines = append(search.Defines, "PLANTED="+bug)
			found, err := search.Run(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if found.Broken == "" {
				t.Fatalf("%d states, and nobody noticed", found.States)
			}
			t.Logf("found after %d states: %s", found.States, found.Broken)
		})
	}
}
