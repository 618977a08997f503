package document

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"io"
	"testing"
	"time"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// FuzzDocument: whatever is read as an order or as approvals is written to the same bytes, and can be shown.
func FuzzDocument(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	public := encoded(f, key)
	list := &order.Administrators{List: []order.Administrator{{Name: "Alice", Key: public}}, Signature: 1, Revocation: 1}
	digest, err := list.Digest()
	if err != nil {
		f.Fatal(err)
	}
	o := order.Order{
		Kind: order.Rotate, Cluster: order.ID{1}, Incarnation: 1, Instance: order.ID{2}, Number: 9, Current: masterkey.PatternOf([]byte("key")),
		Units: []order.UnitRef{{Number: 1, Role: order.Recovery, Identity: order.Identity{1}}}, Generator: 1, Suite: order.SuiteHPKE,
		Administrators: digest, Policy: order.Documented, Commit: order.Automatic, Activate: order.Signed, Retire: order.Keep,
		NotAfter: time.Unix(1_900_000_000, 0).UTC(),
	}
	plain, err := NewOrder(o, list)
	if err == nil {
		err = plain.Sign(order.KeySigner{Key: key})
	}
	if err != nil {
		f.Fatal(err)
	}
	step, err := NewApproval(order.Approval{Step: order.StepActivate, Cluster: o.Cluster, Incarnation: 1, Order: plain.Digest(), Pattern: masterkey.PatternOf([]byte("new"))}, plain.Signed, &o, list)
	if err != nil {
		f.Fatal(err)
	}
	units := &Document{List: list, Instance: o.Instance}
	for n := range uint32(2) {
		if err := units.Add(n+1, order.Approval{Step: order.StepZeroize, Unit: order.Identity{byte(n + 1)}, Generation: 3}); err != nil {
			f.Fatal(err)
		}
	}
	for _, d := range []*Document{plain, step, units} {
		der, err := d.Encode()
		if err != nil {
			f.Fatal(err)
		}
		if _, err := decode(der); err != nil {
			f.Fatal(err)
		}
		f.Add(der)
		f.Add(der[:len(der)-1])
		f.Add(append(der, 0))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		d, err := decode(der)
		if err != nil {
			return
		}
		d.Show(io.Discard)
		if again, err := d.Encode(); err != nil || !bytes.Equal(again, der) {
			t.Errorf("%x is written as %x, %v", der, again, err)
		}
	})
}

// publicKey makes an administrator's key.
func publicKey(t testing.TB) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return encoded(t, key)
}

func encoded(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return public
}
