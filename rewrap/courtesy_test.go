package rewrap

import (
	"slices"
	"testing"
	"time"

	"tumbler/fsm"
)

const patience20 = 20 * time.Millisecond

// clock is a courtesy whose unit looks after clients again and again.
type clock struct {
	courtesy
	now time.Time
}

// look lets a look's time pass, in which so many keys were taken.
func (c *clock) look(delay time.Duration, keys int) float64 {
	c.now = c.now.Add(courtesyLook)
	c.taken = keys
	c.heed(delay, patience20, c.now)
	return c.share
}

func TestCourtesy(t *testing.T) {
	const all = 1_000_000
	c := &clock{now: fixed()}
	if share := c.look(0, all); share != 0 || c.quota(4096) != 4096 || c.take(all, c.now) != 0 {
		t.Errorf("nobody calls, and the share is %v", share)
	}
	if share := c.look(time.Millisecond, all); share != courtesyFloor || c.quota(4096) != courtesyBatch {
		t.Errorf("it does not begin low: %v, in steps of %d", share, c.quota(4096))
	}
	if share := c.look(time.Millisecond, all); share != 1.25*courtesyFloor {
		t.Errorf("no client waits, and the share is %v", share)
	}
	if share := c.look(time.Millisecond, 100); share != 1.25*courtesyFloor {
		t.Errorf("what is not used grows to %v", share)
	}
	if share := c.look(patience20/2, all); share != 1.25*courtesyFloor {
		t.Errorf("clients wait for half their patience, and the share is %v", share)
	}
	for range 100 {
		c.look(time.Millisecond, all)
	}
	if c.share != courtesyTop || c.quota(4096) != courtesyBatch {
		t.Errorf("the most is %v, in steps of %d", c.share, c.quota(4096))
	}
	if share := c.look(patience20+1, all); share != courtesyTop/2 {
		t.Errorf("a client waited too long, and the share is %v", share)
	}
	c.heed(time.Second, patience20, c.now.Add(courtesyLook-1))
	if c.share != courtesyTop/2 {
		t.Error("one wait counts twice")
	}
	for range 100 {
		c.look(time.Second, all)
	}
	if c.share != courtesyFloor {
		t.Errorf("it gets on with %v keys a second whatever clients wait for, not with %v", courtesyFloor, c.share)
	}
	if share := c.look(0, 0); share != 0 || c.take(all, c.now) != 0 {
		t.Errorf("nobody calls any more, and the share is %v", share)
	}
}

// While clients wait, a unit that verifies takes no more than its share, however fast others write.
func TestAVerifierGivesWayToClients(t *testing.T) {
	const keys = 8000
	w := newWorld(t, 1, 1)
	w.create(1, keys, 32)
	w.rotate()
	w.nodes[1].load = func() Load { return Load{Delay: time.Second} }
	for _, n := range w.nodes {
		n.start(fsm.MaxTableCount)
	}
	began := time.Now()
	w.lead(NewPlanner(lease), fixed, w.all(), flipped)
	if least := time.Duration(float64(time.Second) * (keys/2 - 2*courtesyBatch) / courtesyFloor); time.Since(began) < least {
		t.Errorf("%d keys were verified in %v, less than %v", keys, time.Since(began), least)
	}
	w.checkWhole(1, keys, nil)
}

// While clients wait, units write and verify in small steps, and no more than their share.
func TestARewrapGivesWayToClients(t *testing.T) {
	const keys = 4000
	w := newWorld(t, 1, 1)
	w.create(1, keys, 32)
	w.rotate()
	largest := uint32(0)
	w.before = func(_ uint32, c fsm.Command) (bool, fsm.Result, error) {
		if b, batch := c.(*fsm.PutBatch); batch {
			largest = max(largest, b.Count)
		}
		return false, fsm.Result{}, nil
	}
	for _, n := range w.nodes {
		n.load = func() Load { return Load{Delay: time.Second} }
		n.start(fsm.MaxTableCount)
	}
	began := time.Now()
	w.lead(NewPlanner(lease), fixed, w.all(), flipped)
	if least := time.Duration(float64(time.Second) * (keys - 2*courtesyBatch) / courtesyFloor); time.Since(began) < least {
		t.Errorf("%d keys took %v, less than %v", keys, time.Since(began), least)
	}
	if largest != keys/4 {
		t.Errorf("a step has %d keys, not %d", largest, keys/4)
	}
	w.checkWhole(1, keys, nil)
}

// A verifier that gives way to clients for all of a partition is not silent.
func TestCourtesyIsNoFaultOfTheVerifier(t *testing.T) {
	p := NewPlanner(time.Second)
	r := fsm.Rotation{State: fsm.StateVerifying, Rewrap: fsm.Rewrap{Partitions: []fsm.Partition{{From: 1, End: 100_001, Cursor: 100_001, Verifier: 3, Lease: 1, Pass: 1}}}}
	now := fixed()
	p.Next(r, nil, now)
	now = now.Add(time.Duration(InFlight * 100_000 / courtesyFloor * float64(time.Second)))
	p.Next(r, nil, now)
	if p.checking.verdicts(now)[3] {
		t.Error("it was asked to go slowly, and is judged for it")
	}
	now = now.Add(time.Second)
	p.Next(r, nil, now)
	if !p.checking.verdicts(now)[3] {
		t.Error("after a lease more it is not judged")
	}
}

func TestBatchesAreEven(t *testing.T) {
	for _, c := range []struct {
		left  uint64
		limit int
		want  []int
	}{
		{1, 4096, []int{1}}, {4096, 4096, []int{4096}}, {4097, 4096, []int{2049, 2048}}, {15_625, 4096, []int{3907, 3906, 3906, 3906}}, {5, 2, []int{2, 2, 1}},
	} {
		var got []int
		for left := c.left; left > 0; left -= uint64(got[len(got)-1]) {
			got = append(got, evenly(left, c.limit))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%d by %d: %v", c.left, c.limit, got)
		}
	}
}
