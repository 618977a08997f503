package ways_test

import (
	"fmt"
	"maps"
	"testing"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/tests/harness"
)

// What goes wrong in ceremonies of key parts is refused or waited for, the ceremony goes on, and no key is lost.
func TestCeremoniesThatGoWrong(t *testing.T) {
	c := harness.NewCluster(t, 2, 1, harness.Administrators("Alice", "Bob", "Carol"))
	i := &instance{t, c, "2 operational, 1 recovery unit", c.MustCreateKeys(40)}
	for _, story := range []struct {
		name string
		tell func(*testing.T)
	}{
		{"TooFewSignatures", i.tooFewSignatures},
		{"TheCurrentValue", i.theCurrentValue},
		{"AWrongPart", i.aWrongPart},
		{"OneUnitWithAnotherKey", i.oneUnitWithAnotherKey},
		{"ASecondRotation", i.aSecondRotation},
		{"DeadUnits", i.deadUnits},
		{"CancelsEverywhere", i.cancelsEverywhere},
	} {
		c.Sub(story.name, func(t *testing.T) {
			story.tell(t)
			i.keys.MustOpenAll()
			c.MustAgree()
		})
	}
}

// tooFewSignatures: of the order, of a key part, and of the commit.
func (i *instance) tooFewSignatures(t *testing.T) {
	p := drawParts(t, i.c, 2)
	both := p.keyNums[0] + " " + p.keyNums[1]
	mustRefuse(t, i.c, "key parts come from different administrators", "tke", "cryptounit-mk-load", "--mk", both, "--keynum", "1", "--yes")
	mustRefuse(t, i.c, "2 signatures are needed", "tke", "cryptounit-mk-load", "--mk", p.keyNums[0], "--part", "1", "--parts", "2", "--keynum", "1", "--yes")
	i.c.MustLoad(p.keyNums[:1], "--parts", "2", "--part", "1", "--keynum", "1,2")
	mustRefuse(t, i.c, "let another administrator load it", "tke", "cryptounit-mk-load", "--mk", p.keyNums[1], "--part", "2", "--keynum", "1")
	i.c.MustHold(i.pattern(t))
	i.c.MustLoad(p.keyNums[1:], "--part", "2", "--keynum", "2")
	mustRefuse(t, i.c, "2 signatures are needed", "tke", "cryptounit-mk-commit", "--keynum", "3")
	mustRefuse(t, i.c, "is not committed", "tke", "cryptounit-mk-rotate", "--keynum", "3", "--yes")
	mustShow(t, i.c, i.pattern(t), masterkey.NewFullUncommitted, p.pattern)
	i.clear(t)
}

// theCurrentValue is refused, and so are parts that would cancel out.
func (i *instance) theCurrentValue(t *testing.T) {
	p := drawParts(t, i.c, 2)
	i.c.MustLoad(p.keyNums, "--keynum", "1,2")
	i.finish(t, p)
	again := []string{"tke", "cryptounit-mk-load", "--mk", p.keyNums[0] + " " + p.keyNums[1], "--keynum", "1,2", "--yes"}
	mustRefuse(t, i.c, "current", again...)
	i.c.MustHold(p.pattern)
	i.c.MustFollow()
	i.clear(t)

	i.c.MustLoad(p.keyNums[:1], "--parts", "2", "--part", "1", "--keynum", "1,2")
	for what, value := range map[string][]byte{"one part twice": p.values[0], "a part of zeros": make([]byte, masterkey.Size)} {
		if err := i.c.Deliver(1, 2, value, 2); !client.HasCode(err, "key_part") {
			t.Errorf("%s: %v", what, err)
		}
	}
	i.c.MustHold(p.pattern)
	i.clear(t)
}

