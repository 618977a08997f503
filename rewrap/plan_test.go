package rewrap

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tumbler/fsm"
)

// simulation is a rotation's record, changed by the state's rules, and units
// that do what they are asked to while they live. It holds no keys.
type simulation struct {
	rotation fsm.Rotation
	units    []Live
	dead     map[uint32]bool
	stuck    map[uint32]bool // alive, and gets on with nothing
	noted    map[string]bool // unit, partition, pass: what sealed files say
	planner  *Planner
	now      time.Time
}

func newSimulation(units []Live, partitions int) *simulation {
	s := &simulation{units: units, dead: map[uint32]bool{}, stuck: map[uint32]bool{}, noted: map[string]bool{}, planner: NewPlanner(lease), now: fixed()}
	s.rotation = fsm.Rotation{Order: fsm.Digest{1}, State: fsm.StateRewrapping}
	for _, u := range units {
		s.rotation.Plan.Units = append(s.rotation.Plan.Units, u.Number)
	}
	for i := range partitions {
		from := uint64(i)*10 + 1
		s.rotation.Rewrap.Partitions = append(s.rotation.Rewrap.Partitions, fsm.Partition{Index: uint32(i), From: from, End: from + 10, Cursor: from, Pass: 1})
	}
	return s
}

func (s *simulation) live() (live []Live) {
	for _, u := range s.units {
		if !s.dead[u.Number] {
			live = append(live, u)
		}
	}
	return live
}

func name(unit uint32, p *fsm.Partition) string { return fmt.Sprint(unit, p.Index, p.Pass) }

// apply is what the state makes of assignments.
func (s *simulation) apply(t *rapid.T, c *fsm.AssignPartitions) {
	for _, a := range c.Assignments {
		p := &s.rotation.Rewrap.Partitions[a.Partition]
		if a.Lease != p.Lease {
			t.Fatalf("partition %d: lease %d is not %d", p.Index, a.Lease, p.Lease)
		}
		if p.Verified != 0 {
			t.Fatalf("partition %d is verified, and changed: %+v", p.Index, a)
		}
		if a.Reset {
			if !p.Written() {
				t.Fatalf("partition %d begins again before it was written", p.Index)
			}
			p.Pass, p.Cursor, p.Writers, p.Verifier = p.Pass+1, p.From, nil, 0
		}
		if a.Owner != 0 {
			p.Owner, p.Lease = a.Owner, p.Lease+1
		}
		if a.Verifier != 0 {
			p.Verifier = a.Verifier
		}
	}
	s.rotation.Silent = c.Silent
}

// plan has the leader plan, and checks what every plan must give.
func (s *simulation) plan(t *rapid.T) {
	c := s.planner.Next(s.rotation, s.live(), s.now)
	if c != nil {
		s.apply(t, c)
	}
	live := map[uint32]bool{}
	operational := false
	for _, u := range s.live() {
		live[u.Number] = true
		operational = operational || u.Role == fsm.RoleOperational && !s.stuck[u.Number]
	}
	for _, p := range s.rotation.Rewrap.Partitions {
		if len(live) > 0 && !p.Written() && !live[p.Owner] {
			t.Fatalf("partition %d has the dead owner %d", p.Index, p.Owner)
		}
		may := slices.ContainsFunc(s.live(), func(u Live) bool {
			return !slices.Contains(p.Writers, u.Number) && !s.planner.told(FoundWrote, &p, u.Number)
		})
		if p.Written() && p.Verified == 0 && may && (!live[p.Verifier] || slices.Contains(p.Writers, p.Verifier)) {
			t.Fatalf("partition %d is to be verified by %d, of %v that live and %v that wrote it", p.Index, p.Verifier, s.live(), p.Writers)
		}
		if p.Written() && p.Verified == 0 && !may && len(live) > 1 {
			t.Fatalf("everybody wrote partition %d, and it does not begin again", p.Index)
		}
	}
	if again := s.planner.Next(s.rotation, s.live(), s.now); again != nil {
		t.Fatalf("nothing has changed, and the plan changes %+v after %+v", again, c)
	}
}

func (p *Planner) told(kind FindingKind, q *fsm.Partition, unit uint32) bool {
	return slices.ContainsFunc(p.findings, func(f Finding) bool {
		return f.Kind == kind && f.Partition == q.Index && f.Pass == q.Pass && f.Unit == unit
	})
}

