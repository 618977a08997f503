package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tumbler/cli/tke/ceremony"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// TestOnlyTheOrderThatIsAwaitedIsTaken: with as many signatures as it needs, and no other order in its place.
func TestOnlyTheOrderThatIsAwaitedIsTaken(t *testing.T) {
	keys := []*ecdsa.PrivateKey{newKey(t), newKey(t)}
	list := &order.Administrators{Signature: 2, Revocation: 1}
	for n, key := range keys {
		public, err := x509.MarshalPKIXPublicKey(key.Public())
		if err != nil {
			t.Fatal(err)
		}
		list.List = append(list.List, order.Administrator{Name: []string{"Alice", "Bob"}[n], Key: public})
	}
	restore := func(number uint64) []byte {
		digest, err := list.Digest()
		if err != nil {
			t.Fatal(err)
		}
		o := order.Order{
			Kind: order.Restore, Cluster: order.ID{1}, Incarnation: 1, Instance: order.ID{2}, Number: number, Current: masterkey.PatternOf([]byte("key")), Suite: order.SuiteHPKE,
			Units:          []order.UnitRef{{Number: 1, Role: order.Recovery, Identity: order.Identity{1}}},
			Administrators: digest, Policy: order.Documented, Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep,
			NotAfter: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
			Subject:  order.Subject{Archive: order.Digest{7}, Incarnation: 2, Units: []order.UnitRef{{Number: 2, Role: order.Recovery, Identity: order.Identity{9}}}},
		}
		der, err := o.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	path := filepath.Join(t.TempDir(), "order"+ceremony.SignedEnding)
	signedBy := func(der []byte, keys ...*ecdsa.PrivateKey) {
		t.Helper()
		administrators, err := list.Encode()
		if err != nil {
			t.Fatal(err)
		}
		e := order.Evidence{Administrators: administrators, Order: order.SignedOrder{Order: der}}
		for _, key := range keys {
			if err := e.Order.Sign(order.KeySigner{Key: key}); err != nil {
				t.Fatal(err)
			}
		}
		file, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	awaited := restore(9)
	if _, err := readSigned(path, awaited, list); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
	signedBy(awaited, keys[0])
	if _, err := readSigned(path, awaited, list); !errors.Is(err, order.ErrTooFewSignatures) {
		t.Error(err)
	}
	signedBy(restore(10), keys...)
	if _, err := readSigned(path, awaited, list); !errors.Is(err, errAnotherOrder) {
		t.Error(err)
	}
	signedBy(awaited, keys...)
	if _, err := readSigned(path, awaited, list); err != nil {
		t.Error(err)
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