// aWrongPart comes to one unit, after the others have all the right ones: it is not taken, and the right one mends it.
func (i *instance) aWrongPart(t *testing.T) {
	const late = 3
	p, wrong := drawParts(t, i.c, 2), drawParts(t, i.c, 1)
	i.c.MustLoad(p.keyNums[:1], "--parts", "2", "--part", "1", "--keynum", "1,2")
	i.c.Kill(late)
	mustRefuse(t, i.c, fmt.Sprintf("crypto unit %d did not take key part 2", late), "tke", "cryptounit-mk-load", "--mk", p.keyNums[1], "--part", "2", "--keynum", "2")
	i.c.Start(late)
	mustRefuse(t, i.c, "another", "tke", "cryptounit-mk-load", "--mk", wrong.keyNums[0], "--part", "2", "--keynum", "2")
	i.c.MustLoad(p.keyNums[1:], "--part", "2", "--keynum", "2")
	i.finish(t, p)
}

// oneUnitWithAnotherKey: a unit that combined the right parts crashes before it says so, and another is brought a wrong part.
// It is named, nothing can be committed, and after the cancel the ceremony is held again.
func (i *instance) oneUnitWithAnotherKey(t *testing.T) {
	p, wrong := drawParts(t, i.c, 2), drawParts(t, i.c, 1)
	before := i.pattern(t)
	i.c.MustLoad(p.keyNums[:1], "--parts", "2", "--part", "1", "--keynum", "1,2")
	i.c.KillAt("after-unit-folder-sync", 1)
	if err := i.c.Deliver(1, 2, p.values[1], 2); err == nil {
		t.Fatal("crypto unit 1 was to crash")
	}
	i.c.Ended(1)
	if err := i.c.Deliver(3, 2, wrong.values[0], 2); err != nil {
		t.Fatal(err)
	}
	i.c.Start(1)
	last := []string{"tke", "cryptounit-mk-load", "--mk", p.keyNums[1], "--part", "2", "--keynum", "2"}
	mustRefuse(t, i.c, "cryptounit-mk-clrnew", last...)
	mustRefuse(t, i.c, "not every new master key register is loaded", "tke", "cryptounit-mk-commit", "--keynum", "1,2")
	mustRefuse(t, i.c, "not every new master key register is loaded", "tke", "cryptounit-mk-rotate", "--keynum", "1", "--yes")
	i.clear(t)
	i.c.MustHold(before)
	i.c.MustLoad(p.keyNums, "--keynum", "1,2")
	i.finish(t, p)
}

// aSecondRotation is refused meanwhile, in either way.
func (i *instance) aSecondRotation(t *testing.T) {
	p := drawParts(t, i.c, 3)
	i.c.MustLoad(p.keyNums[:1], "--parts", "2", "--part", "1", "--keynum", "1,2")
	mustRefuse(t, i.c, "takes its master key from key parts", "tke", "auto-mk-rotate", "--detach")
	mustRefuse(t, i.c, "the order under way has 2 key parts", "tke", "cryptounit-mk-load", "--mk", p.keyNums[0]+" "+p.keyNums[1]+" "+p.keyNums[2], "--keynum", "1,2,3")
	i.clear(t)
	i.c.StartRotation("--hold")
	i.c.WaitState(client.StateRewrapped)
	mustRefuse(t, i.c, "and not from key parts", "tke", "cryptounit-mk-load", "--mk", p.keyNums[0]+" "+p.keyNums[1], "--keynum", "1,2")
	i.c.MustComplete(i.keys)
}