// work has a unit do one thing that it is asked to; false: there is none, or
// it is not able to.
func (s *simulation) work(unit uint32, batch uint64, spoiled bool) bool {
	if s.dead[unit] || s.stuck[unit] {
		return false
	}
	for i := range s.rotation.Rewrap.Partitions {
		p := &s.rotation.Rewrap.Partitions[i]
		switch {
		case !p.Written() && p.Owner == unit:
			s.noted[name(unit, p)] = true
			if batch == 0 {
				return true // noted, and died before the first batch
			}
			p.Cursor = min(p.Cursor+batch, p.End)
			if !slices.Contains(p.Writers, unit) {
				p.Writers = append(slices.Clone(p.Writers), unit)
			}
			return true
		case p.Written() && p.Verified == 0 && p.Verifier == unit:
			f := Finding{Order: s.rotation.Order, Partition: p.Index, Pass: p.Pass, Unit: unit}
			switch {
			case s.noted[name(unit, p)]:
				f.Kind = FoundWrote
				s.planner.Note(f)
			case spoiled:
				f.Kind = FoundSpoiled
				s.planner.Note(f)
			default:
				p.Verified = unit
			}
			return true
		}
	}
	return false
}

func (s *simulation) done() bool {
	return !slices.ContainsFunc(s.rotation.Rewrap.Partitions, func(p fsm.Partition) bool { return p.Verified == 0 })
}

// Whatever dies, is stuck, comes back or is lost: once two units that work are
// there, every partition ends written and verified by a unit that wrote none
// of it; and no plan changes anything when nothing has changed.
func TestEveryPartitionEndsVerified(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var units []Live
		for n := range rapid.IntRange(2, 6).Draw(t, "units") {
			role := fsm.RoleOperational
			if rapid.Bool().Draw(t, "recovery") {
				role = fsm.RoleRecovery
			}
			units = append(units, Live{uint32(n + 1), role})
		}
		s := newSimulation(units, rapid.IntRange(1, 12).Draw(t, "partitions"))
		unit := func() uint32 { return rapid.SampledFrom(units).Draw(t, "unit").Number }
		s.plan(t)
		for range rapid.IntRange(0, 60).Draw(t, "events") {
			switch rapid.IntRange(0, 9).Draw(t, "event") {
			case 0:
				s.dead[unit()] = true
			case 1:
				n := unit()
				delete(s.dead, n)
				delete(s.stuck, n)
			case 2:
				s.stuck[unit()] = true
			case 3:
				s.planner = NewPlanner(lease) // another leader
			case 4:
				s.now = s.now.Add(time.Duration(rapid.IntRange(1, int(2*lease)).Draw(t, "time")))
			default:
				s.work(unit(), rapid.Uint64Range(0, 10).Draw(t, "batch"), rapid.IntRange(0, 9).Draw(t, "spoiled") == 0)
			}
			s.plan(t)
		}
		// Now it is calm, with two units at least that work.
		calm := 0
		for _, u := range units {
			if calm < 2 || rapid.Bool().Draw(t, "back") {
				delete(s.dead, u.Number)
				delete(s.stuck, u.Number)
				calm++
			}
		}
		for round := 0; !s.done(); round++ {
			if round > 40*len(s.rotation.Rewrap.Partitions)+200 {
				t.Fatalf("it does not end: dead %v, stuck %v, %+v", s.dead, s.stuck, s.rotation.Rewrap.Partitions)
			}
			worked := false
			for _, u := range units {
				worked = s.work(u.Number, 10, false) || worked
			}
			if !worked {
				s.now = s.now.Add(lease)
			}
			s.plan(t)
		}
		for _, p := range s.rotation.Rewrap.Partitions {
			if slices.Contains(p.Writers, p.Verified) || s.noted[name(p.Verified, &p)] {
				t.Fatalf("partition %d was verified by %d, which wrote it: %v", p.Index, p.Verified, p.Writers)
			}
		}
	})
}

