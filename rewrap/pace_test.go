package rewrap

import (
	"math"
	"sync/atomic"
	"testing"
	"time"

	"tumbler/fsm"
)

// watched counts how often a runner has looked at the state.
type watched struct {
	Source
	looks atomic.Int64
	told  chan struct{}
}

func (w *watched) Watch() (uint64, <-chan struct{}) {
	w.looks.Add(1)
	select {
	case w.told <- struct{}{}:
	default:
	}
	return w.Source.Watch()
}

// paceLocked asks the units of the open rotation for a pace; by who has the log locked.
func (w *world) paceLocked(paused bool, rate uint64) {
	r := w.rotation()
	if _, err := w.append(&fsm.PaceRewrap{Order: r.Order, Paused: &paused, Rate: &rate, By: "operator", At: 1}, nil); err != nil {
		w.t.Error(err)
	}
}

func (w *world) pace(paused bool, rate uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.paceLocked(paused, rate)
}

// A paused owner writes nothing more, and loses nothing for it, however long it takes.
func TestPausedRewrapGoesOnWhereItStopped(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.create(1, 500, 32)
	w.rotate()
	batches := 0
	w.before = func(_ uint32, c fsm.Command) (bool, fsm.Result, error) {
		if _, batch := c.(*fsm.PutBatch); batch {
			if batches++; batches == 2 {
				w.paceLocked(true, 0) // while the second is on its way
			}
		}
		return false, fsm.Result{}, nil
	}
	source := &watched{Source: w.nodes[0].store, told: make(chan struct{}, 1)}
	w.nodes[0].source = source
	for _, n := range w.nodes {
		n.start(100)
	}
	planner, now := NewPlanner(lease), fixed()
	w.lead(planner, fixed, w.all(), func(r fsm.Rotation) bool { return r.Paced().Paused && r.Done.KMS == 200 })
	for from := source.looks.Load(); source.looks.Load() < from+3; { // it has had time to do what it should not
		w.pace(true, 0) // once more, which wakes who watches
		<-source.told
	}
	for range 10 {
		now = now.Add(lease)
		if c := planner.Next(w.rotation(), liveUnits(w), now); c != nil {
			t.Fatalf("a paused rotation is judged: %+v", c)
		}
	}
	w.mu.Lock()
	if batches != 2 {
		t.Errorf("%d batches were proposed, and the rotation was paused with the second", batches)
	}
	w.mu.Unlock()
	w.pace(false, 0)
	r := w.lead(planner, func() time.Time { return now }, w.all(), flipped)
	if p := r.Rewrap.Partitions[0]; p.Lease != 1 || p.Pass != 1 {
		t.Errorf("the owner lost its lease for pausing: %+v", p)
	}
	w.checkWhole(1, 500, nil)
}

func liveUnits(w *world) (live []Live) {
	v := w.view()
	defer v.Close()
	for _, u := range v.Units() {
		live = append(live, Live{Number: u.Number, Role: u.Role})
	}
	return live
}

func TestCancelledWhilePaused(t *testing.T) {
	w := newWorld(t, 1, 1)
	w.create(1, 300, 32)
	w.rotate()
	cancel := w.cancelLocked()
	w.pace(true, 0)
	for _, n := range w.nodes {
		n.start(100)
	}
	planner := NewPlanner(lease)
	w.lead(planner, fixed, w.all(), func(r fsm.Rotation) bool { return r.Rewrap.Partitions[0].Owner != 0 })
	w.mu.Lock()
	cancel()
	w.mu.Unlock()
	w.converge(fsm.StateCancelled)
	if done := w.rotation().Done.Sum(); done != 0 {
		t.Errorf("%d keys were rewrapped in a rotation that was paused from the start", done)
	}
}

// The units together keep to the rate; a step that takes long for that is not judged.
func TestThrottledRewrapKeepsToItsRate(t *testing.T) {
	const keys, rate = 1600, 800
	w := newWorld(t, 2, 1)
	w.create(1, keys, 32)
	w.rotate()
	w.pace(false, rate)
	largest := 0
	w.before = func(_ uint32, c fsm.Command) (bool, fsm.Result, error) {
		if b, batch := c.(*fsm.PutBatch); batch {
			largest = max(largest, int(b.Count))
		}
		return false, fsm.Result{}, nil
	}
	for _, n := range w.nodes {
		n.start(fsm.MaxTableCount)
	}
	started := time.Now()
	r := w.lead(NewPlanner(lease), fixed, w.all(), flipped)
	// Two owners may each be a look's worth of keys ahead, and one batch; and the last may go on alone.
	if took, least := time.Since(started).Seconds(), float64(keys)/rate-4*paceLook.Seconds(); took < least {
		t.Errorf("%d keys at %d a second took %.2f s, and at least %.2f s were asked for", keys, rate, took, least)
	}
	if most := int(math.Ceil(rate * paceLook.Seconds())); largest > most {
		t.Errorf("a batch had %d keys, want at most %d", largest, most)
	}
	for _, p := range r.Rewrap.Partitions {
		if p.Lease != 1 {
			t.Errorf("partition %d changed hands: %+v", p.Index, p)
		}
	}
	w.checkWhole(1, keys, nil)
}

func TestAThrottleTakesItsShareAndNoMore(t *testing.T) {
	for _, share := range []float64{0.2, 1, 7, 1000, 250_000} {
		var th throttle
		taken, now := 0, fixed()
		batch := max(1, int(share*paceLook.Seconds()))
		for end := now.Add(100 * time.Second); now.Before(end); {
			wait := th.take(batch, share, now)
			if wait > paceLook {
				t.Fatalf("share %v: it asks to wait %v, and another pace could come meanwhile", share, wait)
			}
			if wait == 0 {
				taken += batch
			}
			now = now.Add(max(wait, time.Millisecond))
		}
		if want := 100 * share; math.Abs(float64(taken)-want) > want*0.05+float64(2*batch) {
			t.Errorf("share %v: %d keys in 100 s", share, taken)
		}
	}
	var th throttle
	if th.take(1_000_000, 10, fixed()) != 0 || th.take(1, 10, fixed()) == 0 {
		t.Error("a debt is not waited for")
	}
	if th.take(1, 20, fixed()) == 0 || th.take(1, 20, fixed().Add(paceLook+10*time.Millisecond)) != 0 {
		t.Error("the debt of another pace counts for longer than a look, or not at all")
	}
	if th.take(1_000_000, 0, fixed()) != 0 {
		t.Error("without a pace a debt still counts")
	}
}

// With one key a second a unit's turn comes after more than a lease.
func TestASlowPaceIsNoFaultOfTheOwner(t *testing.T) {
	units := []Live{{1, fsm.RoleOperational}, {2, fsm.RoleOperational}, {3, fsm.RoleOperational}, {4, fsm.RoleRecovery}}
	for _, paced := range []bool{true, false} {
		s := newSimulation(units, 6)
		s.planner = NewPlanner(time.Second)
		if paced {
			s.rotation.Pace = &fsm.Pace{Rate: 1}
		}
		if c := s.planner.Next(s.rotation, s.live(), s.now); c != nil {
			for _, a := range c.Assignments {
				p := &s.rotation.Rewrap.Partitions[a.Partition]
				p.Owner, p.Verifier, p.Lease = a.Owner, a.Verifier, p.Lease+1
			}
		}
		_ = s.planner.Next(s.rotation, s.live(), s.now)
		if c := s.planner.Next(s.rotation, s.live(), s.now.Add(4*time.Second)); (c == nil) != paced {
			t.Errorf("paced %v: after four leases without a batch the leader proposes %+v", paced, c)
		}
	}
}
