package rewrap

import (
	"slices"

	"tumbler/fsm"
)

// Live is a crypto unit that the leader hears from, of those that the order
// names, and that is not fenced.
type Live struct {
	Number uint32
	Role   fsm.Role
}

// Situation is all that a plan depends on.
type Situation struct {
	Rotation fsm.Rotation
	Live     []Live
	// Stuck are units that got on with nothing that they had to write for a
	// lease, Silent those that had to verify. A Planner judges.
	Stuck, Silent map[uint32]bool
	// Findings are those that the leader was told; old passes' do not count.
	Findings []Finding
}

// Plan tells what to change so that the rewrap ends: an owner for each
// unwritten partition, among live operational units, or recovery units where
// there is none; another one where the owner is dead or got on with nothing
// for a lease; a verifier among live units that did not write, the one with
// the least to do, and another one where that is dead or silent; a new
// beginning where what was written is spoiled, or where every live unit, or
// every one that is not silent, wrote some of it and there are at least two. Nothing where all is well: planning
// again with the outcome gives nothing.
//
// What a dead or stuck unit had is spread over all that may have it. A
// partition with blobs in question keeps a live owner and verifier: they wait
// for the blobs.
func Plan(s Situation) []fsm.Assignment {
	if !working(s.Rotation.State) || len(s.Live) == 0 {
		return nil
	}
	p := &plan{Situation: s, load: map[uint32]int{}, writes: map[uint32]int{}}
	for _, u := range s.Live {
		p.load[u.Number] = 0
	}
	partitions := s.Rotation.Rewrap.Partitions
	for _, q := range partitions {
		p.count(q, 1)
	}
	var changes []fsm.Assignment
	for _, q := range partitions {
		if q.Verified != 0 {
			continue
		}
		a := fsm.Assignment{Partition: q.Index, Lease: q.Lease}
		p.count(q, -1)
		if p.begin(q) {
			a.Reset = true
			was := q.Writers
			q.Cursor, q.Pass, q.Writers, q.Verifier = q.From, q.Pass+1, nil, 0
			a.Owner = p.owner(was)
		} else if !q.Written() && !p.keepsOwner(q) {
			a.Owner = p.owner(nil)
		}
		if a.Owner != 0 {
			q.Owner = a.Owner
		}
		if !p.keepsVerifier(q) {
			a.Verifier = p.verifier(q)
		}
		if a.Verifier != 0 {
			q.Verifier = a.Verifier
		}
		p.count(q, 1)
		if a.Reset || a.Owner != 0 || a.Verifier != 0 {
			changes = append(changes, a)
		}
	}
	return changes
}

// plan is a situation, and how much each live unit has to do in it: partitions
// to write, and those and partitions to verify together.
type plan struct {
	Situation
	load   map[uint32]int
	writes map[uint32]int
}

func (p *plan) lives(unit uint32) bool { _, ok := p.load[unit]; return ok }

// count adds what a partition gives its owner and its verifier to do.
func (p *plan) count(q fsm.Partition, n int) {
	if p.lives(q.Owner) && !q.Written() {
		p.load[q.Owner] += n
		p.writes[q.Owner] += n
	}
	if p.lives(q.Verifier) && q.Verified == 0 {
		p.load[q.Verifier] += n
	}
}

// questioned: a partition has a blob that some unit could not open.
func questioned(r fsm.Rotation, q fsm.Partition) bool {
	return slices.ContainsFunc(r.Bad, func(b fsm.BadBlob) bool { return b.Number >= q.From && b.Number < q.End })
}

// found: a unit, or any if 0, told that of the partition's present pass.
func (p *plan) found(kind FindingKind, q fsm.Partition, unit uint32) bool {
	return slices.ContainsFunc(p.Findings, func(f Finding) bool {
		return f.Kind == kind && f.Order == p.Rotation.Order && f.Partition == q.Index && f.Pass == q.Pass && (unit == 0 || f.Unit == unit)
	})
}

// wrote: the unit cannot verify this pass of the partition.
func (p *plan) wrote(q fsm.Partition, unit uint32) bool {
	return slices.Contains(q.Writers, unit) || p.found(FoundWrote, q, unit)
}

