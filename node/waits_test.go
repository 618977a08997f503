package node

import (
	"testing"
	"time"
)

func TestWaits(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	pass := func(d time.Duration) { now = now.Add(d) }
	w := newWaits(func() time.Time { return now })
	if got := w.slowest(); got != 0 {
		t.Errorf("nobody called, and one waited %v", got)
	}
	slow, quick := w.begin(), w.begin()
	pass(time.Millisecond)
	quick()
	pass(30 * time.Millisecond)
	slow()
	if got := w.slowest(); got != 31*time.Millisecond {
		t.Errorf("the slowest waited %v", got)
	}
	pass(waitsSpan)
	w.begin()()
	if got := w.slowest(); got != 31*time.Millisecond {
		t.Errorf("it is forgotten within a span: %v", got)
	}
	pass(waitsSpan)
	if got := w.slowest(); got != 0 {
		t.Errorf("after two spans one still waits %v", got)
	}
	end := w.begin()
	pass(10 * waitsSpan)
	end()
	if got := w.slowest(); got != 10*waitsSpan {
		t.Errorf("a wait over many spans is %v", got)
	}
}
