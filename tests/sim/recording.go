package main

import (
	"errors"
	"slices"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
	"tumbler/tests/model"
)

// recording is what happens in a world, in the words of the model (tests/model): what the state answers to entries of the log
// that a rotation is about, what units say and when, what their registers then hold, which nodes end and start. It ends before
// the first thing that the model does not know: an order of another kind, a blob that does not open, a disk that was lost or
// that forgot.
type recording struct {
	w       *world
	trace   model.Trace
	over    bool
	indexes []uint64 // of the entries that it has
	given   []uint64 // numbers of blobs, ascending
	keys    map[masterkey.Pattern]int
	orders  map[fsm.Digest]int
	seen    map[fsm.RequestID]bool
	said    map[fsm.RequestID]int // which step of its unit said it
	units   []cryptounit.Status   // as they last were
	down    []model.Step          // how each node ended
}

// record begins a recording. nil: the world is not of a shape that the model knows.
func (w *world) record() *recording {
	if w.liars != nil {
		return nil
	}
	view, err := w.truth.View()
	if err != nil {
		return nil
	}
	defer view.Close()
	r := &recording{
		w: w, keys: map[masterkey.Pattern]int{}, orders: map[fsm.Digest]int{}, seen: map[fsm.RequestID]bool{}, said: map[fsm.RequestID]int{},
		down: make([]model.Step, len(w.nodes)),
	}
	for _, k := range w.keys.keys {
		for _, v := range k.versions {
			r.given = append(r.given, v.number)
		}
	}
	slices.Sort(r.given)
	last := r.given[len(r.given)-1]
	if order.Partitions(last) > 2 {
		return nil
	}
	if from, _, ok := order.PartitionRange(last, 1); ok {
		r.trace.Second = r.ordinal(from)
	}
	r.trace.Given = len(r.given)
	r.key(masterkey.Pattern(view.Cluster().Pattern))
	for _, n := range w.nodes {
		r.units = append(r.units, n.unit.Status())
	}
	r.trace.Units = make([][]model.Step, len(w.nodes))
	return r
}

// known: the event leads to nothing that would end a recording. What comes of others is the simulation's alone.
func known(e Event) bool {
	switch e.Do {
	case "work":
		return (e.Role != ordering || e.Arg%16 != 5) && (e.Role != calling || e.Arg/16%16 != 7)
	case "apply", "go", "lose", "twice", "late", "crash", "point", "start", "cut", "join", "leader", "clock", "flush", "snapshot", "install":
		return true
	}
	return false
}

// empty: there is nothing to ask the model about.
func (r *recording) empty() bool { return len(r.orders) == 0 }

// key and order give numbers by first appearance; 0: none, or one that was before.
func (r *recording) key(p masterkey.Pattern) int {
	if p == (masterkey.Pattern{}) {
		return 0
	}
	if r.keys[p] == 0 {
		r.keys[p] = len(r.keys) + 1
	}
	return r.keys[p]
}

// ordinal is how the model calls the first number that is given from one on.
func (r *recording) ordinal(number uint64) int {
	at, _ := slices.BinarySearch(r.given, number)
	return at + 1
}

// after is how many entries a replica at an index has.
func (r *recording) after(index uint64) int {
	at, _ := slices.BinarySearch(r.indexes, index+1)
	return at
}

// stated are the kinds of statements that the model knows, each with the step of a unit that it is said by.
var stated = map[order.StatementKind][2]model.Kind{
	order.Ready: {model.Accept, model.Ready}, order.Generated: {model.Generate, model.Generated}, order.Loaded: {model.Load, model.Loaded},
	order.Committed: {model.Commit, model.Committed}, order.Verified: {model.Check, model.Verified},
	order.Activated: {model.Activate, model.Activated}, order.Cleared: {model.Clear, model.Cleared},
}

