package model

import (
	"flag"
	"testing"
)

var whole = flag.Bool("whole", false, "run the large searches of the model too")

// searches are what finds nothing wrong. The large ones are not part of the short form.
func searches() map[string]Search {
	large := func(inTheEnd bool, defines ...string) Search {
		return Search{Defines: defines, InTheEnd: inTheEnd, Large: true}
	}
	return map[string]Search{
		"a crash":                                   {Defines: []string{"CHANGES=0"}},
		"another leader":                            {Defines: []string{"CRASHES=0"}},
		"a crash, another leader":                   large(false),
		"two crashes":                               large(false, "CRASHES=2", "CHANGES=0"),
		"a unit is gone":                            {Defines: []string{"CHANGES=0", "GONE=1"}},
		"a batch is spoilt":                         large(false, "CHANGES=0", "CREATES=0", "SPOILS=1"),
		"activation waits":                          {Defines: []string{"CHANGES=0", "CREATES=0", "HOLD=1"}},
		"two orders, a crash":                       large(false, "ORDERS=2", "CREATES=0", "CHANGES=0"),
		"two orders, another leader":                large(false, "ORDERS=2", "CREATES=0", "CRASHES=0"),
		"a crash, every unit returns: it completes": {InTheEnd: true, Defines: []string{"ALL_RETURN", "CANCELS=0", "CREATES=0", "CHANGES=0"}},
		"a crash, another leader, every unit returns: it completes": large(true, "ALL_RETURN", "CANCELS=0"),
		"all have committed, a quorum returns: it completes":        large(true, "QUORUM_RETURNS", "CANCELS=0", "GONE=1", "CREATES=0"),
		"a quorum returns: a cancel ends it":                        large(true, "CANCEL_ENDS", "GONE=1", "CREATES=0"),
	}
}

// TestSearches visits every state and finds nothing wrong in any.
func TestSearches(t *testing.T) {
	for name, search := range searches() {
		if search.Large && !*whole {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			found, err := search.Run(t.Context(), t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if found.Broken != "" {
				t.Fatalf("%d states, errors: 1: %s", found.States, found.Broken)
			}
			t.Logf("%s: %d states, errors: 0", name, found.States)
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
			t.Logf("%s: found after %d states: %s", bug, found.States, found.Broken)
		})
	}
}
