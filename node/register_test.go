package node

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"

	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

type plainSealer struct{}

func (plainSealer) Seal(b []byte) ([]byte, error) { return bytes.Clone(b), nil }
func (plainSealer) Open(b []byte) ([]byte, error) { return bytes.Clone(b), nil }

// TestANodeFindsThatItsUnitWasRolledBack: before it registers anything, from what the state knows of the unit.
func TestANodeFindsThatItsUnitWasRolledBack(t *testing.T) {
	store, err := fsm.Open(fsm.Config{Dir: t.TempDir(), CacheSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	index := uint64(0)
	apply := func(c fsm.Command) {
		t.Helper()
		data, err := fsm.Encode(c, fsm.NewRequestID(index))
		if err != nil {
			t.Fatal(err)
		}
		index++
		if _, answered := store.Apply(&raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: data}).([]byte); !answered {
			t.Fatal("the entry stopped the store")
		}
	}
	apply(&fsm.Bootstrap{Cluster: fsm.ID{1}, Instance: fsm.ID{2}, Incarnation: 1, FeatureLevel: 1})

	dir := t.TempDir()
	path := filepath.Join(dir, "unit.sealed")
	r := &registrar{config: Config{Number: 1}, replica: &replica{store: store}}
	open := func(file []byte) {
		t.Helper()
		if file != nil {
			if err := errors.Join(r.unit.Close(), os.WriteFile(path, file, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		if r.unit, err = cryptounit.Open(cryptounit.Config{Dir: dir, Number: 1, Role: order.Operational, Sealer: plainSealer{}}); err != nil {
			t.Fatal(err)
		}
	}
	open(nil)
	t.Cleanup(func() { r.unit.Close() })
	older := mustRead(t, path)
	goOn(t, r.unit)
	report, err := r.unit.Report()
	if err != nil {
		t.Fatal(err)
	}
	der, err := report.Encode()
	if err != nil {
		t.Fatal(err)
	}
	apply(&fsm.RegisterUnit{Number: 1, Identity: fsm.Identity(r.unit.Status().Identity), Role: fsm.RoleOperational, Report: der})
	newer := mustRead(t, path)
	if err := r.checkGeneration(); err != nil {
		t.Errorf("the newest file: %v", err)
	}
	open(older)
	if err := r.checkGeneration(); !errors.Is(err, errRolledBack) {
		t.Errorf("an older file: %v", err)
	}
	open(newer)
	if err := r.checkGeneration(); err != nil {
		t.Errorf("the newest file again: %v", err)
	}
}

// goOn has a unit make something durable: its administrators.
func goOn(t *testing.T, u *cryptounit.Unit) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	list := order.Administrators{List: []order.Administrator{{Name: "alice", Key: spki}}, Signature: 1, Revocation: 1}
	der, err := list.Encode()
	if err != nil {
		t.Fatal(err)
	}
	signed := order.SignedAdministrators{Administrators: der}
	if err := errors.Join(signed.SignFor(u.Status().Identity, order.KeySigner{Key: key}), u.SetAdministrators(list, signed.Signatures)); err != nil {
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