// deadUnits are waited for while parts are loaded and committed; keys are rewrapped without them.
func (i *instance) deadUnits(t *testing.T) {
	const dead = 2
	p := drawParts(t, i.c, 2)
	i.c.MustLoad(p.keyNums[:1], "--parts", "2", "--part", "1", "--keynum", "1,2")
	last := []string{"--part", "2", "--keynum", "2"}
	i.c.Kill(dead)
	mustRefuse(t, i.c, fmt.Sprintf("crypto unit %d did not take key part 2", dead), append([]string{"tke", "cryptounit-mk-load", "--mk", p.keyNums[1]}, last...)...)
	i.c.Start(dead)
	i.c.MustLoad(p.keyNums[1:], last...)

	i.c.Kill(dead)
	committed := i.background("tke", "cryptounit-mk-commit", "--keynum", "1,2")
	i.c.WaitRotation(1, "the others to commit", func(s client.RotationStatus) bool { return said(s, "committed") == 2 })
	release := i.hold("rewrap")
	i.c.Start(dead)
	if err := <-committed; err != nil {
		t.Fatal(err)
	}

	i.c.WaitState(client.StateRewrapping)
	i.c.Kill(dead)
	i.c.MustRun("tke", "cryptounit-mk-rotate", "--keynum", "1", "--yes", "--detach") // waits in the cluster until all are rewrapped
	if s := i.c.Rotation(); s.State != client.StateRewrapping {
		t.Errorf("the rotation is %s, and every unit is held", s.State)
	}
	release()
	i.c.WaitState(client.StateActivating)
	i.c.Start(dead)
	i.c.WaitState(client.StateComplete)
	i.c.MustHold(p.pattern)
}

// cancelsEverywhere: a cancel in every state leaves every blob on every disk as it was.
func (i *instance) cancelsEverywhere(t *testing.T) {
	before, pattern := i.c.StoppedBlobs(), i.pattern(t)
	p := drawParts(t, i.c, 2)
	load := []string{"tke", "cryptounit-mk-load", "--mk", p.keyNums[0] + " " + p.keyNums[1], "--keynum", "1,2", "--yes"}

	release := i.hold(client.StatePreparing)
	loading := i.background(load...)
	i.c.MustFollow()
	i.c.WaitState(client.StatePreparing)
	i.c.MustRun("tke", "cryptounit-mk-clrnew", "--keynum", "3", "--yes", "--detach")
	release()
	if err := <-loading; err == nil {
		t.Error("an order was cancelled, and the command that loads its parts says nothing")
	}
	i.c.WaitState(client.StateCancelled)
	i.c.MustHold(pattern)

	i.c.MustLoad(p.keyNums[:1], "--parts", "2", "--part", "1", "--keynum", "1,2")
	i.clear(t)
	i.c.MustLoad(p.keyNums, "--keynum", "1,2")
	i.clear(t)
	for _, s := range []struct{ state, point string }{
		{client.StateRewrapping, "rewrap"}, {client.StateVerifying, "verify"}, {client.StateRewrapped, ""},
	} {
		release := func() {}
		if s.point != "" {
			release = i.hold(s.point)
		}
		i.c.MustLoad(p.keyNums, "--keynum", "1,2")
		i.c.MustCommit()
		i.c.WaitState(s.state)
		i.c.MustRun("tke", "cryptounit-mk-clrnew", "--keynum", "3", "--yes", "--detach")
		release()
		i.c.WaitState(client.StateCancelled)
		i.c.MustHold(pattern)
	}
	if after := i.c.StoppedBlobs(); !maps.Equal(after, before) {
		t.Errorf("after cancelled rotations the blobs are %+v, and were %+v", after, before)
	}
}

// clear cancels the order under way: new registers are Empty, and current ones as they were.
func (i *instance) clear(t *testing.T) {
	t.Helper()
	pattern := i.pattern(t)
	i.c.MustRun("tke", "cryptounit-mk-clrnew", "--keynum", "3", "--yes")
	i.c.WaitState(client.StateCancelled)
	i.c.MustHold(pattern)
}

// hold holds every unit at a point.
func (i *instance) hold(point string) (release func()) {
	var releases []func()
	for _, n := range i.c.All() {
		releases = append(releases, i.c.Hold(point, n))
	}
	return func() {
		for _, release := range releases {
			release()
		}
	}
}

// background runs a command while the test goes on.
func (i *instance) background(args ...string) <-chan error {
	ended := make(chan error, 1)
	go func() {
		out, err := i.c.Run(args...)
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		ended <- err
	}()
	return ended
}

// said counts the units whose last statement is of a kind.
func said(s client.RotationStatus, kind string) (count int) {
	for _, u := range s.Units {
		if u.Statement != nil && u.Statement.Kind == kind {
			count++
		}
	}
	return count
}
