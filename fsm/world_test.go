package fsm

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	mathrand "math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// world is two replicas and real crypto units, driven entry by entry. The replicas must answer every entry alike.
type world struct {
	t       testing.TB
	store   *Store // the first replica
	other   *Store
	log     []*raft.Log
	units   []*cryptounit.Unit
	dirs    []string
	gone    []uint32 // units that orders name no longer
	waiting []uint32 // units that have joined and that no order enrolled
	policy  order.Policy
	damaged bool // a replica was changed behind the state's back
	// restored: it began with the state of an archive, and its log alone leads nowhere.
	restored bool
	index    uint64
	admin    order.KeySigner
	list     order.Administrators
	cluster  order.ID
	inst     order.ID
	number   uint64
	clock    Time
}

type plainSealer struct{}

func (plainSealer) Seal(b []byte) ([]byte, error) { return bytes.Clone(b), nil }
func (plainSealer) Open(b []byte) ([]byte, error) { return bytes.Clone(b), nil }

func newWorld(t testing.TB, operational, recovery int) *world {
	t.Helper()
	return newWorldAt(t, FeatureLevel, operational, recovery)
}

// newWorldAt is founded at a feature level.
func newWorldAt(t testing.TB, level uint32, operational, recovery int) *world {
	t.Helper()
	store, other := openStore(t, t.TempDir()), openStore(t, t.TempDir())
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{
		t: t, store: store, other: other, policy: order.Online, admin: order.KeySigner{Key: key}, cluster: order.ID{1}, inst: order.ID{2}, clock: TimeOf(time.Now()),
		list: order.Administrators{List: []order.Administrator{{Name: "alice", Key: spki}}, Signature: 1, Revocation: 1},
	}
	w.must(&Bootstrap{Cluster: ID(w.cluster), Instance: ID(w.inst), Incarnation: 1, FeatureLevel: level, At: w.clock})
	for i := range operational + recovery {
		role := order.Operational
		if i >= operational {
			role = order.Recovery
		}
		w.dirs = append(w.dirs, t.TempDir())
		u := openUnit(t, w.dirs[i], uint32(i+1), role)
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

// openStore opens a store that ingests every table, some or none: its digests must be those of all others.
func openStore(t testing.TB, dir string) *Store {
	t.Helper()
	store, err := Open(Config{Dir: dir, CacheSize: 1 << 20, SmallTable: []int{1, 1200, MaxTableSize}[mathrand.IntN(3)]})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func openUnit(t testing.TB, dir string, number uint32, role order.Role) *cryptounit.Unit {
	t.Helper()
	u, err := cryptounit.Open(cryptounit.Config{Dir: dir, Number: number, Role: role, Sealer: plainSealer{}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { u.Close() })
	return u
}

// restartUnit ends a unit's process and starts it again.
func (w *world) restartUnit(n uint32) {
	w.t.Helper()
	role := w.units[n-1].Status().Role
	if err := w.units[n-1].Close(); err != nil {
		w.t.Fatal(err)
	}
	w.units[n-1] = openUnit(w.t, w.dirs[n-1], n, role)
}

func (w *world) register() {
	w.t.Helper()
	for i, u := range w.units {
		if slices.Contains(w.gone, uint32(i+1)) {
			continue
		}
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
	entry := &raft.Log{Index: w.index, Term: 1, Type: raft.LogCommand, Data: data, Extensions: table}
	w.log = append(w.log, entry)
	first, second := w.store.Apply(entry), w.other.Apply(entry)
	if !reflect.DeepEqual(first, second) {
		w.t.Fatalf("%T: one replica answers %v, the other %v", c, first, second)
	}
	switch answer := first.(type) {
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
		Kind: kind, Cluster: w.cluster, Incarnation: uint64(v.Cluster().Incarnation), Instance: w.inst, Number: w.number, Current: masterkey.Pattern(v.Cluster().Pattern),
		Suite: order.SuiteHPKE, Administrators: digest, Policy: w.policy, Commit: order.Automatic, Activate: order.Automatic,
		Retire: order.Keep, NotAfter: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
	}
	for i, u := range w.units {
		s := u.Status() // nothing, of one that is closed
		if slices.Contains(w.gone, uint32(i+1)) || slices.Contains(w.waiting, s.Number) && kind != order.Enrol && kind != order.Init {
			continue
		}
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

// evidence is what the rotation's order has now.
func (w *world) evidence() (Rotation, *order.Evidence, *order.Record) {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	r, _ := v.Rotation()
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
	return r, ev, rec
}

// act lets a unit take the step that the state wants of it, and gives what it states; false if it wants none.
func (w *world) act(n uint32) (*SubmitStatement, order.StatementKind, bool) {
	w.t.Helper()
	r, ev, rec := w.evidence()
	if !slices.Contains(r.Plan.Units, n) {
		return nil, 0, false
	}
	u := w.units[n-1]
	var s order.SignedStatement
	var envelopes []order.Envelope
	var err error
	due := func(step order.Step, kind order.StatementKind) bool {
		return rec.Said(kind, n) == nil && order.Needs(step, n, rec) == nil
	}
	kind := order.StatementKind(0)
	switch {
	case r.State == StatePreparing && due(order.StepPrepare, order.Ready):
		kind = order.Ready
		s, err = u.Accept(ev.Order)
	case r.State == StateGenerating && due(order.StepGenerate, order.Generated):
		kind = order.Generated
		s, envelopes, err = u.Generate(ev)
	case r.State == StateLoading && due(order.StepLoad, order.Loaded):
		kind = order.Loaded
		s, err = u.Load(ev, w.envelope(r.Order, n))
	case r.State == StateCommitting && due(order.StepCommit, order.Committed):
		kind = order.Committed
		s, err = u.Commit(ev)
	case (r.State == StateActivating || r.State == StateComplete) && due(order.StepActivate, order.Activated):
		kind = order.Activated
		s, err = u.Activate(ev)
	case (r.State == StateCancelling || r.State == StateCancelled) && due(order.StepClear, order.Cleared):
		kind = order.Cleared
		s, err = u.ClearNew(ev)
	default:
		return nil, 0, false
	}
	if err != nil {
		w.t.Fatalf("unit %d at %v: %v", n, r.State, err)
	}
	return w.statement(s, envelopes), kind, true
}

func (w *world) envelope(digest Digest, n uint32) order.Envelope {
	w.t.Helper()
	v := w.view()
	defer v.Close()
	der, err := v.Envelope(digest, n)
	if err != nil {
		w.t.Fatal(err)
	}
	envelope, err := order.DecodeEnvelope(der)
	if err != nil {
		w.t.Fatal(err)
	}
	return *envelope
}

func (w *world) statement(s order.SignedStatement, envelopes []order.Envelope) *SubmitStatement {
	w.t.Helper()
	c := &SubmitStatement{At: w.clock}
	var err error
	if c.Statement, err = s.Encode(); err != nil {
		w.t.Fatal(err)
	}
	for _, e := range envelopes {
		der, err := e.Encode()
		if err != nil {
			w.t.Fatal(err)
		}
		c.Envelopes = append(c.Envelopes, der)
	}
	return c
}

// converge lets each unit but the idle ones take steps until the rotation is in a state, or nobody has a step to take.
func (w *world) converge(until RotationState, idle ...uint32) {
	w.t.Helper()
	for acted := true; acted; {
		acted = false
		for i := range w.units {
			n := uint32(i + 1)
			if w.rotationState() == until {
				return
			}
			if slices.Contains(idle, n) || slices.Contains(w.gone, n) {
				continue
			}
			if c, _, ok := w.act(n); ok {
				w.must(c)
				acted = true
			}
		}
	}
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
	w.converge(state)
	if now := w.rotationState(); now != state {
		w.t.Fatalf("stuck at %v before %v", now, state)
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