// says notes what leaves a node: its unit has taken the step.
func (r *recording) says(n *node, data []byte) {
	if r == nil || r.over {
		return
	}
	command, request, err := fsm.Decode(data)
	if err != nil {
		return
	}
	s := model.Step{Unit: int(n.number) - 1, Lowest: r.after(r.w.running.since), Highest: len(r.trace.Log), Key: model.Any}
	switch c := command.(type) {
	case *fsm.SubmitStatement:
		about, _, _ := statementOf(c)
		if about == nil || stated[about.Kind] == [2]model.Kind{} {
			return
		}
		s.Kind, s.Says, s.Order = stated[about.Kind][0], stated[about.Kind][1], r.orders[fsm.Digest(about.Order)]
		s.Partition, s.Pass, s.Lease, s.From, s.To = model.Any, model.Any, model.Any, model.Any, model.Any
		switch about.Kind {
		case order.Generated, order.Loaded, order.Committed, order.Activated:
			s.Key = r.key(about.Pattern)
		case order.Verified:
			s.Partition, s.Pass = int(about.Verification.Partition), int(about.Verification.Pass)
		case order.Ready, order.Cleared, order.CannotOpen, order.ReportOnly:
		}
	case *fsm.PutBatch:
		s.Kind, s.Says, s.Order = model.Rewrap, model.Written, r.orders[c.Order]
		s.Partition, s.Pass, s.Lease = int(c.Partition), int(c.Pass), int(c.Lease)
		s.From, s.To = r.ordinal(c.From), r.ordinal(c.To)-1
	default:
		return
	}
	r.said[request] = len(r.trace.Units[s.Unit])
	r.units[s.Unit] = n.unit.Status()
	r.took(s)
}

// took notes a step of a unit, which left its registers so.
func (r *recording) took(s model.Step) {
	of := r.units[s.Unit].Registers
	s.Current, s.New, s.Fixed = r.key(of.CurrentPattern), 0, 0
	if of.New != masterkey.NewEmpty {
		s.New = r.key(of.NewPattern)
	}
	if of.New == masterkey.NewFullCommitted {
		s.Fixed = 1
	}
	r.trace.Units[s.Unit] = append(r.trace.Units[s.Unit], s)
}

// ends notes that a node ended.
func (r *recording) ends(n *node) {
	if r == nil || r.over {
		return
	}
	since := n.store.AppliedIndex()
	for _, at := range n.workers {
		since = min(since, at.since)
	}
	r.down[n.number-1] = model.Step{Kind: model.Crash, Unit: int(n.number) - 1, Lowest: r.after(since), Highest: len(r.trace.Log)}
}

// starts notes that a node started, and first what it had done at its end, of which it could say nothing.
func (r *recording) starts(n *node) {
	if r == nil || r.over {
		return
	}
	was, is := r.units[n.number-1], n.unit.Status()
	if n.newest != nil || is.Identity != was.Identity {
		r.over = true
		return
	}
	end := r.down[n.number-1]
	at := len(r.trace.Log)
	if kind := r.unsaid(n, was, is); kind != 0 {
		r.units[n.number-1] = is
		r.took(model.Step{Kind: kind, Unit: end.Unit, Lowest: end.Lowest, Highest: end.Highest})
	}
	end.Lowest = end.Highest
	r.took(end)
	r.units[n.number-1] = is
	r.took(model.Step{Kind: model.Start, Unit: end.Unit, Lowest: at, Highest: at})
}

// unsaid is the step that a unit took as its process ended; 0: none.
func (r *recording) unsaid(n *node, was, is cryptounit.Status) model.Kind {
	a, b := was.Registers, is.Registers
	switch {
	case a.CurrentPattern != b.CurrentPattern:
		return model.Activate
	case a.New == masterkey.NewEmpty && b.New != masterkey.NewEmpty && int(n.number) == r.trace.Generator+1:
		return model.Generate
	case a.New == masterkey.NewEmpty && b.New != masterkey.NewEmpty:
		return model.Load
	case a.New == masterkey.NewFullUncommitted && b.New == masterkey.NewFullCommitted:
		return model.Commit
	case a.New != masterkey.NewEmpty && b.New == masterkey.NewEmpty || is.OpenOrder.IsZero() && (!was.OpenOrder.IsZero() || is.LastOrder != was.LastOrder):
		return model.Clear
	case is.OpenOrder != was.OpenOrder:
		return model.Accept
	}
	return 0
}

