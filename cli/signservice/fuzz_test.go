package signservice

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"reflect"
	"testing"
)

// FuzzPublicKey: what is read as a public key is a point of P-521, and the integers that it was written as.
func FuzzPublicKey(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	point66, err := key.PublicKey.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	der, err := asn1.Marshal(point{new(big.Int).SetBytes(point66[1:67]), new(big.Int).SetBytes(point66[67:])})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(base64.StdEncoding.EncodeToString(der))
	f.Add(base64.StdEncoding.EncodeToString(append(der, 0)))
	f.Add("MAYCAQUCAQc=")
	f.Fuzz(func(t *testing.T, text string) {
		public, err := parsePublic(text)
		if err != nil {
			return
		}
		bytes, err := public.Bytes()
		if err != nil || public.Curve != elliptic.P521() {
			t.Fatal(err)
		}
		der, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := asn1.Marshal(point{new(big.Int).SetBytes(bytes[1:67]), new(big.Int).SetBytes(bytes[67:])}); err != nil || string(again) != string(der) {
			t.Errorf("%x is written as %x, %v", der, again, err)
		}
	})
}

// FuzzList: a list is read as before when it is written again.
func FuzzList(f *testing.F) {
	f.Add([]byte(`[{"key":"a"},{"key":"b","token":"t","name":"Bob"}]`))
	f.Add([]byte(`[{"key":"a"}] `))
	f.Add([]byte(`[null]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		list, err := parse(text)
		if err != nil {
			return
		}
		written, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := parse(written); err != nil || !reflect.DeepEqual(again, list) {
			t.Errorf("%q is written as %q: %v", text, written, err)
		}
	})
}
