package fsm

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
	"github.com/hashicorp/raft"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// scenario is a world driven by a file of testdata, one story a file.
type scenario struct {
	*world
	t    testing.TB
	kept map[string]keptProposal
	// archives are what was kept of this world and those before it.
	archives map[string]keptArchive
}

type keptProposal struct {
	command Command
	table   []byte
}

func TestScenarios(t *testing.T) {
	datadriven.Walk(t, "testdata/scenarios", func(t *testing.T, path string) {
		t.Parallel() // most of it waits for the disk
		s := &scenario{t: t, kept: map[string]keptProposal{}, archives: map[string]keptArchive{}}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			if s.world != nil {
				s.world.t = t
			}
			return s.run(t, d)
		})
		s.world.t = t
		s.sameEverywhere()
	})
}

// run executes one directive. Words: unit, key and partition are numbers.
func (s *scenario) run(t *testing.T, d *datadriven.TestData) string {
	verbs := map[string]func(*datadriven.TestData) string{
		"world": s.newWorld, "order": s.submit, "converge": s.convergeUnits, "state": func(*datadriven.TestData) string { return s.describe() },
		"step": s.step, "assign": s.assign, "batch": s.putBatch, "verify": s.verify, "propose": s.proposeKept, "fence": s.fence,
		"restart": s.restart, "key": s.key, "damage": s.damage, "cannot-open": s.cannotOpen, "repair": s.repair, "approve": s.approve,
		"open": s.openAll, "fences": s.fences, "keys": s.manyKeys, "acts": s.acts, "pace": s.pace,
		"register": func(*datadriven.TestData) string { s.register(); return "ok\n" }, "join": s.join, "carry-out": s.carryOut, "forget": s.forget, "units": s.shownUnits, "retired": s.shownRetired,
		"archive": s.archive, "restore": s.restore,
	}
	verb, ok := verbs[d.Cmd]
	if !ok {
		t.Fatalf("%s: no such directive %q", d.Pos, d.Cmd)
	}
	return verb(d)
}

func number32(d *datadriven.TestData, name string, otherwise uint32) uint32 {
	for _, a := range d.CmdArgs {
		if a.Key == name && len(a.Vals) == 1 {
			n, err := strconv.ParseUint(a.Vals[0], 10, 32)
			if err != nil {
				panic(fmt.Sprintf("%s: %v", d.Pos, err))
			}
			return uint32(n)
		}
	}
	return otherwise
}

func numbers32(d *datadriven.TestData, name string) (all []uint32) {
	for _, a := range d.CmdArgs {
		if a.Key != name {
			continue
		}
		for _, v := range a.Vals {
			n, err := strconv.ParseUint(v, 10, 32)
			if err != nil {
				panic(fmt.Sprintf("%s: %v", d.Pos, err))
			}
			all = append(all, uint32(n))
		}
	}
	return all
}

func word(d *datadriven.TestData, name string) string {
	for _, a := range d.CmdArgs {
		if a.Key == name && len(a.Vals) == 1 {
			return a.Vals[0]
		}
	}
	return ""
}

func first(d *datadriven.TestData) string {
	if len(d.CmdArgs) == 0 || len(d.CmdArgs[0].Vals) > 0 {
		return ""
	}
	return d.CmdArgs[0].Key
}

// told is how a story shows an answer of the state.
func told(r Result, err error) string {
	var refusal *Refusal
	switch {
	case errors.As(err, &refusal):
		again := ""
		if refusal.Retriable() {
			again = " (retriable)"
		}
		return "refused: " + refusalText[refusal.Code] + again + "\n"
	case err != nil:
		return "error: " + err.Error() + "\n"
	case r.Cursor != 0:
		return fmt.Sprintf("ok, cursor %d\n", r.Cursor)
	case r.Count != 0:
		return fmt.Sprintf("ok, %d\n", r.Count)
	}
	return "ok\n"
}

// give proposes now, or keeps the proposal for later under the name keep=.
func (s *scenario) give(d *datadriven.TestData, c Command, table []byte) string {
	if name := word(d, "keep"); name != "" {
		s.kept[name] = keptProposal{c, table}
		return "kept\n"
	}
	return told(s.world.propose(c, table))
}

