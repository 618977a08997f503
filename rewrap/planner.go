package rewrap

import (
	"slices"
	"sync"
	"time"

	"tumbler/fsm"
)

// Planner is the memory of a leader in one term: when it saw units get on, and
// what it was told. To lose it costs a lease and nothing else. Its methods are
// safe for concurrent use.
type Planner struct {
	lease time.Duration

	mu       sync.Mutex
	order    fsm.Digest
	seen     []sighting // by partition
	moved    map[uint32]time.Time
	asked    map[uint32]time.Time
	findings []Finding
}

// sighting is a partition as it was last seen.
type sighting struct {
	partition  fsm.Partition
	questioned bool
	graced     bool // its owner was given another lease after a question, once
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
	p.observe(r, now)
	changes := Plan(Situation{
		Rotation: r, Live: live, Now: now, Lease: p.lease, Moved: p.moved, Asked: p.asked, Findings: p.findings,
	})
	if len(changes) == 0 && slices.Equal(silent, r.Silent) {
		return nil
	}
	return &fsm.AssignPartitions{Order: r.Order, Assignments: changes, Silent: silent, At: fsm.TimeOf(now)}
}

// observe notes who got on since the last time.
func (p *Planner) observe(r fsm.Rotation, now time.Time) {
	if p.order != r.Order || len(p.seen) != len(r.Rewrap.Partitions) {
		p.order, p.seen, p.findings = r.Order, make([]sighting, len(r.Rewrap.Partitions)), nil
		p.moved, p.asked = map[uint32]time.Time{}, map[uint32]time.Time{}
	}
	for i, is := range r.Rewrap.Partitions {
		s := &p.seen[i]
		was := s.partition
		questioned := (&plan{Situation: Situation{Rotation: r}}).questioned(is)
		again := is.Lease != was.Lease || is.Pass != was.Pass
		if again || is.Cursor != was.Cursor {
			p.moved[is.Owner] = now
			s.graced = false
		}
		if again || is.Verifier != was.Verifier || is.Written() != was.Written() {
			p.asked[is.Verifier] = now
		}
		if is.Verified != was.Verified {
			p.asked[is.Verified] = now
		}
		if s.questioned && !questioned && !s.graced {
			p.moved[is.Owner], p.asked[is.Verifier], s.graced = now, now, true
		}
		s.partition, s.questioned = is, questioned
	}
	p.findings = slices.DeleteFunc(p.findings, func(f Finding) bool {
		return int(f.Partition) >= len(p.seen) || f.Pass < p.seen[f.Partition].partition.Pass
	})
}
