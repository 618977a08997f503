package kills_test

import (
	"fmt"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

// stage is where a ceremony of key parts stands still, for people, when somebody is killed.
type stage struct {
	name  string
	state string // of the rotation
	reach func(k *killing, parts []string)
	some  role // whom `make test` has time for
}

var stages = []stage{
	{"between two parts", client.StateLoading, func(k *killing, parts []string) {
		k.c.MustLoad(parts[:1], "--parts", "2", "--part", "1", "--keynum", "1,2")
	}, leader},
	{"after loading", client.StateCommitting, func(k *killing, parts []string) { k.c.MustLoad(parts, "--keynum", "1,2") }, node},
	{"between commit and rotate", client.StateRewrapped, func(k *killing, parts []string) {
		k.c.MustLoad(parts, "--keynum", "1,2")
		k.c.MustCommit()
	}, all},
}

// TestKillsInCeremonies kills the leader, another node, and all nodes between the steps of custodians, who then go on where they
// were: a part that waits in a unit survives.
func TestKillsInCeremonies(t *testing.T) {
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 3, 1)
	k := &killing{t: t, c: c, keys: c.MustCreateKeys(someKeys)}
	print("ROLE", "STATE", "STAGE", "RESULT")
	for _, s := range stages {
		for _, r := range []role{leader, node, all} {
			if *every || s.some == r {
				c.Sub(fmt.Sprintf("%s/%s", s.name, r), func(t *testing.T) { k.t = t; k.inCeremony(s, r) })
				print(r.String(), s.state, s.name, "the custodians go on, every key opens")
			}
		}
	}
}

func (k *killing) inCeremony(s stage, r role) {
	parts := k.c.MustAddParts(2)
	s.reach(k, parts)
	k.c.WaitState(s.state)
	victims, lead := k.c.All(), k.c.Leader()
	switch r { //nolint:exhaustive // no other has a part of its own in a ceremony
	case leader:
		victims = []uint32{lead}
	case node:
		victims = []uint32{lead%uint32(len(victims)) + 1}
	}
	k.c.Kill(victims...)
	k.c.Start(victims...)
	k.c.WaitState(s.state)

	if s.state == client.StateLoading {
		k.c.MustLoad(parts[1:], "--part", "2", "--keynum", "2")
	}
	if s.state != client.StateRewrapped {
		k.c.MustCommit()
	}
	k.c.MustRun("tke", "cryptounit-mk-rotate", "--keynum", "2", "--yes")
	k.c.MustHold(k.c.WaitState(client.StateComplete).PatternAfter)
	k.keys.MustOpenAll()
	k.c.MustAgree()
}
