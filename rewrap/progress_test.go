package rewrap

import (
	"testing"
	"time"

	"tumbler/fsm"
)

func TestProgressCountsWritingAndVerifying(t *testing.T) {
	r := fsm.Rotation{Done: fsm.Counts{System: 1, KMS: 79}, Verified: fsm.Counts{KMS: 20}}
	if p := ProgressOf(fsm.Rotation{}); p.Percent != 0 {
		t.Errorf("before it begins: %+v", p)
	}
	r.Rewrap = fsm.Rewrap{Census: fsm.Counts{System: 1, KMS: 99}, Started: 1, Partitions: []fsm.Partition{
		{From: 1, End: 51, Cursor: 51, Verified: 2}, {From: 51, End: 101, Cursor: 81},
	}}
	if p := ProgressOf(r); p.Percent != 50 || p.Partitions != 2 || p.Whole != 1 || p.Checked != 1 || p.Total.Sum() != 100 {
		t.Errorf("%+v", p)
	}
	r.Rewrap.Census, r.Done, r.Verified = fsm.Counts{}, fsm.Counts{}, fsm.Counts{}
	if p := ProgressOf(r); p.Percent != 100 {
		t.Errorf("with nothing to do: %+v", p)
	}
}

func TestMeterLooksBackOverItsWindow(t *testing.T) {
	m := NewMeter(5 * time.Second)
	r := fsm.Rotation{Order: fsm.Digest{1}}
	at := func(second int, written uint64) float64 {
		r.Done.KMS = written
		return m.Observe(r, fixed().Add(time.Duration(second)*time.Second))
	}
	for _, step := range []struct {
		second  int
		written uint64
		want    float64
	}{{0, 0, 0}, {1, 1000, 1000}, {2, 3000, 1500}, {7, 8000, 1000}, {12, 8000, 0}, {13, 2000, 0}, {14, 2500, 500}} {
		if got := at(step.second, step.written); got != step.want {
			t.Errorf("second %d: %v keys/s, not %v", step.second, got, step.want)
		}
	}
	r.Order = fsm.Digest{2}
	if got := at(15, 9000); got != 0 {
		t.Errorf("another rotation begins with %v keys/s", got)
	}
}

func TestSpeedEndsWithTheFlip(t *testing.T) {
	start := fixed()
	r := fsm.Rotation{Done: fsm.Counts{KMS: 1000}}
	if got := Speed(r, start); got != 0 {
		t.Errorf("before it began: %v", got)
	}
	r.Rewrap.Started = fsm.TimeOf(start)
	if got := Speed(r, start.Add(4*time.Second)); got != 250 {
		t.Errorf("after 4 s: %v", got)
	}
	r.Flipped = fsm.TimeOf(start.Add(2 * time.Second))
	if got := Speed(r, start.Add(time.Hour)); got != 500 {
		t.Errorf("long after the flip: %v", got)
	}
}
