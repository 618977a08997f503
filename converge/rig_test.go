package converge

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

type plainSealer struct{}

func (plainSealer) Seal(b []byte) ([]byte, error) { return bytes.Clone(b), nil }
func (plainSealer) Open(b []byte) ([]byte, error) { return bytes.Clone(b), nil }

// rig is one replica, a log that agrees at once, and units with what speaks for them: nodes without a network. Unit 1 is
// operational, unit 2 a recovery unit.
type rig struct {
	t     *testing.T
	store *fsm.Store
	index uint64
	admin order.KeySigner
	list  order.Administrators
	nodes []*rigged
	order uint64
	meet  func(fsm.Command) // if set, is told of each command before it is proposed
}

// rigged is one unit and what speaks for it.
type rigged struct {
	dir        string
	unit       *cryptounit.Unit
	speaker    *Speaker
	converger  *Converger
	role       order.Role
	failed     error // why its node was to end
	proposed   []fsm.Command
	deaf       error // what its proposals come to, if set
	underneath *rig
}

func newRig(t *testing.T) *rig {
	t.Helper()
	store, err := fsm.Open(fsm.Config{Dir: t.TempDir(), CacheSize: 1 << 20})
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
	r := &rig{
		t: t, store: store, admin: order.KeySigner{Key: key},
		list: order.Administrators{List: []order.Administrator{{Name: "alice", Key: spki}}, Signature: 1, Revocation: 1},
	}
	r.must(&fsm.Bootstrap{Cluster: fsm.ID{1}, Instance: fsm.ID{2}, Incarnation: 1, FeatureLevel: fsm.FeatureLevel})
	for number, role := range []order.Role{order.Operational, order.Recovery} {
		n := &rigged{dir: t.TempDir(), role: role, underneath: r}
		n.open(uint32(number + 1))
		t.Cleanup(func() { n.unit.Close() })
		r.nodes = append(r.nodes, n)
		n.administrators()
		if err := n.speaker.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// initialised is a rig whose units hold a master key.
func initialised(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	r.must(r.submit(order.Init, nil))
	r.until(fsm.StateComplete)
	return r
}

// open opens the unit, as a start of its node does.
func (n *rigged) open(number uint32) {
	n.underneath.t.Helper()
	var err error
	if n.unit, err = cryptounit.Open(cryptounit.Config{Dir: n.dir, Number: number, Role: n.role, Sealer: plainSealer{}}); err != nil {
		n.underneath.t.Fatal(err)
	}
	n.speaker = NewSpeaker(Config{
		Number: number, Role: n.role, Unit: n.unit, Store: n.underneath.store, Log: n, Fail: func(err error) { n.failed = err },
	})
	n.converger = NewConverger(n.speaker, func(bool) {})
}

// putBack replaces the unit's file, and opens it.
func (n *rigged) putBack(file []byte) {
	t := n.underneath.t
	t.Helper()
	number := n.unit.Status().Number
	if err := errors.Join(n.unit.Close(), os.WriteFile(n.file(), file, 0o600)); err != nil {
		t.Fatal(err)
	}
	n.failed = nil
	n.open(number)
}

func (n *rigged) file() string { return filepath.Join(n.dir, "unit.sealed") }

// Propose and ReadIndex make a rigged node's agreement.
func (n *rigged) Propose(_ context.Context, c fsm.Command) (fsm.Result, error) {
	if n.deaf != nil {
		return fsm.Result{}, n.deaf
	}
	n.proposed = append(n.proposed, c)
	return n.underneath.propose(c)
}

func (*rigged) ReadIndex(context.Context) error { return nil }

// propose has the leader put a command into the log, as whoever it comes from.
func (r *rig) propose(c fsm.Command) (fsm.Result, error) {
	r.t.Helper()
	if r.meet != nil {
		r.meet(c)
	}
	data := r.encode(c)
	answer, err := r.examiner().Examine(r.t.Context(), 2, data)
	if err != nil {
		r.t.Fatal(err)
	}
	if answer != nil {
		return fsm.DecodeResult(answer)
	}
	return r.apply(data)
}

func (r *rig) examiner() *Examiner { return &Examiner{r.store, hclog.NewNullLogger()} }

func (r *rig) encode(c fsm.Command) []byte {
	r.t.Helper()
	data, err := fsm.Encode(c, fsm.NewRequestID(r.index))
	if err != nil {
		r.t.Fatal(err)
	}
	return data
}

func (r *rig) apply(data []byte) (fsm.Result, error) {
	r.t.Helper()
	r.index++
	answer, answered := r.store.Apply(&raft.Log{Index: r.index, Term: 1, Type: raft.LogCommand, Data: data}).([]byte)
	if !answered {
		r.t.Fatalf("entry %d stopped the store", r.index)
	}
	return fsm.DecodeResult(answer)
}

// believe has the state take what a leader whose host lies puts into the log.
func (r *rig) believe(c fsm.Command) {
	r.t.Helper()
	if _, err := r.apply(r.encode(c)); err != nil {
		r.t.Fatalf("%T: %v", c, err)
	}
}

func (r *rig) must(c fsm.Command) {
	r.t.Helper()
	if _, err := r.propose(c); err != nil {
		r.t.Fatalf("%T: %v", c, err)
	}
}

func (r *rig) known(number uint32) fsm.Unit {
	r.t.Helper()
	view := r.view()
	defer view.Close()
	u, ok := view.Unit(number)
	if !ok {
		r.t.Fatalf("the state knows no unit %d", number)
	}
	return u
}

func (r *rig) view() *fsm.View {
	r.t.Helper()
	view, err := r.store.View()
	if err != nil {
		r.t.Fatal(err)
	}
	return view
}

func (r *rig) rotation() fsm.Rotation {
	r.t.Helper()
	view := r.view()
	defer view.Close()
	rotation, _ := view.Rotation()
	return rotation
}

// until has the nodes converge, one step after the other, until the rotation is in a state.
func (r *rig) until(state fsm.RotationState) {
	r.t.Helper()
	for acted := true; acted && r.rotation().State != state; {
		acted = false
		for _, n := range r.nodes {
			if r.rotation().State == state {
				break
			}
			did, err := n.converger.Step(r.t.Context())
			if err != nil {
				r.t.Fatal(err)
			}
			acted = acted || did
		}
	}
	if now := r.rotation().State; now != state {
		r.t.Fatalf("stuck at %v before %v", now, state)
	}
}

// submit signs an order of both units.
func (r *rig) submit(kind order.Kind, change func(*order.Order)) *fsm.SubmitOrder {
	r.t.Helper()
	r.order++
	digest, err := r.list.Digest()
	if err != nil {
		r.t.Fatal(err)
	}
	view := r.view()
	defer view.Close()
	o := &order.Order{
		Kind: kind, Cluster: order.ID{1}, Incarnation: 1, Instance: order.ID{2}, Number: r.order, Current: masterkey.Pattern(view.Cluster().Pattern),
		Generator: 2, Suite: order.SuiteHPKE, Administrators: digest, Policy: order.Online, Commit: order.Automatic, Activate: order.Automatic,
		Retire: order.Keep, NotAfter: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
	}
	for i, n := range r.nodes {
		o.Units = append(o.Units, order.UnitRef{Number: uint32(i + 1), Role: n.role, Identity: n.unit.Status().Identity})
	}
	if change != nil {
		change(o)
	}
	der, err := o.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	signed := &order.SignedOrder{Order: der}
	if err := signed.Sign(r.admin); err != nil {
		r.t.Fatal(err)
	}
	encoded, err := signed.Encode()
	if err != nil {
		r.t.Fatal(err)
	}
	return &fsm.SubmitOrder{Order: encoded, At: fsm.TimeOf(time.Now())}
}

// rotate has the units register, and an order to rotate accepted.
func (r *rig) rotate(change func(*order.Order)) {
	r.t.Helper()
	for _, n := range r.nodes {
		if err := n.speaker.Register(r.t.Context()); err != nil {
			r.t.Fatal(err)
		}
	}
	r.must(r.submit(order.Rotate, change))
}

// cancel is an order that cancels the rotation.
func (r *rig) cancel() *fsm.SubmitOrder {
	r.t.Helper()
	rotation := r.rotation()
	return r.submit(order.Cancel, func(o *order.Order) {
		o.Generator, o.Subject = 0, order.Subject{Order: order.Digest(rotation.Order), OrderNumber: rotation.Number}
	})
}

// administrators gives a unit in imprint mode the rig's.
func (n *rigged) administrators() {
	t, r := n.underneath.t, n.underneath
	t.Helper()
	der, err := r.list.Encode()
	if err != nil {
		t.Fatal(err)
	}
	signed := order.SignedAdministrators{Administrators: der}
	if err := errors.Join(signed.SignFor(n.unit.Status().Identity, r.admin), n.unit.SetAdministrators(r.list, signed.Signatures)); err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
