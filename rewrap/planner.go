package rewrap

import (
	"slices"
	"sync"
	"time"

	"tumbler/fsm"
)

// parole is after how many leases a unit that was stuck or silent is trusted
// again, if it has not shown before that it gets on.
const parole = 4

// Planner is the memory of a leader in one term: when it saw units get on, and
// what it was told. To lose it costs a lease and nothing else. Its methods are
// safe for concurrent use.
type Planner struct {
	lease time.Duration

	mu       sync.Mutex
	order    fsm.Digest
	seen     []sighting // by partition
	writing  watch
	checking watch
	findings []Finding
}

// sighting is a partition as it was last seen.
type sighting struct {
	partition  fsm.Partition
	questioned bool
	graced     bool // its units were given another lease after a question, once
}

// NewPlanner makes a planner under which a unit that gets on with nothing for
// a lease loses what it has to do.
func NewPlanner(lease time.Duration) *Planner { return &Planner{lease: lease} }

// Note takes what a unit found (Reporter.Found) for the next plan. One that is
// known, or of another order than the planner's, is ignored.
func (p *Planner) Note(f Finding) {
	p.mu.Lock()
	defer p.mu.Unlock()
	known := slices.ContainsFunc(p.findings, func(g Finding) bool {
		f.Detail = g.Detail
		return f == g
	})
	if f.Order == p.order && !known {
		p.findings = append(p.findings, f)
	}
}

// Next is what the leader proposes now; nil: nothing. live are the units that
// it hears from and that are not fenced. It is called at every change of the
// rotation, and often enough, beside, to see accepted batches within a lease.
func (p *Planner) Next(r fsm.Rotation, live []Live, now time.Time) *fsm.AssignPartitions {
	if !working(r.State) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	live = slices.DeleteFunc(slices.Clone(live), func(u Live) bool { return !slices.Contains(r.Plan.Units, u.Number) })
	silent := slices.DeleteFunc(slices.Clone(r.Plan.Units), func(n uint32) bool {
		return slices.ContainsFunc(live, func(u Live) bool { return u.Number == n })
	})
	if p.order != r.Order || len(p.seen) != len(r.Rewrap.Partitions) {
		p.order, p.seen, p.findings = r.Order, make([]sighting, len(r.Rewrap.Partitions)), nil
		p.writing, p.checking = newWatch(p.lease), newWatch(p.lease)
	}
	for _, n := range silent {
		p.writing.forget(n)
		p.checking.forget(n)
	}
	p.observe(r, now)
	changes := Plan(Situation{Rotation: r, Live: live, Stuck: p.writing.verdicts(now), Silent: p.checking.verdicts(now), Findings: p.findings})
	if len(changes) == 0 && slices.Equal(silent, r.Silent) {
		return nil
	}
	return &fsm.AssignPartitions{Order: r.Order, Assignments: changes, Silent: silent, At: fsm.TimeOf(now)}
}

// observe notes who was given something and who got on since the last time,
// and judges. Who waits for a blob in question is not judged, nor who was
// asked to pause; who was asked to be slow is given more time.
func (p *Planner) observe(r fsm.Rotation, now time.Time) {
	p.writing.lease, p.checking.lease = p.lease+patience(r), p.lease
	if len(r.Rewrap.Partitions) > 0 {
		p.checking.lease += courteously(r.Rewrap.Partitions[0].End - r.Rewrap.Partitions[0].From)
	}
	for i, is := range r.Rewrap.Partitions {
		s := &p.seen[i]
		was, asked := s.partition, questioned(r, is)
		again := is.Lease != was.Lease || is.Pass != was.Pass
		if again {
			p.writing.given(is.Owner, now)
		} else if is.Cursor != was.Cursor {
			p.writing.gotOn(is.Owner, now)
		}
		if again || is.Verifier != was.Verifier || is.Written() != was.Written() {
			p.checking.given(is.Verifier, now)
		}
		if is.Verified != was.Verified && is.Verified != 0 {
			p.checking.gotOn(is.Verified, now)
		}
		if again || is.Cursor != was.Cursor {
			s.graced = false
		}
		if s.questioned && !asked && !s.graced {
			p.writing.given(is.Owner, now)
			p.checking.given(is.Verifier, now)
			s.graced = true
		}
		s.partition, s.questioned = is, asked
	}
	for _, s := range p.seen {
		switch q := s.partition; {
		case s.questioned || q.Verified != 0:
		case q.Written():
			p.checking.judge(q.Verifier, now)
		case r.Paced().Paused:
			p.writing.given(q.Owner, now)
		default:
			p.writing.judge(q.Owner, now)
		}
	}
	p.findings = slices.DeleteFunc(p.findings, func(f Finding) bool {
		return int(f.Partition) >= len(p.seen) || f.Pass < p.seen[f.Partition].partition.Pass
	})
}

// watch is when units last got on with one kind of work, and who did not for a
// lease. A unit that lost all its work keeps that name for a while: else it
// would be the least loaded one, and be given all of it again.
type watch struct {
	lease time.Duration
	since map[uint32]time.Time
	late  map[uint32]time.Time // when it was judged
}

func newWatch(lease time.Duration) watch {
	return watch{lease: lease, since: map[uint32]time.Time{}, late: map[uint32]time.Time{}}
}

// given: the unit has something new to do, and a lease for it.
func (w *watch) given(unit uint32, now time.Time) { w.since[unit] = now }

// gotOn: the unit showed that it works.
func (w *watch) gotOn(unit uint32, now time.Time) {
	w.since[unit] = now
	delete(w.late, unit)
}

func (w *watch) forget(unit uint32) {
	delete(w.since, unit)
	delete(w.late, unit)
}

// judge looks whether a unit that has something to do is late.
func (w *watch) judge(unit uint32, now time.Time) {
	since, known := w.since[unit]
	if !known {
		w.since[unit] = now
	}
	if _, late := w.late[unit]; known && !late && now.Sub(since) >= w.lease {
		w.late[unit] = now
	}
}

func (w *watch) verdicts(now time.Time) map[uint32]bool {
	late := map[uint32]bool{}
	for unit, at := range w.late {
		if now.Sub(at) >= parole*w.lease {
			w.gotOn(unit, now)
			continue
		}
		late[unit] = true
	}
	return late
}
