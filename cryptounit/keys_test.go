package cryptounit

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"testing"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

func TestOneMaterialUnderTwoMasterKeys(t *testing.T) {
	c := initialised(t, 2, 1)
	s := c.committed()
	a, b := c.pattern(1), c.unit(1).Status().Registers.NewPattern
	material := bytes.Repeat([]byte{0x5a}, 32)
	pair, err := c.unit(1).ImportKey(c.header(1, UseStandard, order.KMS), material, a, b)
	if err != nil || len(pair) != 2 {
		t.Fatalf("%d blobs, %v", len(pair), err)
	}
	for i, want := range []masterkey.Pattern{a, b} {
		h, err := ParseHeader(pair[i])
		if err != nil || h.Pattern != want.Short() {
			t.Errorf("blob %d: %+v, %v", i, h, err)
		}
		got, err := c.unit(2).Export(pair[i])
		if err != nil || !bytes.Equal(got, material) {
			t.Errorf("blob %d holds %x, %v", i, got, err)
		}
	}
	s.activate()
	c.refused(1, ErrPatternUnknown, func(u *Unit) error {
		_, err := u.ImportKey(c.header(1, UseRoot, order.KMS), material, a)
		return err
	})
}

// Many keys are made as a batch: what was brought, what was drawn, each under each pattern, and none of them if one cannot be.
func TestManyKeysAreMadeAtOnce(t *testing.T) {
	c := initialised(t, 2, 1)
	c.committed()
	u := c.unit(1)
	a, b := c.pattern(1), u.Status().Registers.NewPattern
	brought := []byte("brought by a caller, 32 bytes it")
	keys := []NewKey{
		{Header: c.header(1, UseStandard, order.KMS), Material: brought},
		{Header: c.header(2, UseStandard, order.KMS), Size: 24},
		{Header: c.header(3, UseStandard, order.KMS), Size: 24},
	}
	blobs, err := u.MakeKeys(keys, a, b)
	if err != nil {
		t.Fatal(err)
	}
	drawn := map[string]bool{}
	for i := range keys {
		var opened [2][]byte
		for j := range opened {
			if opened[j], err = u.Export(blobs[i][j]); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(opened[0], opened[1]) || len(opened[0]) != keys[i].size() {
			t.Errorf("key %d is %d bytes under one master key and %d under the other", i, len(opened[0]), len(opened[1]))
		}
		if i == 0 && !bytes.Equal(opened[0], brought) {
			t.Error("what was brought is not what was sealed")
		}
		drawn[string(opened[0])] = true
	}
	if len(drawn) != len(keys) {
		t.Error("two keys are the same")
	}
	keys[2].Header.Owner = string(make([]byte, 256))
	if blobs, err := u.MakeKeys(keys, a); !errors.Is(err, ErrBlob) || blobs != nil {
		t.Errorf("one key cannot be made, and %d were: %v", len(blobs), err)
	}
}

func TestNothingIsSealedUnderAnUncommittedKey(t *testing.T) {
	c := initialised(t, 2, 1)
	c.begin(order.Rotate, nil).accept().generate().load()
	b := c.unit(1).Status().Registers.NewPattern
	c.refused(1, ErrPatternUnknown, func(u *Unit) error {
		_, err := u.GenerateKey(c.header(1, UseRoot, order.KMS), 32, b)
		return err
	})
}

func TestAKeyIsForItsUseOnly(t *testing.T) {
	c := initialised(t, 1, 1)
	u := c.unit(1)
	blobs := map[Use][]byte{}
	for _, use := range []Use{UseRoot, UseStandard, UseMAC, UseKEK} {
		blobs[use] = c.mustBlob(1, c.header(1, use, order.KMS))
	}
	operations := map[Use]func([]byte) error{
		UseRoot:     func(b []byte) error { _, _, err := u.Wrap(b, []byte("x"), nil); return err },
		UseStandard: func(b []byte) error { _, err := u.Export(b); return err },
		UseMAC:      func(b []byte) error { _, err := u.MAC(b, []byte("x")); return err },
	}
	for use, do := range operations {
		for of, blob := range blobs {
			switch err := do(blob); {
			case use == of && err != nil:
				t.Errorf("use %d: %v", use, err)
			case use != of && !errors.Is(err, ErrUse):
				t.Errorf("use %d of a key for %d: %v", use, of, err)
			}
		}
	}
	if _, err := u.Unwrap(blobs[UseMAC], make([]byte, 12), make([]byte, 16), nil); !errors.Is(err, ErrUse) {
		t.Errorf("unwrap: %v", err)
	}
}

func TestUnwrapRefusesWhatWasNotWrapped(t *testing.T) {
	c := initialised(t, 1, 1)
	u, blob := c.unit(1), c.mustBlob(1, c.header(1, UseRoot, order.KMS))
	iv, sealed, err := u.Wrap(blob, []byte("data key"), []byte("aad"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := u.Unwrap(blob, iv, sealed, []byte("aad")); err != nil || string(got) != "data key" {
		t.Errorf("%q, %v", got, err)
	}
	for name, f := range map[string]func() ([]byte, error){
		"other aad":        func() ([]byte, error) { return u.Unwrap(blob, iv, sealed, []byte("dad")) },
		"other ciphertext": func() ([]byte, error) { return u.Unwrap(blob, iv, flip(sealed), []byte("aad")) },
		"other iv":         func() ([]byte, error) { return u.Unwrap(blob, flip(iv), sealed, []byte("aad")) },
		"short iv":         func() ([]byte, error) { return u.Unwrap(blob, iv[1:], sealed, []byte("aad")) },
		"nothing":          func() ([]byte, error) { return u.Unwrap(blob, iv, nil, []byte("aad")) },
		"other key": func() ([]byte, error) {
			return u.Unwrap(c.mustBlob(1, c.header(1, UseRoot, order.KMS)), iv, sealed, []byte("aad"))
		},
	} {
		if got, err := f(); !errors.Is(err, ErrNotAuthentic) || got != nil {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

func TestMACIsHMACSHA256(t *testing.T) {
	c := initialised(t, 1, 1)
	key := bytes.Repeat([]byte{3}, 32)
	blobs, err := c.unit(1).ImportKey(c.header(1, UseMAC, order.SystemInternal), key, c.pattern(1))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.unit(1).MAC(blobs[0], []byte("message"))
	m := hmac.New(sha256.New, key)
	m.Write([]byte("message"))
	if err != nil || !bytes.Equal(got, m.Sum(nil)) {
		t.Errorf("%x, %v", got, err)
	}
}

func TestABlobThatWasChangedDoesNotOpen(t *testing.T) {
	c := initialised(t, 1, 1)
	blob := c.mustBlob(1, c.header(1, UseRoot, order.KMS))
	for i := range blob {
		bad := bytes.Clone(blob)
		bad[i] ^= 0x10
		if err := c.unit(1).Check(bad); !errors.Is(err, ErrBlob) && !errors.Is(err, ErrPatternUnknown) {
			t.Errorf("byte %d: %v", i, err)
		}
	}
	for n := range blob {
		if err := c.unit(1).Check(blob[:n]); !errors.Is(err, ErrBlob) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
	if err := c.unit(1).Check(append(bytes.Clone(blob), 0)); !errors.Is(err, ErrBlob) {
		t.Errorf("longer: %v", err)
	}
}

func TestAKeyThatCannotBeSealedIsRefused(t *testing.T) {
	c := initialised(t, 1, 1)
	a := c.pattern(1)
	good := c.header(1, UseRoot, order.KMS)
	with := func(change func(*Header)) Header { h := good; change(&h); return h }
	for name, f := range map[string]func(*Unit) ([][]byte, error){
		"no material":       func(u *Unit) ([][]byte, error) { return u.ImportKey(good, nil, a) },
		"too much":          func(u *Unit) ([][]byte, error) { return u.ImportKey(good, make([]byte, MaxMaterial+1), a) },
		"no size":           func(u *Unit) ([][]byte, error) { return u.GenerateKey(good, 0, a) },
		"no master key":     func(u *Unit) ([][]byte, error) { return u.GenerateKey(good, 32) },
		"three master keys": func(u *Unit) ([][]byte, error) { return u.GenerateKey(good, 32, a, a, a) },
		"other instance": func(u *Unit) ([][]byte, error) {
			return u.GenerateKey(with(func(h *Header) { h.Instance[3] ^= 1 }), 32, a)
		},
		"unknown use":   func(u *Unit) ([][]byte, error) { return u.GenerateKey(with(func(h *Header) { h.Use = 9 }), 32, a) },
		"unknown class": func(u *Unit) ([][]byte, error) { return u.GenerateKey(with(func(h *Header) { h.Class = 0 }), 32, a) },
		"long owner": func(u *Unit) ([][]byte, error) {
			return u.GenerateKey(with(func(h *Header) { h.Owner = string(make([]byte, 256)) }), 32, a)
		},
		"long attributes": func(u *Unit) ([][]byte, error) {
			return u.GenerateKey(with(func(h *Header) { h.Attributes = make([]byte, 1025) }), 32, a)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.refused(1, ErrBlob, func(u *Unit) error { _, err := f(u); return err })
		})
	}
	// A unit without a master key seals nothing.
	empty := newCast(t, 1, 1)
	empty.begin(order.Init, nil).accept()
	empty.refused(1, ErrPatternUnknown, func(u *Unit) error { _, err := u.GenerateKey(good, 32, a); return err })
}
