package admin

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// world is a cluster of three operational and two recovery units under two of three administrators: real keys, real
// signatures, and a state and units that answer as the test says.
type world struct {
	fake
	t       *testing.T
	admins  []order.KeySigner
	list    *order.Administrators
	keys    map[uint32]ed25519.PrivateKey
	address string
	client  *client.Client

	mu        sync.Mutex
	view      view
	version   uint64
	changed   chan struct{}
	proposed  []fsm.Command
	refuse    error
	silent    map[uint32]bool
	last      bool // the unit to be zeroized is the last that holds the master key
	keeps     bool // the unit does not empty its register, although the state accepted that
	registers map[uint32]masterkey.Registers
	unitList  map[uint32]*order.Administrators
	asked
}

// asked is which units were asked for something.
type asked struct {
	refreshed []uint32
	set       map[uint32]bool // units that were given administrators
	zeroized  []uint32
	parts     []uint32 // units that were given a part
}

var worldTime = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, keys: map[uint32]ed25519.PrivateKey{}, changed: make(chan struct{}), version: 1,
		silent: map[uint32]bool{}, asked: asked{set: map[uint32]bool{}}, registers: map[uint32]masterkey.Registers{}, unitList: map[uint32]*order.Administrators{}}
	w.list = &order.Administrators{Signature: 2, Revocation: 2}
	for i := range 3 {
		w.admins = append(w.admins, newSigner(t))
		w.list.List = append(w.list.List, administrator(t, fmt.Sprintf("admin%d", i+1), w.admins[i]))
	}
	w.view = view{cluster: fsm.Cluster{ID: fsm.ID{1}, Incarnation: 1, Instance: fsm.ID{2}, FeatureLevel: 1, LastOrder: 6, Administrators: w.encode(w.list),
		Pattern: patternOf(1), Epochs: fsm.Epochs{Current: 1, Last: 1}, NextBlob: 11, Census: fsm.Counts{System: 1, KMS: 9}}}
	for n := uint32(1); n <= 5; n++ {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		w.keys[n] = private
		role := fsm.RoleOperational
		if n > 3 {
			role = fsm.RoleRecovery
		}
		w.view.units = append(w.view.units, fsm.Unit{Number: n, Role: role, Identity: fsm.Identity(public), Location: "eu.a.01.0" + fmt.Sprint(n),
			API: fmt.Sprintf("localhost:%d", 8433+10*n), Enrolled: fsm.Digest{9}, Generation: 4})
		w.members = append(w.members, client.Member{Number: n, Voter: true, Alive: true, Leader: n == 1})
		w.registers[n] = masterkey.Registers{Current: masterkey.CurrentValid, CurrentPattern: patternOf(1), New: masterkey.NewEmpty}
		w.unitList[n] = w.list
	}
	ca := newCA(t)
	b := w.backend()
	b.State, b.Proposer, b.Units = w, w, w
	b.Now = func() time.Time { return worldTime }
	w.address = ca.serve(New(b))
	w.client = ca.mustClient("alice", w.address)
	return w
}

func newSigner(t *testing.T) order.KeySigner {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return order.KeySigner{Key: key}
}

func administrator(t *testing.T, name string, s order.KeySigner) order.Administrator {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(s.Public())
	if err != nil {
		t.Fatal(err)
	}
	return order.Administrator{Name: name, Key: der}
}

func patternOf(key byte) masterkey.Pattern { return masterkey.PatternOf(append(make([]byte, 31), key)) }

// encoder is anything with a canonical form.
type encoder interface{ Encode() ([]byte, error) }

func (w *world) encode(e encoder) []byte {
	w.t.Helper()
	der, err := e.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	return der
}

// rotate is an order that fits this world.
func (w *world) rotate() *order.Order {
	w.t.Helper()
	digest, err := w.list.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	o := &order.Order{Kind: order.Rotate, Cluster: order.ID{1}, Incarnation: 1, Instance: order.ID{2}, Number: 7, Current: patternOf(1), Generator: 4,
		Suite: order.SuiteHPKE, Administrators: digest, Policy: order.Documented, Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep,
		NotAfter: worldTime.Add(time.Hour)}
	for _, u := range w.view.units {
		o.Units = append(o.Units, order.UnitRef{Number: u.Number, Role: order.Role(u.Role), Identity: order.Identity(u.Identity)})
	}
	return o
}

func (w *world) sign(o *order.Order, by ...order.KeySigner) *order.SignedOrder {
	w.t.Helper()
	signed := &order.SignedOrder{Order: w.encode(o)}
	for _, s := range by {
		if err := signed.Sign(s); err != nil {
			w.t.Fatal(err)
		}
	}
	return signed
}

// state signs a statement of a unit.
func (w *world) state(s *order.Statement) []byte {
	w.t.Helper()
	s.Cluster, s.Incarnation = order.ID{1}, 1
	key := w.keys[s.Unit]
	signed, err := order.SignStatement(s, order.Identity(key.Public().(ed25519.PublicKey)), func(b []byte) []byte { return ed25519.Sign(key, b) })
	if err != nil {
		w.t.Fatal(err)
	}
	return w.encode(signed)
}

// change wakes those who wait for the state.
func (w *world) change(f func(*view)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.view)
	w.version++
	close(w.changed)
	w.changed = make(chan struct{})
}

func (w *world) View() (View, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	snapshot := w.view
	return &snapshot, nil
}

func (w *world) Watch() (uint64, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.version, w.changed
}

func (w *world) ReadIndex(context.Context) error { return nil }