// enters notes an entry of the log, and what the state answered.
func (r *recording) enters(e *entry, request fsm.RequestID, from *node, before *fsm.View) error {
	if r == nil || r.over {
		return nil
	}
	_, batch := e.command.(*fsm.PutBatch)
	if r.seen[request] && !batch || errors.Is(e.refusal, fsm.ErrOutcomeUnknown) {
		return nil // it is answered as at first
	}
	r.seen[request] = true
	after, err := r.w.truth.View()
	if err != nil {
		return err
	}
	defer after.Close()
	rotation, _ := after.Rotation()
	s := model.Step{State: int(rotation.State)}
	if e.refusal == nil {
		s.Accepted = 1
	}
	var steps []model.Step
	switch c := e.command.(type) {
	case *fsm.SubmitStatement, *fsm.PutBatch:
		steps = r.spoken(e, s, request, from, before)
	case *fsm.SubmitOrder:
		steps = r.ordered(c, s, before, after)
	case *fsm.SubmitApproval:
		if s.Kind = model.Approve; before.Record().Approved(order.StepActivate) == nil {
			steps = accepted(s)
		}
	case *fsm.FenceUnit:
		s.Kind, s.Unit = model.Fence, int(c.Unit)-1
		if u, _ := before.Unit(c.Unit); !u.IsFenced() {
			steps = accepted(s)
		}
	case *fsm.AssignPartitions:
		steps = r.assigned(c, s)
	case *fsm.CreateKey:
		steps = r.created(c.Material, s, e)
	case *fsm.AddKeyVersion:
		steps = r.created(c.Material, s, e)
	case *fsm.RegisterUnit, *fsm.DigestState, *fsm.DeleteKey, *fsm.RestoreKey, *fsm.PurgeKey, *fsm.SweepPurged:
		return nil // the model does not speak of it, and it changes nothing that the model speaks of
	default:
		r.over = r.over || e.refusal == nil
	}
	for i, s := range steps {
		if len(r.orders) == 0 || i < len(steps)-1 {
			s.State = model.Any
		}
		r.trace.Log, r.indexes = append(r.trace.Log, s), append(r.indexes, e.log.Index)
	}
	return nil
}

// accepted: the model takes no step of these that is refused.
func accepted(s model.Step) []model.Step {
	if s.Accepted == 0 {
		return nil
	}
	return []model.Step{s}
}

// spoken is an entry that a unit said.
func (r *recording) spoken(e *entry, s model.Step, request fsm.RequestID, from *node, before *fsm.View) []model.Step {
	about, _, _ := statementOf(e.command)
	switch {
	case about != nil && about.Kind == order.CannotOpen:
		r.over = r.over || e.refusal == nil
		return nil
	case errors.Is(e.refusal, fsm.ErrGeneration):
		return nil // the model knows no generations
	case about != nil && about.Kind == order.Verified && slices.ContainsFunc(before.Record().Statements, about.Same):
		return nil // the state has it, whatever has become of the partition
	}
	said, is := r.said[request]
	if !is {
		r.over = true
		return nil
	}
	s.Unit, s.Said = int(from.number)-1, said
	s.Kind = r.trace.Units[s.Unit][said].Says
	return []model.Step{s}
}

// ordered is an order of administrators.
func (r *recording) ordered(c *fsm.SubmitOrder, s model.Step, before, after *fsm.View) []model.Step {
	if s.Accepted == 0 || before.Cluster().LastOrder == after.Cluster().LastOrder {
		return nil
	}
	signed, err := order.DecodeSignedOrder(c.Order)
	if err != nil {
		return nil
	}
	o, err := signed.Decode()
	if err != nil {
		return nil
	}
	generator := int(o.Generator) - 1
	switch {
	case o.Kind == order.Cancel:
		s.Kind = model.Cancel
	case o.Kind == order.Rotate && o.Generator != 0 && (len(r.orders) == 0 || generator == r.trace.Generator):
		r.trace.Generator = generator
		r.orders[fsm.Digest(signed.Digest())] = len(r.orders) + 1
		s.Kind = model.Order
		if o.Activate == order.Signed {
			s.Begins = 1
		}
	default:
		r.over = true
		return nil
	}
	return []model.Step{s}
}

// assigned are the leader's wishes, of which the model knows one at a time.
func (r *recording) assigned(c *fsm.AssignPartitions, s model.Step) (steps []model.Step) {
	if s.Accepted == 0 && len(c.Assignments) != 1 {
		return nil
	}
	for _, a := range c.Assignments {
		s.Kind, s.Order, s.Partition, s.Lease, s.From, s.To, s.Begins = model.Assign, r.orders[c.Order], int(a.Partition), int(a.Lease), int(a.Owner), int(a.Verifier), 0
		if a.Reset {
			s.Begins = 1
		}
		steps = append(steps, s)
	}
	return steps
}

// created is a new blob, or a pair.
func (r *recording) created(m fsm.Material, s model.Step, e *entry) []model.Step {
	if e.refusal != nil && !errors.Is(e.refusal, fsm.ErrSealAgain) {
		return nil
	}
	s.Kind, s.Order = model.Create, r.orders[m.Order]
	for i, b := range m.Blobs {
		if key := r.key(masterkey.Pattern(b.Pattern)); i == 0 {
			s.Key = key
		} else {
			s.Next = key
		}
	}
	if e.refusal == nil {
		r.given = append(r.given, e.result.Blob)
	}
	return []model.Step{s}
}
