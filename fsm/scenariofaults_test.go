package fsm

import (
	"bytes"

	"github.com/cockroachdb/datadriven"
	"github.com/cockroachdb/pebble/v2"
)

// restart: unit=, or else both replicas, killed, from what they had flushed and the log.
func (s *scenario) restart(d *datadriven.TestData) string {
	if n := number32(d, "unit", 0); n != 0 {
		s.restartUnit(n)
		return "ok\n"
	}
	s.store, s.other = s.reopen(s.store), s.reopen(s.other)
	return "ok\n"
}

func (w *world) reopen(store *Store) *Store {
	w.t.Helper()
	kill(w.t, store)
	again := openStore(w.t, store.config.Dir)
	if err := again.Recover("", 0, w.index); err != nil {
		w.t.Fatal(err)
	}
	for _, answer := range again.ApplyBatch(w.log) {
		if err, failed := answer.(error); failed {
			w.t.Fatal(err)
		}
	}
	return again
}

// sameEverywhere: both replicas, and others that had other batches, restarts and snapshots, hold the same bytes.
func (s *scenario) sameEverywhere() {
	w := s.world
	w.t.Helper()
	if w.damaged {
		return
	}
	want := digestOf(w.t, w.store)
	if got := digestOf(w.t, w.other); got != want {
		w.t.Errorf("the replicas differ: %x and %x", want, got)
	}
	if w.restored {
		return
	}
	if got := digestOf(w.t, replay(w.t, w.log, max(5, len(w.log)/10), func(i int) event { return event(i % 5) })); got != want {
		w.t.Errorf("restarts and snapshots give %x, single entries %x", got, want)
	}
}

// damage changes a blob of the current epoch on replica=, or on both, behind the state's back.
func (s *scenario) damage(d *datadriven.TestData) string {
	s.world.damaged = true
	replicas := []*Store{s.store, s.other}
	if n := number32(d, "replica", 0); n != 0 {
		replicas = replicas[n-1 : n]
	}
	for _, replica := range replicas {
		v, err := replica.View()
		if err != nil {
			s.world.t.Fatal(err)
		}
		n := uint64(number32(d, "blob", 0))
		blob, err := v.Blob(v.CurrentEpoch(), n)
		if err != nil {
			s.world.t.Fatal(err)
		}
		spoiled := bytes.Clone(blob.Blob)
		spoiled[len(spoiled)-1] ^= 1
		if err := replica.db.Set(blobKey(v.CurrentEpoch(), n), spoiled, pebble.NoSync); err != nil {
			s.world.t.Fatal(err)
		}
		v.Close()
	}
	return "ok\n"
}

// pace: pause, resume or rate=: what an operator asks of every unit that rewraps.
func (s *scenario) pace(d *datadriven.TestData) string {
	r, _, _ := s.evidence()
	c := &PaceRewrap{Order: r.Order, By: "operator", At: s.clock}
	switch first(d) {
	case "pause":
		c.Paused = new(bool)
		*c.Paused = true
	case "resume":
		c.Paused = new(bool)
	}
	if d.HasArg("rate") {
		rate := uint64(number32(d, "rate", 0))
		c.Rate = &rate
	}
	return s.give(d, c, nil)
}
