package converge

import (
	"bytes"
	"crypto/hpke"
	"errors"
	"slices"
	"testing"
	"time"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// byParts has an order with two key parts accepted, and every unit ready for them.
func (r *rig) byParts(kind order.Kind) {
	r.t.Helper()
	for _, n := range r.nodes {
		if err := n.speaker.Register(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	}
	r.must(r.submit(kind, func(o *order.Order) { o.Generator, o.Parts, o.Commit, o.Activate = 0, 2, order.Signed, order.Signed }))
	r.until(fsm.StateLoading)
}

// seal is what a custodian's workstation makes of a part: from the evidence that the state shows alone.
func (r *rig) seal(unit, part uint32, value []byte) order.Envelope {
	r.t.Helper()
	view := r.view()
	defer view.Close()
	rotation, _ := view.Rotation()
	evidence, err := evidenceOf(view, rotation)
	if err != nil {
		r.t.Fatal(err)
	}
	record, err := evidence.Verify(&r.list)
	if err != nil {
		r.t.Fatal(err)
	}
	source, err := order.SKIOf(r.admin.Public())
	if err != nil {
		r.t.Fatal(err)
	}
	target, _ := record.Order.Unit(unit)
	context := order.EnvelopeContext{
		Cluster: record.Order.Cluster, Order: record.Digest, Source: source, Target: target.Identity, Importer: record.Said(order.Ready, unit).Importer, Part: part,
	}
	info, err := context.Info()
	if err != nil {
		r.t.Fatal(err)
	}
	key, err := hpke.MLKEM768X25519().NewPublicKey(context.Importer)
	if err != nil {
		r.t.Fatal(err)
	}
	e := order.Envelope{Suite: order.SuiteHPKE, Order: record.Digest, Unit: unit, Part: part, Source: source}
	if e.Sealed, err = hpke.Seal(key, hpke.HKDFSHA256(), hpke.AES256GCM(), info, value); err != nil {
		r.t.Fatal(err)
	}
	if err := e.SignAsAdministrator(info, r.admin); err != nil {
		r.t.Fatal(err)
	}
	return e
}

// gives has a unit take a part, and checks what it replies.
func (r *rig) gives(n *rigged, part uint32, value []byte, waiting ...uint32) {
	r.t.Helper()
	number := n.unit.Status().Number
	signed, loaded, err := n.speaker.LoadPart(r.t.Context(), r.seal(number, part, value))
	if err != nil {
		r.t.Fatalf("part %d for unit %d: %v", part, number, err)
	}
	reply, err := signed.Verify(n.unit.Status().Identity)
	if err != nil {
		r.t.Fatal(err)
	}
	if reply.Part != part || reply.Pattern != masterkey.PatternOf(value) || !slices.Equal(reply.Waiting, waiting) || loaded != (len(waiting) == 0) {
		r.t.Errorf("unit %d loaded: %v, and replies %+v to part %d", number, loaded, reply, part)
	}
}

func (r *rig) approve(step order.Step) *fsm.SubmitApproval {
	r.t.Helper()
	rotation := r.rotation()
	a := order.Approval{Step: step, Cluster: order.ID{1}, Incarnation: 1, Order: order.Digest(rotation.Order), Pattern: masterkey.Pattern(rotation.To)}
	der, err := a.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	signed := order.SignedApproval{Approval: der}
	if err := signed.Sign(r.admin); err != nil {
		r.t.Fatal(err)
	}
	encoded, err := signed.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	return &fsm.SubmitApproval{Order: rotation.Order, Approval: encoded, At: fsm.TimeOf(time.Now())}
}

func partValue(b byte) []byte { return bytes.Repeat([]byte{b}, masterkey.Size) }

// TestAMasterKeyComesInParts: an init and a rotation, part by part, in any order, while nodes start again. Both end with what one
// administrator signs: an init with set-immediate.
func TestAMasterKeyComesInParts(t *testing.T) {
	r := newRig(t)
	ends := map[order.Kind]order.Step{order.Init: order.StepSetImmediate, order.Rotate: order.StepActivate}
	for i, kind := range []order.Kind{order.Init, order.Rotate} {
		first, second := partValue(byte(31*i+1)), partValue(byte(66*i+2))
		r.byParts(kind)
		one, two := r.nodes[0], r.nodes[1]
		r.gives(one, 2, second, 2)
		r.gives(two, 1, first, 1)
		one.restart()
		r.gives(one, 2, second, 2) // the same again
		if r.rotation().State != fsm.StateLoading || one.unit.Status().Registers.New != masterkey.NewEmpty {
			t.Fatalf("%v: loaded with one part of two", kind)
		}
		r.gives(one, 1, first)
		r.gives(two, 2, second)
		if state := r.rotation().State; state != fsm.StateCommitting {
			t.Fatalf("%v: every unit has loaded, and it is %v", kind, state)
		}
		// What a custodian whose answer was lost hears then.
		if reply, loaded, err := one.speaker.LoadPart(t.Context(), order.Envelope{Order: order.Digest(r.rotation().Order)}); err != nil || reply != nil || !loaded {
			t.Errorf("%v: a part after the last: %v, %v, %v", kind, reply, loaded, err)
		}
		r.must(r.approve(order.StepCommit))
		if kind == order.Rotate {
			r.until(fsm.StateRewrapped)
		} else {
			r.settle()
		}
		r.must(r.approve(ends[kind]))
		r.until(fsm.StateComplete)
		for _, n := range r.nodes {
			if is := n.unit.Status().Registers; is.CurrentPattern != masterkey.Pattern(r.rotation().To) || is.New != masterkey.NewEmpty {
				t.Errorf("%v: a unit ends with %v", kind, is)
			}
		}
	}
}

// TestAUnitThatLoadedPartsSaysSoAfterACrash: its file is written, and the state knows nothing of it yet.
func TestAUnitThatLoadedPartsSaysSoAfterACrash(t *testing.T) {
	r := newRig(t)
	r.byParts(order.Init)
	one, two := r.nodes[0], r.nodes[1]
	r.gives(one, 1, partValue(1), 1)
	one.deaf = errors.New("no leader")
	r.gives(one, 2, partValue(2))
	select {
	case <-one.speaker.nudged:
	default:
		t.Error("the converger is not woken")
	}
	if r.rotation().To != (fsm.Pattern{}) {
		t.Fatal("the state knows it")
	}
	one.deaf = nil
	one.restart()
	if acted, err := one.converger.Step(t.Context()); !acted || err != nil {
		t.Fatalf("after a crash: %v, %v", acted, err)
	}
	if r.rotation().To == (fsm.Pattern{}) {
		t.Error("the unit has not said what it loaded")
	}
	if acted, err := two.converger.Step(t.Context()); acted || err != nil {
		t.Errorf("a unit without parts acts: %v, %v", acted, err)
	}
}

// TestAUnitThatCombinedAnotherKeyIsLeft: its word is refused, and it does not fill the log with it. A cancel clears it.
func TestAUnitThatCombinedAnotherKeyIsLeft(t *testing.T) {
	r := newRig(t)
	r.byParts(order.Init)
	one, two := r.nodes[0], r.nodes[1]
	r.gives(one, 1, partValue(1), 1)
	r.gives(two, 1, partValue(1), 1)
	one.deaf = errors.New("no leader")
	r.gives(one, 2, partValue(3))
	one.deaf = nil
	r.gives(two, 2, partValue(2))
	index := r.index
	if acted, err := one.converger.Step(t.Context()); acted || err != nil || r.index != index {
		t.Errorf("it says what nobody can take: %v, %v", acted, err)
	}
	r.must(r.cancel())
	r.until(fsm.StateCancelled)
	if is := one.unit.Status().Registers; is.New != masterkey.NewEmpty {
		t.Errorf("it holds %v", is)
	}
}

// TestPartsAreTakenOfTheOpenOrderOnly: at none, before every unit is ready, for another order, and after its end.
func TestPartsAreTakenOfTheOpenOrderOnly(t *testing.T) {
	r := newRig(t)
	n := r.nodes[0]
	refused := func(when string, e order.Envelope, want error) {
		t.Helper()
		before := n.unit.Status().Generation
		if _, _, err := n.speaker.LoadPart(t.Context(), e); !errors.Is(err, want) || n.unit.Status().Generation != before {
			t.Errorf("%s: %v", when, err)
		}
	}
	refused("before any order", order.Envelope{}, ErrNoPartsNow)
	r.must(r.submit(order.Init, func(o *order.Order) { o.Generator, o.Parts, o.Commit, o.Activate = 0, 2, order.Signed, order.Signed }))
	refused("before a unit is ready", order.Envelope{Order: order.Digest(r.rotation().Order)}, ErrNoPartsNow)
	r.until(fsm.StateLoading)
	good := r.seal(1, 1, partValue(1))
	other := good
	other.Order[0] ^= 1
	refused("of another order", other, ErrNoPartsNow)
	other = good
	other.Part = 2
	refused("under another number", other, order.ErrInvalidSignature)
	r.gives(n, 1, partValue(1), 1)
	r.must(r.cancel())
	refused("while it is cancelled", good, ErrNoPartsNow)
	r.until(fsm.StateCancelled)
	refused("after it was cancelled", good, ErrNoPartsNow)
	r.must(r.submit(order.Init, nil))
	r.until(fsm.StateLoading)
	refused("where a unit draws the key", order.Envelope{Order: order.Digest(r.rotation().Order)}, order.ErrWrongKind)
}

// TestNoPartIsInTheState: neither a part, nor its pattern, nor what a unit replies about it, is in what nodes agree on.
func TestNoPartIsInTheState(t *testing.T) {
	r := newRig(t)
	var log bytes.Buffer
	r.meet = func(c fsm.Command) { log.Write(r.encode(c)) }
	r.byParts(order.Init)
	for _, n := range r.nodes {
		r.gives(n, 1, partValue(1), 1)
		r.gives(n, 2, partValue(2))
	}
	r.must(r.approve(order.StepCommit))
	r.settle()
	r.must(r.approve(order.StepSetImmediate))
	r.until(fsm.StateComplete)
	view := r.view()
	defer view.Close()
	receipt, err := view.Receipt(r.rotation().Order)
	if err != nil {
		t.Fatal(err)
	}
	for _, der := range slices.Concat(receipt.Statements, receipt.Approvals) {
		log.Write(der)
	}
	for i := range view.Units() {
		log.Write(view.Units()[i].Report)
		log.Write(view.Units()[i].Stated)
	}
	for _, b := range []byte{1, 2} {
		pattern := masterkey.PatternOf(partValue(b))
		for what, secret := range map[string][]byte{"value": partValue(b)[:16], "pattern": pattern[:16]} {
			if bytes.Contains(log.Bytes(), secret) {
				t.Errorf("the %s of part %d is there", what, b)
			}
		}
	}
	if whole := r.rotation().To; !bytes.Contains(log.Bytes(), whole[:16]) {
		t.Error("nor is the pattern of the whole key: the search is blind")
	}
}

// settle has the nodes converge until none has a step to take.
func (r *rig) settle() {
	r.t.Helper()
	for acted := true; acted; {
		acted = false
		for _, n := range r.nodes {
			did, err := n.converger.Step(r.t.Context())
			if err != nil {
				r.t.Fatal(err)
			}
			acted = acted || did
		}
	}
}

// restart is a crash of the node, and its next start.
func (n *rigged) restart() {
	n.underneath.t.Helper()
	number := n.unit.Status().Number
	if err := n.unit.Close(); err != nil {
		n.underneath.t.Fatal(err)
	}
	n.open(number)
}