func (s *scenario) proposeKept(d *datadriven.TestData) string {
	p, ok := s.kept[first(d)]
	if !ok {
		s.world.t.Fatalf("%s: nothing was kept as %q", d.Pos, first(d))
	}
	return told(s.world.propose(p.command, p.table))
}

// newWorld: operational=, recovery=, keys=, policy=: an instance that is initialised and has keys.
func (s *scenario) newWorld(d *datadriven.TestData) string {
	if s.world != nil {
		s.sameEverywhere()
	}
	s.world = newWorld(s.t, int(number32(d, "operational", 2)), int(number32(d, "recovery", 1)))
	s.begin(word(d, "policy"), number32(d, "keys", 3))
	return s.describe()
}

func (s *scenario) begin(policy string, keys uint32) {
	s.must(s.world.order(order.Init, nil))
	s.until(StateComplete)
	if policy == order.Documented.String() {
		s.world.policy = order.Documented
	}
	for i := range keys {
		s.createKey(byte(i + 1))
	}
	s.register()
}

// submit: an order of a kind; cancel and settle name the last one that was opened.
func (s *scenario) submit(d *datadriven.TestData) string {
	kinds := map[string]order.Kind{"rotate": order.Rotate, "cancel": order.Cancel, "settle": order.Settle, "remove": order.Remove, "enrol": order.Enrol, "init": order.Init,
		"recover": order.Recover, "administrators": order.Administration, "destroy-retired": order.DestroyRetired, "restore": order.Restore}
	kind, ok := kinds[first(d)]
	if !ok {
		s.world.t.Fatalf("%s: no order %q", d.Pos, first(d))
	}
	var rotation Rotation
	var record *order.Record
	if kind == order.Cancel || kind == order.Settle {
		rotation, _, record = s.evidence()
	}
	if kind == order.Rotate && !d.HasArg("without-reports") {
		s.register()
	}
	units := numbers32(d, "unit")
	next := s.nextAdministrator(kind)
	c := s.world.order(kind, func(o *order.Order) {
		if kind == order.Init {
			o.Current = masterkey.Pattern{}
		}
		if d.HasArg("hold") {
			o.Activate = order.Signed
		}
		if d.HasArg("destroy") {
			o.Retire = order.Destroy
		}
		if kind == order.Cancel || kind == order.Settle {
			o.Subject = order.Subject{Order: order.Digest(rotation.Order), OrderNumber: rotation.Number}
		}
		for _, n := range numbers32(d, "blob") {
			for _, st := range record.Statements {
				if st.Kind == order.CannotOpen && st.Blob.Number == uint64(n) {
					o.Subject.Blobs = append(o.Subject.Blobs, *st.Blob)
					break
				}
			}
		}
		for _, n := range units {
			o.Subject.Units = append(o.Subject.Units, s.reference(o, n))
		}
		s.aboutUnits(d, o, next)
	})
	c.Short = numbers32(d, "short")
	answer := s.give(d, c, nil)
	if answer == "ok\n" {
		s.unitsChanged(kind, units, next)
	}
	if answer != "ok\n" && answer != "kept\n" {
		s.world.number-- // a refused order uses no number
	}
	return answer
}

// converge: units take their steps; only= or except= some, until= a state.
func (s *scenario) convergeUnits(d *datadriven.TestData) string {
	idle := numbers32(d, "except")
	if only := numbers32(d, "only"); len(only) > 0 {
		for i := range s.units {
			if n := uint32(i + 1); !slices.Contains(only, n) {
				idle = append(idle, n)
			}
		}
	}
	until := StateNone
	for i, name := range stateNames {
		if name == word(d, "until") {
			until = RotationState(i)
		}
	}
	s.converge(until, idle...)
	r, _, _ := s.evidence()
	return r.State.String() + "\n"
}

// step: one unit takes its step; keep= keeps what it states from the state.
func (s *scenario) step(d *datadriven.TestData) string {
	c, kind, ok := s.act(number32(d, "unit", 0))
	if !ok {
		return "nothing to do\n"
	}
	answer := s.give(d, c, nil)
	r, _, _ := s.evidence()
	return fmt.Sprintf("`%v`: %s%v\n", kind, answer, r.State)
}