func TestWorkIsSpreadEvenly(t *testing.T) {
	units := []Live{{1, fsm.RoleOperational}, {2, fsm.RoleOperational}, {3, fsm.RoleOperational}, {4, fsm.RoleRecovery}, {5, fsm.RoleRecovery}}
	s := newSimulation(units, 64)
	writes, all := map[uint32]int{}, map[uint32]int{}
	for _, a := range s.planner.Next(s.rotation, units, s.now).Assignments {
		writes[a.Owner]++
		all[a.Owner]++
		all[a.Verifier]++
	}
	for n := uint32(1); n <= 5; n++ {
		if n <= 3 != (writes[n] >= 21) || all[n] < 24 || all[n] > 27 {
			t.Errorf("unit %d writes %d, and has %d partitions in all", n, writes[n], all[n])
		}
	}
}

func TestRecoveryUnitsWriteOnlyWhereNoOperationalUnitLives(t *testing.T) {
	s := newSimulation([]Live{{1, fsm.RoleOperational}, {4, fsm.RoleRecovery}, {5, fsm.RoleRecovery}}, 4)
	owners := func(live ...Live) (owners []uint32) {
		c := s.planner.Next(s.rotation, live, s.now)
		for _, a := range c.Assignments {
			p := &s.rotation.Rewrap.Partitions[a.Partition]
			p.Owner, p.Verifier, p.Lease = a.Owner, a.Verifier, p.Lease+1
			owners = append(owners, a.Owner)
		}
		s.rotation.Silent = c.Silent
		return owners
	}
	if got := owners(s.units...); !slices.Equal(got, []uint32{1, 1, 1, 1}) {
		t.Errorf("owners are %v", got)
	}
	if got := owners(s.units[1:]...); !slices.Equal(got, []uint32{4, 5, 4, 5}) {
		t.Errorf("without the operational unit owners are %v", got)
	}
}

// Blobs in question hold a partition still for as long as it takes: its owner
// is not to blame. After it, it gets one more lease.
func TestBlobsInQuestionAreNoFaultOfTheOwner(t *testing.T) {
	units := []Live{{1, fsm.RoleOperational}, {2, fsm.RoleOperational}, {3, fsm.RoleRecovery}}
	s := newSimulation(units, 1)
	next := func(after time.Duration) *fsm.AssignPartitions {
		s.now = s.now.Add(after)
		return s.planner.Next(s.rotation, units, s.now)
	}
	c := next(0)
	p := &s.rotation.Rewrap.Partitions[0]
	p.Owner, p.Verifier, p.Lease = c.Assignments[0].Owner, c.Assignments[0].Verifier, 1
	s.rotation.Bad = []fsm.BadBlob{{Number: 5, Units: []uint32{p.Owner}}}
	for range 5 {
		if c := next(lease); c != nil {
			t.Fatalf("while a blob is in question: %+v", c)
		}
	}
	s.rotation.Bad = nil
	if c := next(0); c != nil {
		t.Fatalf("when it is repaired: %+v", c)
	}
	if c := next(lease - 1); c != nil {
		t.Fatalf("within a lease of that: %+v", c)
	}
	if c := next(1); c == nil || c.Assignments[0].Owner == p.Owner {
		t.Fatalf("a lease later: %+v", c)
	}
}

func TestFindingsCountForTheirPassAlone(t *testing.T) {
	units := []Live{{1, fsm.RoleOperational}, {2, fsm.RoleOperational}, {3, fsm.RoleRecovery}}
	s := newSimulation(units, 1)
	p := &s.rotation.Rewrap.Partitions[0]
	p.Owner, p.Lease, p.Cursor, p.Writers, p.Verifier, p.Pass = 1, 1, p.End, []uint32{1}, 3, 2
	if c := s.planner.Next(s.rotation, units, s.now); c != nil {
		t.Fatalf("%+v", c)
	}
	s.planner.Note(Finding{Kind: FoundSpoiled, Order: s.rotation.Order, Pass: 1, Unit: 3})
	s.planner.Note(Finding{Kind: FoundSpoiled, Order: fsm.Digest{9}, Pass: 2, Unit: 3})
	if c := s.planner.Next(s.rotation, units, s.now); c != nil {
		t.Fatalf("an old pass and another order count: %+v", c)
	}
	s.planner.Note(Finding{Kind: FoundSpoiled, Order: s.rotation.Order, Pass: 2, Unit: 3})
	c := s.planner.Next(s.rotation, units, s.now)
	if c == nil || !c.Assignments[0].Reset || c.Assignments[0].Owner != 2 {
		t.Fatalf("%+v", c)
	}
}
