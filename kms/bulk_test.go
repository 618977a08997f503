package kms_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"tumbler/kms"
)

func TestManyKeysAreMadeInOneCall(t *testing.T) {
	c := newCluster(t)
	payload := bytes.Repeat([]byte{7}, 32)
	const mine = "5d4c2a1e-9f1b-4c7e-8f53-2f1f0a6f6f10"
	want := []kms.BulkKey{
		{NewKey: kms.NewKey{Name: "made here"}},
		{ID: mine, NewKey: kms.NewKey{Name: "brought", Aliases: []string{"brought"}, Payload: bytes.Clone(payload)}},
		{NewKey: kms.NewKey{Name: "standard", Extractable: true, Payload: []byte("open")}},
	}
	ids, err := c.service.CreateMany(t.Context(), c.writer, want)
	if err != nil || len(ids) != 3 || ids[1] != mine {
		t.Fatalf("%v, %v", ids, err)
	}
	if bytes.Equal(want[1].Payload, payload) {
		t.Error("a payload was not erased")
	}
	for _, id := range ids[:2] {
		wrapped := c.mustWrap(id, []byte("data"))
		if got := c.mustUnwrap(id, wrapped.Ciphertext); string(got.Plaintext) != "data" {
			t.Errorf("key %s gave back %q", id, got.Plaintext)
		}
	}
	standard, err := c.service.Get(t.Context(), c.writer, ids[2])
	if err != nil || string(standard.Payload) != "open" || !standard.Imported {
		t.Errorf("the standard key is %+v, %v", standard, err)
	}
	if made, err := c.service.Metadata(t.Context(), c.reader, ids[0]); err != nil || made.Imported {
		t.Errorf("the key made here is %+v, %v", made, err)
	}
	_, err = c.service.CreateMany(t.Context(), c.writer, []kms.BulkKey{{NewKey: kms.NewKey{Name: "new"}}, {ID: mine, NewKey: kms.NewKey{Name: "again"}}})
	refused(t, err, kms.ErrKeyExists)
}

func TestABulkThatIsWrongSaysWhichKey(t *testing.T) {
	c := newCluster(t)
	good := func() kms.BulkKey { return kms.BulkKey{NewKey: kms.NewKey{Name: "good"}} }
	large := make([]kms.BulkKey, 200)
	for i := range large {
		large[i] = kms.BulkKey{NewKey: kms.NewKey{Name: "large", Extractable: true, Payload: make([]byte, kms.MaxStandardPayload)}}
	}
	for name, tc := range map[string]struct {
		want []kms.BulkKey
		is   *kms.Error
		says string
	}{
		"none":         {nil, kms.ErrBody, "0 keys"},
		"too many":     {make([]kms.BulkKey, kms.MaxBulk+1), kms.ErrBody, fmt.Sprint(kms.MaxBulk)},
		"too large":    {large, kms.ErrTooLarge, "send fewer"},
		"a bad name":   {[]kms.BulkKey{good(), {NewKey: kms.NewKey{Name: "x"}}}, kms.ErrField, "resources[1]: name"},
		"a bad id":     {[]kms.BulkKey{good(), {ID: "no", NewKey: kms.NewKey{Name: "xx"}}}, kms.ErrField, "resources[1]: id"},
		"a short root": {[]kms.BulkKey{{NewKey: kms.NewKey{Name: "xx", Payload: []byte{1}}}}, kms.ErrField, "resources[0]: payload"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.service.CreateMany(t.Context(), c.writer, tc.want)
			refused(t, err, tc.is)
			if !strings.Contains(err.Error(), tc.says) {
				t.Errorf("it does not say %q: %v", tc.says, err)
			}
		})
	}
	_, err := c.service.CreateMany(t.Context(), c.reader, []kms.BulkKey{good()})
	refused(t, err, kms.ErrForbidden)
}
