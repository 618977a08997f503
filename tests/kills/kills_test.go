// Package kills_test kills every role in every state of a rotation, on one cluster of real processes, and looks whether the
// rotation then completes or, cancelled, leaves every blob as it was, with no key lost.
package kills_test

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"strings"
	"testing"

	"tumbler/tests/harness"
)

var every = flag.Bool("every", false, "kill in every cell of the table, and not only in the few that `make test` has time for")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(harness.Main(m))
}

// someKeys are opened after every kill.
const someKeys = 24

// TestKills prints a line a cell: role, state, outcome, and what came of it. Cells that are cancelled come together, since
// what they leave on every disk is compared once for a state.
func TestKills(t *testing.T) {
	c := harness.NewCluster(t, 3, 2)
	k := &killing{t: t, c: c, keys: c.MustCreateKeys(someKeys)}
	print("ROLE", "STATE", "OUTCOME", "RESULT")
	for _, s := range states {
		for _, o := range []outcome{completes, cancelled} {
			k.group(s, o)
		}
	}
	fmt.Printf("%d kills, no key lost\n", k.kills)
	if k.kills == 0 {
		t.Fatal("nobody was killed")
	}
}

func print(role, state, outcome, result string) {
	fmt.Println(strings.TrimRight(fmt.Sprintf("%-16s %-12s %-10s %s", role, state, outcome, result), " "))
}

// group kills every role in one state with one outcome.
func (k *killing) group(s state, o outcome) {
	var cells []role
	for _, r := range roles {
		if why := s.missing(r, o); why != "" {
			if *every {
				print(r.String(), s.name, o.String(), "n/a: "+why)
			}
		} else if *every || s.some[o] == r {
			cells = append(cells, r)
		}
	}
	if len(cells) == 0 {
		return
	}
	parent := k.t
	var before harness.Disks
	if o == cancelled {
		before = k.c.StoppedBlobs()
	}
	for _, r := range cells {
		k.c.Sub(fmt.Sprintf("%s/%s/%s", s.name, o, r), func(t *testing.T) {
			k.t = t
			defer func() { k.t = parent }()
			k.kill(r, s, o)
		})
	}
	if o == cancelled {
		if after := k.c.StoppedBlobs(); !maps.Equal(after, before) {
			k.t.Errorf("after cancelled rotations the blobs are %+v, and were %+v", after, before)
		}
	}
	k.c.Sub(fmt.Sprintf("%s/%s/keys", s.name, o), func(*testing.T) {
		k.keys.MustOpenAll()
		k.c.MustAgree()
	})
	for _, r := range cells {
		result := "every key opens"
		if o == cancelled {
			result = "every blob on every disk is byte-identical"
		}
		print(r.String(), s.name, o.String(), result)
	}
}
