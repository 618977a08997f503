package kills_test

import (
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

// killing is one cluster that takes every kill.
type killing struct {
	t     *testing.T
	c     *harness.Cluster
	keys  *harness.Keys
	kills int
}

// kill starts a rotation, holds it in the state, kills, restarts, and lets it come to the outcome.
func (k *killing) kill(r role, s state, o outcome) {
	before := k.c.Rotation().PatternAfter
	if k.c.Rotation().State == client.StateCancelled {
		before = k.c.Rotation().PatternBefore
	}
	release := k.hold(s)
	var flags []string
	if s.point == "" || s.name == client.StateCancelling {
		flags = []string{"--hold"}
	}
	k.c.StartRotation(flags...)
	if s.name == client.StateCancelling {
		k.c.WaitState(client.StateRewrapped)
		k.cancel()
	}
	status := k.c.WaitState(s.name)
	victims := k.victims(r, status)
	k.each(victims, s, "before the kill") // one that is behind would be killed in an earlier state
	k.c.Kill(victims...)
	k.kills++
	for _, v := range victims {
		if rotation, _ := k.c.State(v).Rotation(); rotation.State.String() != s.name {
			k.t.Fatalf("node %d was killed when its rotation was %v, not %s", v, rotation.State, s.name)
		}
	}
	k.c.Start(victims...)
	k.each(victims[:1], s, "after the kill")

	if o == cancelled && s.name != client.StateCancelling {
		k.cancel()
	}
	release()
	if o == cancelled {
		k.c.WaitState(client.StateCancelled)
		k.c.MustHold(before)
		return
	}
	if s.point == "" {
		k.c.MustRun("tke", "rotation", "activate", "--keynum", "1")
	}
	after := k.c.WaitState(client.StateComplete)
	if after.Keys.Verified != after.Keys.Total || after.Keys.Total < someKeys {
		k.t.Fatalf("of %d keys %d were verified", after.Keys.Total, after.Keys.Verified)
	}
	k.c.MustHold(after.PatternAfter)
}

// each waits until each node sees the rotation in the state.
func (k *killing) each(nodes []uint32, s state, when string) {
	k.t.Helper()
	for _, n := range nodes {
		k.c.WaitRotation(n, "the rotation to be "+s.name+" "+when, func(now client.RotationStatus) bool { return now.State == s.name })
	}
}

// hold has units wait at the state's hold point.
func (k *killing) hold(s state) (release func()) {
	var units []uint32
	switch {
	case s.point == "":
	case s.units == generator:
		units = k.c.Recovery() // one of them will be it
	case s.units == operational:
		units = k.c.Operational()[1:2]
	case s.units == everyone:
		units = k.c.All()
	}
	var releases []func()
	for _, n := range units {
		releases = append(releases, k.c.Hold(s.point, n))
	}
	return func() {
		for _, release := range releases {
			release()
		}
	}
}

// victims are the nodes that have the role now.
func (k *killing) victims(r role, s client.RotationStatus) []uint32 {
	k.t.Helper()
	switch r {
	case leader:
		return []uint32{k.c.Leader()}
	case recoveryLeader:
		return []uint32{s.Order.Generator}
	case owner:
		return []uint32{k.given("owner", s, func(p client.Partition) uint32 { return p.Owner })}
	case verifier:
		return []uint32{k.given("verifier", s, func(p client.Partition) uint32 { return p.Verifier })}
	case all:
		return k.c.All()
	case nobody, node:
	}
	k.t.Fatalf("nobody is %v", r)
	return nil
}

// given is the unit that has the first partition, in one of two senses. It is waited for.
func (k *killing) given(what string, s client.RotationStatus, unit func(client.Partition) uint32) uint32 {
	k.t.Helper()
	status := k.c.WaitRotation(k.c.Leader(), "a partition's "+what, func(s client.RotationStatus) bool {
		return len(s.Partitions.List) > 0 && unit(s.Partitions.List[0]) != 0
	})
	if status.State != s.State {
		k.t.Fatalf("the rotation went on to %s", status.State)
	}
	return unit(status.Partitions.List[0])
}

func (k *killing) cancel() {
	k.t.Helper()
	k.c.MustRun("tke", "rotation", "cancel", "--keynum", "1", "--yes", "--detach")
}