// begin: the partition is to begin again. A silent unit may be slow and no
// more, so what is written is given up for its silence only where two others
// can do better.
func (p *plan) begin(q fsm.Partition) bool {
	if !q.Written() {
		return false
	}
	if p.found(FoundSpoiled, q, 0) {
		return true
	}
	speaking, canVerify, canSpeaking := 0, 0, 0
	for _, u := range p.Live {
		silent, can := p.Silent[u.Number], !p.wrote(q, u.Number)
		if !silent {
			speaking++
		}
		if can {
			canVerify++
		}
		if can && !silent {
			canSpeaking++
		}
	}
	return len(p.Live) > 1 && canVerify == 0 || speaking > 1 && canSpeaking == 0
}

// keepsOwner: it is live and gets on, or waits for a blob, or nobody else is
// better.
func (p *plan) keepsOwner(q fsm.Partition) bool {
	return p.lives(q.Owner) && (questioned(p.Rotation, q) || !p.Stuck[q.Owner] || p.moving(nil) == 0)
}

// moving is the unit to write that has the least to write of those that are
// not stuck: operational units before recovery units, none to avoid; 0: there
// is none.
func (p *plan) moving(avoid []uint32) uint32 {
	for _, role := range []fsm.Role{fsm.RoleOperational, fsm.RoleRecovery} {
		if n := p.least(p.toWrite, func(u Live) bool { return u.Role == role && !p.Stuck[u.Number] && !slices.Contains(avoid, u.Number) }); n != 0 {
			return n
		}
	}
	return 0
}

// owner chooses who writes, one to avoid or a stuck one only where there is
// nobody else.
func (p *plan) owner(avoid []uint32) uint32 {
	if n := p.moving(avoid); n != 0 {
		return n
	}
	if n := p.moving(nil); n != 0 {
		return n
	}
	if n := p.least(p.toWrite, func(u Live) bool { return u.Role == fsm.RoleOperational }); n != 0 {
		return n
	}
	return p.least(p.toWrite, func(Live) bool { return true })
}

// keepsVerifier: it may verify, and gets on, or waits for a blob, or was not
// due yet.
func (p *plan) keepsVerifier(q fsm.Partition) bool {
	return p.mayVerify(q, q.Verifier) && (!q.Written() || questioned(p.Rotation, q) || !p.Silent[q.Verifier])
}

// mayVerify: it is live, wrote none of the partition, and is not about to.
func (p *plan) mayVerify(q fsm.Partition, unit uint32) bool {
	return p.lives(unit) && !p.wrote(q, unit) && (q.Written() || unit != q.Owner)
}

// verifier chooses another one than the present; a silent one only where the
// present may not verify at all. 0: there is nobody.
func (p *plan) verifier(q fsm.Partition) uint32 {
	n := p.least(p.toVerify, func(u Live) bool { return u.Number != q.Verifier && p.mayVerify(q, u.Number) && !p.Silent[u.Number] })
	if n == 0 && !p.mayVerify(q, q.Verifier) {
		n = p.least(p.toVerify, func(u Live) bool { return p.mayVerify(q, u.Number) })
	}
	return n
}

// toWrite and toVerify weigh what units have to do: who writes is chosen by
// what there is to write, who verifies by all of it, recovery units first,
// since they have nothing else to do.
func (p *plan) toWrite(u Live) [2]int { return [2]int{p.writes[u.Number], p.load[u.Number]} }

func (p *plan) toVerify(u Live) [2]int {
	if u.Role == fsm.RoleRecovery {
		return [2]int{p.load[u.Number], 0}
	}
	return [2]int{p.load[u.Number], 1}
}

// least gives the fitting unit with the least to do, the lowest number among
// equals; 0 if none fits.
func (p *plan) least(weigh func(Live) [2]int, fits func(Live) bool) uint32 {
	best, least := uint32(0), [2]int{}
	for _, u := range p.Live {
		if !fits(u) {
			continue
		}
		w := weigh(u)
		if c := slices.Compare(w[:], least[:]); best == 0 || c < 0 || c == 0 && u.Number < best {
			best, least = u.Number, w
		}
	}
	return best
}