// assign: partition=, owner=, verifier=, reset, silent=; lease= the one that the leader saw.
func (s *scenario) assign(d *datadriven.TestData) string {
	r, _, _ := s.evidence()
	c := &AssignPartitions{Order: r.Order, Silent: numbers32(d, "silent"), At: s.clock}
	for _, index := range numbers32(d, "partition") {
		a := Assignment{Partition: index, Owner: number32(d, "owner", 0), Verifier: number32(d, "verifier", 0), Reset: d.HasArg("reset")}
		if int(index) < len(r.Rewrap.Partitions) {
			a.Lease = r.Rewrap.Partitions[index].Lease
		}
		a.Lease = uint64(number32(d, "lease", uint32(a.Lease)))
		c.Assignments = append(c.Assignments, a)
	}
	return s.give(d, c, nil)
}

func (s *scenario) replica(d *datadriven.TestData) *Store {
	if number32(d, "replica", 1) == 2 {
		return s.other
	}
	return s.store
}

// batch: unit= rewraps partition=, numbers from= to to= (excluded), from replica=. It may lie: lease=, pass=, count=, shift=.
func (s *scenario) putBatch(d *datadriven.TestData) string {
	c, table, failed := s.world.batch(s.replica(d), number32(d, "unit", 0), number32(d, "partition", 0), uint64(number32(d, "from", 0)), uint64(number32(d, "to", 0)))
	if len(failed) > 0 {
		return fmt.Sprintf("does not open: %v\n", failed)
	}
	c.Lease = uint64(number32(d, "lease", uint32(c.Lease)))
	c.Pass = number32(d, "pass", c.Pass)
	c.Count = number32(d, "count", c.Count)
	if claimed := number32(d, "claim-to", 0); claimed != 0 {
		c.To = uint64(claimed)
	}
	if d.HasArg("spoil") {
		table = slices.Clone(table)
		table[0] ^= 1
	}
	return s.give(d, c, table)
}

// verify: unit= verifies partition= on replica=.
func (s *scenario) verify(d *datadriven.TestData) string {
	index := number32(d, "partition", 0)
	r, _, _ := s.evidence()
	if _, err := s.units[number32(d, "unit", 0)-1].NewVerifier(order.Digest(r.Order), r.Rewrap.N, index, r.Rewrap.Partitions[index].Pass); err != nil {
		return "the unit refuses\n"
	}
	answer := s.give(d, s.world.verified(s.replica(d), number32(d, "unit", 0), index), nil)
	r, _, _ = s.evidence()
	return answer + r.State.String() + "\n"
}

func (s *scenario) fence(d *datadriven.TestData) string {
	r, _, _ := s.evidence()
	answer := s.give(d, &FenceUnit{Order: r.Order, Unit: number32(d, "unit", 0), At: s.clock}, nil)
	r, _, _ = s.evidence()
	return answer + r.State.String() + "\n"
}

func (s *scenario) fences(*datadriven.TestData) string {
	v := s.view()
	defer v.Close()
	var b strings.Builder
	for _, u := range v.Units() {
		switch {
		case u.Removed != (Digest{}):
			fmt.Fprintf(&b, "unit %d: removed\n", u.Number)
		case u.IsFenced():
			fmt.Fprintf(&b, "unit %d: fenced\n", u.Number)
		}
	}
	if b.Len() == 0 {
		return "none\n"
	}
	return b.String()
}

// approve: one administrator signs the pattern for activation.
func (s *scenario) approve(d *datadriven.TestData) string {
	r, _, rec := s.evidence()
	a := &order.Approval{Step: order.StepActivate, Cluster: rec.Order.Cluster, Incarnation: rec.Order.Incarnation, Order: rec.Digest}
	copy(a.Pattern[:], r.To[:])
	if d.HasArg("wrong") {
		a.Pattern[0] ^= 1
	}
	der, err := a.Encode()
	if err != nil {
		s.world.t.Fatal(err)
	}
	signed := &order.SignedApproval{Approval: der}
	if err := signed.Sign(s.admin); err != nil {
		s.world.t.Fatal(err)
	}
	encoded, err := signed.Encode()
	if err != nil {
		s.world.t.Fatal(err)
	}
	answer := s.give(d, &SubmitApproval{Order: r.Order, Approval: encoded, At: s.clock}, nil)
	r, _, _ = s.evidence()
	return answer + r.State.String() + "\n"
}

var _ raft.BatchingFSM = (*Store)(nil)
