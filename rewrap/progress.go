package rewrap

import (
	"time"

	"tumbler/fsm"
)

// Progress is how far a rewrap is.
type Progress struct {
	Total      fsm.Counts // what is to be done: the census, less what was settled
	Written    fsm.Counts // in the present passes
	Verified   fsm.Counts
	Partitions int
	Whole      int     // partitions that are written
	Checked    int     // partitions that are verified
	Percent    float64 // of writing and verifying together, 0 to 100
}

// ProgressOf counts; the zero Progress for a rotation that covers nothing yet.
func ProgressOf(r fsm.Rotation) Progress {
	p := Progress{Total: r.Rewrap.Census, Written: r.Done, Verified: r.Verified, Partitions: len(r.Rewrap.Partitions)}
	for _, q := range r.Rewrap.Partitions {
		if q.Written() {
			p.Whole++
		}
		if q.Verified != 0 {
			p.Checked++
		}
	}
	switch {
	case r.Rewrap.Started == 0:
	case p.Total.Sum() == 0:
		p.Percent = 100
	default:
		p.Percent = min(100, 50*float64(p.Written.Sum()+p.Verified.Sum())/float64(p.Total.Sum()))
	}
	return p
}

// Meter tells how fast a rewrap goes, from records over time. It is for one
// goroutine.
type Meter struct {
	window  time.Duration
	order   fsm.Digest
	samples []sample // ascending in time, the first at most a window old
}

type sample struct {
	at      time.Time
	written uint64
}

// NewMeter makes a meter that looks back over a window.
func NewMeter(window time.Duration) *Meter { return &Meter{window: window} }

// Observe takes the record as it is now and gives the keys rewrapped a second
// over the window; 0 until it has seen two moments. A partition that begins
// again does not make the speed negative.
func (m *Meter) Observe(r fsm.Rotation, now time.Time) float64 {
	written := r.Done.Sum()
	if m.order != r.Order || len(m.samples) > 0 && written < m.samples[len(m.samples)-1].written {
		m.order, m.samples = r.Order, nil
	}
	m.samples = append(m.samples, sample{now, written})
	for len(m.samples) > 2 && now.Sub(m.samples[1].at) >= m.window {
		m.samples = m.samples[1:]
	}
	first := m.samples[0]
	seconds := now.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(written-first.written) / seconds
}

// Speed is the keys rewrapped a second from the start of the rewrap until its
// end, or until now.
func Speed(r fsm.Rotation, now time.Time) float64 {
	if r.Rewrap.Started == 0 {
		return 0
	}
	end := now
	for _, at := range []fsm.Time{r.Flipped, r.Closed} {
		if at != 0 {
			end = at.Time()
			break
		}
	}
	seconds := end.Sub(r.Rewrap.Started.Time()).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(r.Done.Sum()) / seconds
}
