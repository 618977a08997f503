package cryptounit

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"

	"tumbler/cryptounit/order"
)

// goldenSealed is "0123456789abcdef" twice, sealed under the register 00..1f with goldenHeader and nonce "ABC…X".
const goldenSealed = "d029efa5a67f72175e28d2d55e8849fee583b30eea4de676b13b24f3e2f5638b9a4c89c98b3aea088b5e128ca6116fe4"

// goldenHeader is the header of blob format 1: it is forever.
const goldenHeader = "01030100" + // format, use, class, zero
	"000102030405060708090a0b0c0d0e0f" + // instance
	"101112131415161718191a1b1c1d1e1f" + // pattern
	"202122232425262728292a2b2c2d2e2f" + // key
	"00000007" + // version
	"303132333435363738393a3b3c3d3e3f" + // wrapping key
	"04" + "7465616d" + // owner
	"0002" + "0102" // attributes

func TestHeaderGolden(t *testing.T) {
	h := Header{Use: UseMAC, Class: order.SystemInternal, Version: 7, Owner: "team", Attributes: []byte{1, 2}}
	for i := range 16 {
		h.Instance[i], h.Pattern[i], h.Key[i], h.WrappingKey[i] = byte(i), byte(i+16), byte(i+32), byte(i+48)
	}
	got, err := h.append(nil)
	if err != nil || hex.EncodeToString(got) != goldenHeader {
		t.Errorf("%x, %v", got, err)
	}
	back, err := ParseHeader(append(got, make([]byte, xaesOverhead+32)...))
	if err != nil || !reflect.DeepEqual(back, h) {
		t.Errorf("%+v, %v", back, err)
	}
}

// TestBlobGolden: a blob that an earlier build sealed opens, since the format and the subkeys have not moved.
func TestBlobGolden(t *testing.T) {
	register, err := secretOf(counting())
	if err != nil {
		t.Fatal(err)
	}
	defer register.free()
	x, err := register.xaes(blobPurpose(UseMAC))
	if err != nil {
		t.Fatal(err)
	}
	sealed := append([]byte("ABCDEFGHIJKLMNOPQRSTUVWX"), unhex(t, goldenSealed)...)
	got, err := x.newOpener().open(nil, sealed, unhex(t, goldenHeader))
	if err != nil || string(got) != "0123456789abcdef0123456789abcdef" {
		t.Errorf("opened %q, %v", got, err)
	}
}

func TestSubkeysGolden(t *testing.T) {
	// HKDF-SHA256 (RFC 5869) of 00..1f, computed by another implementation.
	for p, want := range map[purpose]string{
		purposeBlob:           "cd9b58f5fe5702916984618e78e0155863c8e9637f6d7a123443b5bcfa474d69",
		purposeKEK:            "a5099ad5c35f008e1519789f0b619c6105135b0d22537f85a37e23787da3f175",
		purposePublicKey:      "9f0f1564705ad5e743501141f7e3b305045eb158f047b7359c266c38ae050495",
		purposeOperationState: "cd7a4da0da39ee4a2f9a534a1770791ee5b28d1a0dd187655c28989e6aa7a381",
	} {
		got, err := subkey(counting(), p)
		if err != nil || hex.EncodeToString(got) != want {
			t.Errorf("%s: %x, %v", p, got, err)
		}
	}
}

func TestABlobOfA32ByteKeyTakes147Bytes(t *testing.T) {
	c := initialised(t, 1, 1)
	blob := c.mustBlob(1, Header{Use: UseRoot, Class: order.KMS, Instance: c.inst})
	if len(blob) != 147 {
		t.Errorf("%d bytes", len(blob))
	}
}

func FuzzParseHeader(f *testing.F) {
	head, err := hex.DecodeString(goldenHeader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(append(head, make([]byte, xaesOverhead+32)...))
	f.Add(head)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, blob []byte) {
		h, err := ParseHeader(blob)
		if err != nil {
			if !errors.Is(err, ErrBlob) {
				t.Fatalf("%v is no ErrBlob", err)
			}
			return
		}
		again, err := h.append(nil)
		if err != nil || !bytes.HasPrefix(blob, again) {
			t.Fatalf("%x parses to %+v, which is %x, %v", blob, h, again, err)
		}
	})
}

func counting() []byte {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