func (w *world) Propose(_ context.Context, c fsm.Command) (fsm.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.proposed = append(w.proposed, c)
	if clear, ok := c.(*fsm.ClearCurrent); ok && w.refuse == nil {
		w.empties(clear)
	}
	return fsm.Result{}, w.refuse
}

// empties has unit 2 come to what the state has accepted, a little later.
func (w *world) empties(c *fsm.ClearCurrent) {
	w.view.units[1].Clear = c.Approval
	go w.change(func(v *view) {
		if !w.keeps {
			w.registers[2] = masterkey.Empty()
		}
		v.units = slices.Clone(v.units)
		v.units[1].Clear = nil
		v.units[1].Report = w.state(&order.Statement{Kind: order.ReportOnly, Unit: 2, Generation: 6, Report: &order.Report{Role: order.Operational,
			Instance: order.ID{2}, Registers: w.registers[2], Administrators: w.encode(w.list)}})
	})
}

func (w *world) Report(_ context.Context, number uint32) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.silent[number] {
		return nil, ErrUnitUnreachable
	}
	return w.state(&order.Statement{Kind: order.ReportOnly, Unit: number, Generation: 5, Report: &order.Report{Role: order.Role(w.view.units[number-1].Role),
		Instance: order.ID{2}, Registers: w.registers[number], Administrators: w.encode(w.unitList[number]), LastOrder: 6, Retired: 1}}), nil
}

func (w *world) SetAdministrators(_ context.Context, number uint32, list []byte, signatures [][]byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.set[number] = true
	decoded, err := order.DecodeAdministrators(list)
	w.unitList[number] = decoded
	return err
}

func (w *world) Zeroize(_ context.Context, number uint32, _ []byte, masterKey string) ([]byte, error) {
	w.mu.Lock()
	if w.last && masterKey != patternOf(1).String() {
		defer w.mu.Unlock()
		return nil, fmt.Errorf("crypto unit %d: %w", number, ErrLastHolder)
	}
	w.zeroized = append(w.zeroized, number)
	w.unitList[number], w.registers[number] = &order.Administrators{}, masterkey.Empty()
	w.mu.Unlock()
	return w.Report(w.t.Context(), number)
}

// LoadPart has a unit take part 1 and wait.
func (w *world) LoadPart(_ context.Context, number uint32, der []byte) ([]byte, bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refuse != nil {
		return nil, false, w.refuse
	}
	w.parts = append(w.parts, number)
	return []byte("reply"), len(w.parts) == 2, nil
}

func (w *world) Refresh(_ context.Context, units []uint32) ([]uint32, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.refreshed = append(w.refreshed, units...)
	for _, n := range units {
		if w.silent[n] {
			return nil, ErrUnitUnreachable
		}
	}
	return []uint32{3}, nil
}

// view is a state as the test wrote it.
type view struct {
	cluster   fsm.Cluster
	service   fsm.ServiceState
	units     []fsm.Unit
	rotations []fsm.Rotation // oldest first
	orders    map[fsm.Digest]fsm.OrderRecord
	receipts  map[fsm.Digest]fsm.Receipt
	blobs     map[uint64]fsm.BlobRecord
	apiKeys   []fsm.APIKeyRecord
	tokens    []fsm.TokenRecord
}

func (v *view) ServiceState() fsm.ServiceState {
	s := v.service
	s.Bootstrapped = v.cluster.ID != fsm.ID{}
	if v.cluster.Pattern != (fsm.Pattern{}) {
		s.Patterns = []fsm.Pattern{v.cluster.Pattern}
	}
	return s
}
func (v *view) Cluster() fsm.Cluster { return v.cluster }
func (v *view) Units() []fsm.Unit    { return v.units }
func (v *view) Unit(n uint32) (fsm.Unit, bool) {
	for _, u := range v.units {
		if u.Number == n {
			return u, true
		}
	}
	return fsm.Unit{}, false
}
func (v *view) Rotation() (fsm.Rotation, bool) {
	if len(v.rotations) == 0 {
		return fsm.Rotation{}, false
	}
	return v.rotations[len(v.rotations)-1], true
}
func (v *view) Record() *order.Record {
	rotation, some := v.Rotation()
	if !some {
		return nil
	}
	receipt, err := v.Receipt(rotation.Order)
	if err != nil {
		panic(err)
	}
	evidence, err := receipt.Evidence(rotation)
	if err != nil {
		panic(err)
	}
	record, err := evidence.Read()
	if err != nil {
		panic(err)
	}
	return record
}
func (v *view) Rotations() ([]fsm.Rotation, error) { return v.rotations, nil }
func (v *view) Order(d fsm.Digest) (fsm.OrderRecord, error) {
	if record, ok := v.orders[d]; ok {
		return record, nil
	}
	return fsm.OrderRecord{}, fsm.ErrNotFound
}
func (v *view) Receipt(d fsm.Digest) (fsm.Receipt, error) {
	if receipt, ok := v.receipts[d]; ok {
		return receipt, nil
	}
	return fsm.Receipt{}, fsm.ErrNotFound
}
func (v *view) Blob(_, n uint64) (fsm.BlobRecord, error) {
	if blob, ok := v.blobs[n]; ok {
		return blob, nil
	}
	return fsm.BlobRecord{}, fsm.ErrNotFound
}
func (v *view) APIKeys() ([]fsm.APIKeyRecord, error) { return v.apiKeys, nil }
func (v *view) Tokens() ([]fsm.TokenRecord, error)   { return v.tokens, nil }
func (v *view) Close() error                         { return nil }
