package node

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

	"github.com/hashicorp/raft"

	"tumbler/converge"
	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// TestADryRunFindsTheBlobThatDoesNotOpen: before anything is generated, and it changes nothing.
func TestADryRunFindsTheBlobThatDoesNotOpen(t *testing.T) {
	r := newSmall(t)
	for i := range byte(3) {
		r.createKey(fsm.ID{i + 1})
	}
	checks := adminChecks{&Node{store: r.store, unit: r.units[0]}}
	whole, err := checks.DryRun(t.Context())
	if err != nil || whole.Opened != 3 || len(whole.Unopenable) != 0 || whole.Keys.KMS != 3 {
		t.Errorf("all open: %+v, %v", whole, err)
	}
	view := must[*fsm.View](t)(r.store.View())
	blob, err := view.Blob(view.CurrentEpoch(), 2)
	view.Close()
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(blob.Blob)
	bad[len(bad)-1] ^= 1
	r.must(&fsm.RepairBlob{Key: fsm.ID{2}, Version: 1, Epoch: 1, Number: 2, Blob: bad})
	before := must[[]byte](t)(os.ReadFile(filepath.Join(r.dir, "unit.sealed")))
	got, err := checks.DryRun(t.Context())
	if err != nil || got.Opened != 2 || len(got.Unopenable) != 1 || got.Unopenable[0].Number != 2 || got.Unopenable[0].Key != (order.ID{2}).String() {
		t.Errorf("one does not open: %+v, %v", got, err)
	}
	if !bytes.Equal(before, must[[]byte](t)(os.ReadFile(filepath.Join(r.dir, "unit.sealed")))) {
		t.Error("the unit wrote its file")
	}
}

// small is one replica, a log that agrees at once, and two units that hold a master key.
type small struct {
	t     *testing.T
	store *fsm.Store
	index uint64
	units []*cryptounit.Unit
	dir   string // of the first unit
}

func (s *small) Propose(_ context.Context, c fsm.Command) (fsm.Result, error) {
	data, err := fsm.Encode(c, fsm.NewRequestID(s.index))
	if err != nil {
		return fsm.Result{}, err
	}
	s.index++
	return fsm.DecodeResult(s.store.Apply(&raft.Log{Index: s.index, Term: 1, Type: raft.LogCommand, Data: data}).([]byte))
}

func (*small) ReadIndex(context.Context) error { return nil }

func (s *small) must(c fsm.Command) {
	s.t.Helper()
	if _, err := s.Propose(s.t.Context(), c); err != nil {
		s.t.Fatalf("%T: %v", c, err)
	}
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func newSmall(t *testing.T) *small {
	t.Helper()
	s := &small{t: t, store: must[*fsm.Store](t)(fsm.Open(fsm.Config{Dir: t.TempDir()})), dir: t.TempDir()}
	t.Cleanup(func() { s.store.Close() })
	key := must[*ecdsa.PrivateKey](t)(ecdsa.GenerateKey(elliptic.P521(), rand.Reader))
	list := order.Administrators{Signature: 1, Revocation: 1, List: []order.Administrator{{Name: "alice", Key: must[[]byte](t)(x509.MarshalPKIXPublicKey(&key.PublicKey))}}}
	o := &order.Order{
		Kind: order.Init, Cluster: order.ID{1}, Incarnation: 1, Instance: order.ID{2}, Number: 1, Generator: 2, Suite: order.SuiteHPKE,
		Administrators: must[order.Digest](t)(list.Digest()), Policy: order.Online, Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep,
		NotAfter: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
	}
	s.must(&fsm.Bootstrap{Cluster: fsm.ID{1}, Instance: fsm.ID{2}, Incarnation: 1, FeatureLevel: fsm.FeatureLevel})
	var nodes []*converge.Converger
	for i, role := range []order.Role{order.Operational, order.Recovery} {
		dir := []string{s.dir, t.TempDir()}[i]
		unit := must[*cryptounit.Unit](t)(cryptounit.Open(cryptounit.Config{Dir: dir, Number: uint32(i + 1), Role: role, Sealer: plainSealer{}}))
		t.Cleanup(func() { unit.Close() })
		signed := order.SignedAdministrators{Administrators: must[[]byte](t)(list.Encode())}
		if err := errors.Join(signed.SignFor(unit.Status().Identity, order.KeySigner{Key: key}), unit.SetAdministrators(list, signed.Signatures)); err != nil {
			t.Fatal(err)
		}
		speaker := converge.NewSpeaker(converge.Config{Number: uint32(i + 1), Role: role, Unit: unit, Store: s.store, Log: s, Fail: func(err error) { t.Error(err) }})
		if err := speaker.Register(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.units, nodes = append(s.units, unit), append(nodes, converge.NewConverger(speaker, func(bool) {}))
		o.Units = append(o.Units, order.UnitRef{Number: uint32(i + 1), Role: role, Identity: unit.Status().Identity})
	}
	signed := &order.SignedOrder{Order: must[[]byte](t)(o.Encode())}
	if err := signed.Sign(order.KeySigner{Key: key}); err != nil {
		t.Fatal(err)
	}
	s.must(&fsm.SubmitOrder{Order: must[[]byte](t)(signed.Encode())})
	for acted := true; acted; {
		acted = false
		for _, n := range nodes {
			acted = must[bool](t)(n.Step(t.Context())) || acted
		}
	}
	return s
}

type plainSealer struct{}

func (plainSealer) Seal(b []byte) ([]byte, error) { return bytes.Clone(b), nil }
func (plainSealer) Open(b []byte) ([]byte, error) { return bytes.Clone(b), nil }

// createKey makes a key of the current master key.
func (s *small) createKey(id fsm.ID) {
	s.t.Helper()
	view := must[*fsm.View](s.t)(s.store.View())
	pattern := view.Cluster().Pattern
	view.Close()
	h := cryptounit.Header{Use: cryptounit.UseRoot, Class: order.KMS, Instance: order.ID{2}, Key: order.ID(id), Version: 1}
	blobs := must[[][]byte](s.t)(s.units[0].GenerateKey(h, 32, masterkey.Pattern(pattern)))
	s.must(&fsm.CreateKey{Key: id, Class: fsm.ClassKMS, State: fsm.KeyActive, Material: fsm.Material{Blobs: []fsm.PatternBlob{{Pattern: pattern, Blob: blobs[0]}}}})
}
