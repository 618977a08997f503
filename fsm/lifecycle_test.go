package fsm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// world is a store and real crypto units, driven entry by entry.
type world struct {
	t       *testing.T
	store   *Store
	units   []*cryptounit.Unit
	index   uint64
	admin   order.KeySigner
	list    order.Administrators
	cluster order.ID
	inst    order.ID
	number  uint64
	clock   Time
}

type plainSealer struct{}

func (plainSealer) Seal(b []byte) ([]byte, error) { return bytes.Clone(b), nil }
func (plainSealer) Open(b []byte) ([]byte, error) { return bytes.Clone(b), nil }

func newWorld(t *testing.T, operational, recovery int) *world {
	t.Helper()
	store, err := Open(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, store: store, admin: order.KeySigner{Key: key}, cluster: order.ID{1}, inst: order.ID{2}, clock: TimeOf(time.Now()),
		list: order.Administrators{List: []order.Administrator{{Name: "alice", Key: spki}}, Signature: 1, Revocation: 1},
	}
	w.must(&Bootstrap{Cluster: ID(w.cluster), Instance: ID(w.inst), Incarnation: 1, FeatureLevel: 1, At: w.clock})
	for i := range operational + recovery {
		role := order.Operational
		if i >= operational {
			role = order.Recovery
		}
		u, err := cryptounit.Open(cryptounit.Config{Dir: t.TempDir(), Number: uint32(i + 1), Role: role, Sealer: plainSealer{}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { u.Close() })
		der, err := w.list.Encode()
		if err != nil {
			t.Fatal(err)
		}
		signed := order.SignedAdministrators{Administrators: der}
		if err := signed.SignFor(u.Status().Identity, w.admin); err != nil {
			t.Fatal(err)
		}
		if err := u.SetAdministrators(w.list, signed.Signatures); err != nil {
			t.Fatal(err)
		}
		w.units = append(w.units, u)
	}
	w.register()
	return w
}

func (w *world) register() {
	w.t.Helper()
	for i, u := range w.units {
		report, err := u.Report()
		if err != nil {
			w.t.Fatal(err)
		}
		der, _ := report.Encode()
		w.must(&RegisterUnit{Number: uint32(i + 1), Identity: Identity(u.Status().Identity), Role: Role(u.Status().Role), Report: der, At: w.clock})
	}
}

func (w *world) propose(c Command, table []byte) (Result, error) {
	w.t.Helper()
	data, err := Encode(c, NewRequestID(w.index))
	if err != nil {
		w.t.Fatal(err)
	}
	w.index++
	w.clock++
	switch answer := w.store.Apply(&raft.Log{Index: w.index, Term: 1, Type: raft.LogCommand, Data: data, Extensions: table}).(type) {
	case []byte:
		return DecodeResult(answer)
	case error:
		w.t.Fatal(answer)
	default:
		w.t.Fatalf("answer %T", answer)
	}
	return Result{}, nil
}

func (w *world) must(c Command) Result {
	w.t.Helper()
	r, err := w.propose(c, nil)
	if err != nil {
		w.t.Fatalf("%T: %v", c, err)
	}
	return r
}

func (w *world) order(kind order.Kind, change func(*order.Order)) *SubmitOrder {
	w.t.Helper()
	w.number++
	digest, err := w.list.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	v := w.view()
	defer v.Close()
	o := &order.Order{
		Kind: kind, Cluster: w.cluster, Incarnation: 1, Instance: w.inst, Number: w.number, Current: masterkey.Pattern(v.Cluster().Pattern),
		Suite: order.SuiteHPKE, Administrators: digest, Policy: order.Online, Commit: order.Automatic, Activate: order.Automatic,
		Retire: order.Keep, NotAfter: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
	}
	for _, u := range w.units {
		s := u.Status()
		o.Units = append(o.Units, order.UnitRef{Number: s.Number, Role: s.Role, Identity: s.Identity})
		if kind.StaysOpen() && s.Role == order.Recovery && o.Generator == 0 {
			o.Generator = s.Number
		}
	}
	if change != nil {
		change(o)
	}
	der, err := o.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	signed := &order.SignedOrder{Order: der}
	if err := signed.Sign(w.admin); err != nil {
		w.t.Fatal(err)
	}
	encoded, err := signed.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return &SubmitOrder{Order: encoded, At: w.clock}
}

func (w *world) view() *View {
	w.t.Helper()
	v, err := w.store.View()
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// converge lets every unit but the idle take the step that the state wants, once.
func (w *world) converge(idle ...uint32) (acted bool) {
	w.t.Helper()
	for _, u := range w.units {
		n := u.Status().Number
		if contains(idle, n) {
			continue
		}
		acted = w.convergeOne(n) || acted
	}
	return acted
}

func contains(list []uint32, n uint32) bool {
	for _, m := range list {
		if m == n {
			return true
		}
	}
	return false
}

func (w *world) convergeOne(n uint32) bool {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	r, ok := v.Rotation()
	if !ok {
		return false
	}
	receipt, err := v.Receipt(r.Order)
	if err != nil {
		w.t.Fatal(err)
	}
	ev, err := receipt.Evidence(r)
	if err != nil {
		w.t.Fatal(err)
	}
	rec, err := ev.Read()
	if err != nil {
		w.t.Fatal(err)
	}
	u := w.units[n-1]
	var s order.SignedStatement
	var envelopes []order.Envelope
	due := func(step order.Step, kind order.StatementKind) bool {
		return rec.Said(kind, n) == nil && order.Needs(step, n, rec) == nil
	}
	switch {
	case r.State == StatePreparing && due(order.StepPrepare, order.Ready):
		s, err = u.Accept(ev.Order)
	case r.State == StateGenerating && due(order.StepGenerate, order.Generated):
		s, envelopes, err = u.Generate(ev)
	case r.State == StateLoading && due(order.StepLoad, order.Loaded):
		der, e := v.Envelope(r.Order, n)
		if e != nil {
			w.t.Fatal(e)
		}
		envelope, e := order.DecodeEnvelope(der)
		if e != nil {
			w.t.Fatal(e)
		}
		s, err = u.Load(ev, *envelope)
	case r.State == StateCommitting && due(order.StepCommit, order.Committed):
		s, err = u.Commit(ev)
	case (r.State == StateActivating || r.State == StateComplete) && due(order.StepActivate, order.Activated):
		s, err = u.Activate(ev)
	case (r.State == StateCancelling || r.State == StateCancelled) && due(order.StepClear, order.Cleared):
		s, err = u.ClearNew(ev)
	default:
		return false
	}
	if err != nil {
		w.t.Fatalf("unit %d at %v: %v", n, r.State, err)
	}
	w.state(s, envelopes)
	return true
}

func (w *world) state(s order.SignedStatement, envelopes []order.Envelope) {
	w.t.Helper()
	c := &SubmitStatement{At: w.clock}
	c.Statement, _ = s.Encode()
	for _, e := range envelopes {
		der, _ := e.Encode()
		c.Envelopes = append(c.Envelopes, der)
	}
	w.must(c)
}

func (w *world) rotationState() RotationState {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	r, _ := v.Rotation()
	return r.State
}

func (w *world) until(state RotationState) {
	w.t.Helper()
	for w.rotationState() != state {
		if !w.converge() {
			w.t.Fatalf("stuck at %v before %v", w.rotationState(), state)
		}
	}
}

func (w *world) createKey(id byte) ID {
	w.t.Helper()
	key := ID{id}
	if _, err := w.propose(&CreateKey{Key: key, Class: ClassKMS, State: KeyActive, Material: w.material(key), At: w.clock}, nil); err != nil {
		w.t.Fatal(err)
	}
	return key
}

func (w *world) material(key ID) Material {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	service := v.ServiceState()
	var under []masterkey.Pattern
	for _, p := range service.Patterns {
		under = append(under, masterkey.Pattern(p))
	}
	h := cryptounit.Header{Use: cryptounit.UseRoot, Class: order.KMS, Instance: w.inst, Key: order.ID(key), Version: 1}
	blobs, err := w.units[0].GenerateKey(h, 32, under...)
	if err != nil {
		w.t.Fatal(err)
	}
	m := Material{Order: service.Order}
	for i, b := range blobs {
		m.Blobs = append(m.Blobs, PatternBlob{Pattern: service.Patterns[i], Blob: b})
	}
	return m
}

// rewrap has one unit write every partition and another verify it.
func (w *world) rewrap(writer, verifier uint32) {
	w.t.Helper()
	v := w.view()
	r, _ := v.Rotation()
	v.Close()
	for _, p := range r.Rewrap.Partitions {
		w.must(&AssignPartitions{Order: r.Order, Assignments: []Assignment{{Partition: p.Index, Lease: p.Lease, Owner: writer, Verifier: verifier}}, At: w.clock})
		w.write(writer, p.Index)
		w.verify(verifier, p.Index)
	}
}

func (w *world) partition(index uint32) (Rotation, Partition) {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	r, _ := v.Rotation()
	return r, r.Rewrap.Partitions[index]
}

func (w *world) write(writer, index uint32) {
	w.t.Helper()
	r, p := w.partition(index)
	u := w.units[writer-1]
	if err := u.BeginPartition(order.Digest(r.Order), p.Index, p.Pass); err != nil {
		w.t.Fatal(err)
	}
	v := w.view()
	defer v.Close()
	var numbers []uint64
	var blobs [][]byte
	if err := v.Blobs(v.CurrentEpoch(), p.Cursor, p.End, func(n uint64, b []byte) (bool, error) {
		numbers, blobs = append(numbers, n), append(blobs, bytes.Clone(b))
		return true, nil
	}); err != nil {
		w.t.Fatal(err)
	}
	out, err := u.Rewrap(order.Digest(r.Order), p.Index, p.Pass, blobs)
	if err != nil || len(out.Failed) > 0 {
		w.t.Fatal(err, out.Failed)
	}
	var rows []BlobRecord
	for i, b := range out.Blobs {
		rows = append(rows, BlobRecord{Number: numbers[i], Blob: b})
	}
	c := &PutBatch{Order: r.Order, Partition: p.Index, Pass: p.Pass, Lease: p.Lease, From: p.Cursor, To: p.End, Count: uint32(len(rows)),
		Counts: Counts{System: out.Counts[0], KMS: out.Counts[1], EP11: out.Counts[2]}}
	var table []byte
	if len(rows) > 0 {
		if table, err = BuildTable(r.Rewrap.Epoch, rows); err != nil {
			w.t.Fatal(err)
		}
		c.Table, c.Size = sha256.Sum256(table), uint32(len(table))
	}
	if _, err := w.propose(c, table); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) verify(verifier, index uint32) {
	w.t.Helper()
	r, p := w.partition(index)
	check, err := w.units[verifier-1].NewVerifier(order.Digest(r.Order), r.Rewrap.N, p.Index, p.Pass)
	if err != nil {
		w.t.Fatal(err)
	}
	v := w.view()
	defer v.Close()
	if err := v.Blobs(v.CurrentEpoch(), p.From, p.End, func(n uint64, b []byte) (bool, error) {
		next, err := v.Blob(r.Rewrap.Epoch, n)
		if err != nil {
			return false, fmt.Errorf("number %d: %w", n, err)
		}
		return true, check.Add(b, next.Blob)
	}); err != nil {
		w.t.Fatal(err)
	}
	s, err := check.Finish()
	if err != nil {
		w.t.Fatal(err)
	}
	w.state(s, nil)
}

func TestInitAndRotation(t *testing.T) {
	w := newWorld(t, 3, 2)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	v := w.view()
	before := v.Cluster().Pattern
	v.Close()
	if before == (Pattern{}) {
		t.Fatal("no master key after the init")
	}
	for i := range 20 {
		w.createKey(byte(i + 1))
	}
	w.register()
	w.must(w.order(order.Rotate, nil))
	w.until(StateRewrapping)
	w.createKey(99) // a pair
	w.rewrap(1, 4)
	if got := w.rotationState(); got != StateActivating {
		t.Fatalf("after the last verified it is %v", got)
	}
	w.until(StateComplete)
	v = w.view()
	defer v.Close()
	after := v.Cluster().Pattern
	if after == before || v.Census() != (Counts{KMS: 21}) {
		t.Fatalf("pattern %x, census %v", after, v.Census())
	}
	count := 0
	if err := v.Blobs(v.CurrentEpoch(), 1, 100, func(_ uint64, b []byte) (bool, error) {
		count++
		return true, w.units[2].Check(b)
	}); err != nil || count != 21 {
		t.Fatalf("%d blobs open: %v", count, err)
	}
	for _, u := range w.units {
		s := u.Status()
		if s.Registers.Current != masterkey.CurrentValid || Pattern(s.Registers.CurrentPattern) != after || s.Registers.New != masterkey.NewEmpty {
			t.Errorf("unit %d: %+v", s.Number, s.Registers)
		}
		if retired := len(s.Retired); (retired == 1) != (s.Role == order.Recovery) {
			t.Errorf("unit %d keeps %d retired keys", s.Number, retired)
		}
	}
	rotations, err := v.Rotations()
	if err != nil || len(rotations) != 2 {
		t.Fatal(rotations, err)
	}
	receipt, err := v.Receipt(rotations[1].Order)
	if err != nil {
		t.Fatal(err)
	}
	ev, err := receipt.Evidence(rotations[1])
	if err != nil {
		t.Fatal(err)
	}
	rec, err := ev.Verify(&w.list)
	if err != nil {
		t.Fatal(err)
	}
	if err := order.Needs(order.StepActivate, 0, rec); err != nil {
		t.Fatal(err)
	}
}

func TestCancelLeavesBlobsAsTheyWere(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	w.createKey(1)
	w.register()
	submit := w.order(order.Rotate, func(o *order.Order) { o.Activate = order.Signed })
	w.must(submit)
	w.until(StateRewrapping)
	v := w.view()
	blob, err := v.Blob(v.CurrentEpoch(), 1)
	if err != nil {
		t.Fatal(err)
	}
	v.Close()
	w.rewrap(1, 2)
	if got := w.rotationState(); got != StateRewrapped {
		t.Fatalf("held at %v", got)
	}
	signed, err := order.DecodeSignedOrder(submit.Order)
	if err != nil {
		t.Fatal(err)
	}
	number := w.number
	w.must(w.order(order.Cancel, func(o *order.Order) {
		o.Subject = order.Subject{Order: signed.Digest(), OrderNumber: number}
	}))
	w.until(StateCancelled)
	v = w.view()
	defer v.Close()
	again, err := v.Blob(v.CurrentEpoch(), 1)
	if err != nil || !bytes.Equal(again.Blob, blob.Blob) {
		t.Fatal("the current blob changed", err)
	}
	if _, err := v.Blob(2, 1); !errors.Is(err, ErrNotFound) {
		t.Fatalf("the next epoch is still there: %v", err)
	}
}
