package kms_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"tumbler/fsm"
	"tumbler/kms"
)

func TestRootKeyWrapsAndUnwraps(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{Name: "orders", Aliases: []string{"orders-key"}})
	secret := []byte("a data key of 32 bytes, or so ..")
	wrapped := c.mustWrap(key.ID, secret, "tenant", "7")
	if wrapped.Plaintext != nil || wrapped.Version.ID != key.ID {
		t.Fatalf("wrap answered %+v", wrapped)
	}
	if got := c.mustUnwrap("orders-key", wrapped.Ciphertext, "tenant", "7"); !bytes.Equal(got.Plaintext, secret) || got.Ciphertext != "" {
		t.Fatalf("unwrap answered %+v", got)
	}
	for name, aad := range map[string][]string{"none": nil, "joined": {"tenant7"}, "split elsewhere": {"tenant7", ""}, "order": {"7", "tenant"}} {
		_, err := c.service.Unwrap(t.Context(), c.reader, key.ID, wrapped.Ciphertext, aad)
		if err == nil {
			t.Errorf("aad %s: it opened", name)
		}
		refused(t, err, kms.ErrCiphertext)
	}
	other := c.mustCreate(kms.NewKey{})
	_, err := c.service.Unwrap(t.Context(), c.reader, other.ID, wrapped.Ciphertext, []string{"tenant", "7"})
	refused(t, err, kms.ErrCiphertext)
}

func TestWrapWithoutPlaintextMakesOne(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{})
	one, two := c.mustWrap(key.ID, nil), c.mustWrap(key.ID, nil)
	if len(one.Plaintext) != 32 || bytes.Equal(one.Plaintext, two.Plaintext) {
		t.Fatalf("made %x and %x", one.Plaintext, two.Plaintext)
	}
	if got := c.mustUnwrap(key.ID, one.Ciphertext).Plaintext; !bytes.Equal(got, one.Plaintext) {
		t.Fatal("it does not unwrap to what was made")
	}
}

func TestStandardKeyGivesItsPayloadAndRootKeyDoesNot(t *testing.T) {
	c := newCluster(t)
	payload := bytes.Repeat([]byte("x"), kms.MaxStandardPayload)
	standard := c.mustCreate(kms.NewKey{Extractable: true, Payload: bytes.Clone(payload)})
	if !bytes.Equal(standard.Payload, payload) {
		t.Fatal("create does not answer with the payload")
	}
	got, err := c.service.Get(t.Context(), c.writer, standard.ID)
	if err != nil || !bytes.Equal(got.Payload, payload) || !got.Imported {
		t.Fatalf("get: %v, %+v", err, got.Imported)
	}
	if got, err := c.service.Metadata(t.Context(), c.reader, standard.ID); err != nil || got.Payload != nil {
		t.Fatalf("metadata: %v, payload %d bytes", err, len(got.Payload))
	}
	_, err = c.service.Wrap(t.Context(), c.reader, standard.ID, nil, nil)
	refused(t, err, kms.ErrNotRoot)
	root := c.mustCreate(kms.NewKey{Payload: bytes.Repeat([]byte("k"), 16)})
	if got, err := c.service.Get(t.Context(), c.writer, root.ID); err != nil || got.Payload != nil {
		t.Fatalf("get of a root key: %v, payload %d bytes", err, len(got.Payload))
	}
}

func TestImportedPayloadIsErased(t *testing.T) {
	c := newCluster(t)
	payload := bytes.Repeat([]byte("k"), 32)
	c.mustCreate(kms.NewKey{Payload: payload})
	if !bytes.Equal(payload, make([]byte, 32)) {
		t.Fatal("the payload is still there")
	}
}

func TestLimits(t *testing.T) {
	c := newCluster(t)
	for name, want := range map[string]kms.NewKey{
		"no name":                   {},
		"short name":                {Name: "a"},
		"long name":                 {Name: strings.Repeat("n", 91)},
		"control character":         {Name: "a\nb"},
		"broken text":               {Name: "ab\xff"},
		"short description":         {Name: "key", Description: "d"},
		"long description":          {Name: "key", Description: strings.Repeat("d", 241)},
		"root payload of 17":        {Name: "key", Payload: make([]byte, 17)},
		"empty payload":             {Name: "key", Payload: []byte{}},
		"long standard payload":     {Name: "key", Extractable: true, Payload: make([]byte, 7501)},
		"six aliases":               {Name: "key", Aliases: []string{"a1", "a2", "a3", "a4", "a5", "a6"}},
		"alias twice":               {Name: "key", Aliases: []string{"a1", "a1"}},
		"alias with a slash":        {Name: "key", Aliases: []string{"a/b"}},
		"alias like an id":          {Name: "key", Aliases: []string{"11220000-0000-0000-0000-00000000000a"}},
		"expired before it is made": {Name: "key", Expires: time.Unix(1, 0)},
		"tag of one character":      {Name: "key", Tags: []string{"t"}},
	} {
		_, err := c.service.Create(t.Context(), c.writer, want)
		if err == nil {
			t.Errorf("%s: created", name)
			continue
		}
		refused(t, err, kms.ErrField)
	}
	key := c.mustCreate(kms.NewKey{Name: strings.Repeat("é", 90), Description: "dd", Aliases: []string{"a1", "a2", "a3", "a4", "a5"}})
	_, err := c.service.Wrap(t.Context(), c.reader, key.ID, make([]byte, 7501), nil)
	refused(t, err, kms.ErrField)
	_, err = c.service.Wrap(t.Context(), c.reader, key.ID, nil, []string{strings.Repeat("a", 256)})
	refused(t, err, kms.ErrField)
	_, err = c.service.Create(t.Context(), c.writer, kms.NewKey{Name: "key", Aliases: []string{"a1"}})
	refused(t, err, kms.ErrAliasTaken)
}

func TestDeleteKeepsUntilPurged(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{})
	wrapped := c.mustWrap(key.ID, nil)
	deleted, err := c.service.Delete(t.Context(), c.manager, key.ID)
	if err != nil || deleted.State != kms.Destroyed || deleted.Deletion == nil {
		t.Fatalf("delete: %v, %+v", err, deleted)
	}
	_, err = c.service.Unwrap(t.Context(), c.reader, key.ID, wrapped.Ciphertext, nil)
	refused(t, err, kms.ErrKeyState)
	_, err = c.service.Get(t.Context(), c.writer, key.ID)
	refused(t, err, kms.ErrKeyDeleted)
	_, err = c.service.Delete(t.Context(), c.manager, key.ID)
	refused(t, err, kms.ErrKeyDeleted)
	_, err = c.service.Restore(t.Context(), c.manager, key.ID)
	refused(t, err, kms.ErrTooEarly)
	c.advance(31 * time.Second)
	if restored, err := c.service.Restore(t.Context(), c.manager, key.ID); err != nil || restored.State != kms.Active {
		t.Fatalf("restore: %v, state %d", err, restored.State)
	}
	if got := c.mustUnwrap(key.ID, wrapped.Ciphertext); !bytes.Equal(got.Plaintext, wrapped.Plaintext) {
		t.Fatal("a restored key opens something else")
	}
	_, err = c.service.Purge(t.Context(), c.manager, key.ID)
	refused(t, err, kms.ErrKeyState)
	if _, err := c.service.Delete(t.Context(), c.manager, key.ID); err != nil {
		t.Fatal(err)
	}
	_, err = c.service.Purge(t.Context(), c.manager, key.ID)
	refused(t, err, kms.ErrTooEarly)
	c.advance(4 * time.Hour)
	manager := c.signIn(kms.RoleManager) // the other's token is too old by now
	if _, err := c.service.Purge(t.Context(), manager, key.ID); err != nil {
		t.Fatal(err)
	}
	_, err = c.service.Metadata(t.Context(), manager, key.ID)
	refused(t, err, kms.ErrKeyNotFound)
}

func TestRotatedKeyOpensOldCiphertextsAndRewrapsThem(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{})
	old := c.mustWrap(key.ID, nil, "aad")
	if err := c.service.Rotate(t.Context(), c.writer, key.ID, nil); err != nil {
		t.Fatal(err)
	}
	got := c.mustUnwrap(key.ID, old.Ciphertext, "aad")
	if !bytes.Equal(got.Plaintext, old.Plaintext) || got.Version.ID != key.ID || got.Rewrapped == nil || got.Rewrapped.ID == key.ID {
		t.Fatalf("unwrap answered %+v", got)
	}
	again := c.mustUnwrap(key.ID, got.Ciphertext, "aad")
	if !bytes.Equal(again.Plaintext, old.Plaintext) || again.Rewrapped != nil {
		t.Fatalf("the rewrapped ciphertext answered %+v", again)
	}
	rewrapped, err := c.service.Rewrap(t.Context(), c.reader, key.ID, old.Ciphertext, []string{"aad"})
	if err != nil || rewrapped.Plaintext != nil || !bytes.Equal(c.mustUnwrap(key.ID, rewrapped.Ciphertext, "aad").Plaintext, old.Plaintext) {
		t.Fatalf("rewrap: %v, %+v", err, rewrapped)
	}
	versions, total, err := c.service.Versions(t.Context(), c.reader, key.ID, 0, 0)
	if err != nil || total != 2 || versions[0].ID != rewrapped.Rewrapped.ID || versions[1].ID != key.ID {
		t.Fatalf("versions: %v, %d, %+v", err, total, versions)
	}
	refused(t, c.service.Rotate(t.Context(), c.writer, key.ID, make([]byte, 32)), kms.ErrField)
	imported := c.mustCreate(kms.NewKey{Payload: bytes.Repeat([]byte("k"), 24)})
	refused(t, c.service.Rotate(t.Context(), c.writer, imported.ID, nil), kms.ErrField)
	if err := c.service.Rotate(t.Context(), c.writer, imported.ID, bytes.Repeat([]byte("l"), 32)); err != nil {
		t.Fatal(err)
	}
}

func TestExpiredKeyUnwrapsButDoesNotWrap(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{Expires: time.Unix(0, c.clock.Load()).Add(time.Minute)})
	wrapped := c.mustWrap(key.ID, nil)
	c.advance(time.Minute)
	_, err := c.service.Wrap(t.Context(), c.reader, key.ID, nil, nil)
	refused(t, err, kms.ErrKeyState)
	c.mustUnwrap(key.ID, wrapped.Ciphertext)
	listed, err := c.service.List(t.Context(), c.reader, kms.ListOptions{States: []kms.State{kms.Deactivated}})
	if err != nil || len(listed) != 1 || listed[0].State != kms.Deactivated {
		t.Fatalf("list of deactivated keys: %v, %+v", err, listed)
	}
}

func TestListNarrowsPagesAndSorts(t *testing.T) {
	c := newCluster(t)
	for _, name := range []string{"beta", "alpha", "gamma", "alphabet"} {
		c.mustCreate(kms.NewKey{Name: name, Extractable: name == "gamma", Aliases: []string{"alias-" + name}})
		c.advance(time.Second)
	}
	gone := c.mustCreate(kms.NewKey{Name: "gone"})
	if _, err := c.service.Delete(t.Context(), c.manager, gone.ID); err != nil {
		t.Fatal(err)
	}
	yes := true
	for _, test := range []struct {
		options kms.ListOptions
		want    string
	}{
		{kms.ListOptions{Sort: "creationDate"}, "beta alpha gamma alphabet"},
		{kms.ListOptions{Sort: "creationDate", Limit: 2, Offset: 1}, "alpha gamma"},
		{kms.ListOptions{Offset: 9}, ""},
		{kms.ListOptions{Extractable: &yes}, "gamma"},
		{kms.ListOptions{States: []kms.State{kms.Destroyed}}, "gone"},
		{kms.ListOptions{Search: "ALPHA,", Sort: "name"}, "alpha alphabet"},
		{kms.ListOptions{Search: "exact:alpha"}, "alpha"},
		{kms.ListOptions{Search: "not:name:alpha", Sort: "name"}, "beta gamma"},
		{kms.ListOptions{Search: "alias:exact:alias-beta"}, "beta"},
		{kms.ListOptions{Search: "escape:not:alpha"}, ""},
		{kms.ListOptions{Sort: "-creationDate", Limit: 2, Offset: 1}, "gamma alpha"},
		{kms.ListOptions{Sort: "extractable,name"}, "alpha alphabet beta gamma"},
	} {
		keys, err := c.service.List(t.Context(), c.reader, test.options)
		var names []string
		for _, k := range keys {
			names = append(names, k.Metadata.Name)
		}
		if got := strings.Join(names, " "); err != nil || got != test.want {
			t.Errorf("%+v: %v, got %q, want %q", test.options, err, got, test.want)
		}
	}
	var pages []string
	for offset := range 5 {
		page, err := c.service.List(t.Context(), c.reader, kms.ListOptions{Limit: 1, Offset: offset})
		if err != nil || len(page) > 1 {
			t.Fatalf("page %d: %v, %d keys", offset, err, len(page))
		}
		for _, k := range page {
			pages = append(pages, k.Metadata.Name)
		}
	}
	slices.Sort(pages)
	if got := strings.Join(pages, " "); got != "alpha alphabet beta gamma" {
		t.Errorf("pages of one: %q", got)
	}
	for _, bad := range []kms.ListOptions{{Limit: 5001}, {Limit: -1}, {Offset: -1}, {Sort: "colour"}, {Search: "not:"}} {
		_, err := c.service.List(t.Context(), c.reader, bad)
		refused(t, err, kms.ErrQuery)
	}
	if listed, _ := c.service.List(t.Context(), c.reader, kms.ListOptions{}); slices.ContainsFunc(listed, func(k kms.Key) bool { return k.Metadata.Name == "token-signing-key" }) {
		t.Error("a system internal key is listed")
	}
}

func TestChangedMeanwhileIsAConflict(t *testing.T) {
	c := newCluster(t)
	key := c.mustCreate(kms.NewKey{})
	c.state.BeforePropose(func(command fsm.Command) error { return fsm.ErrRecordChanged })
	_, err := c.service.Delete(t.Context(), c.manager, key.ID)
	refused(t, err, kms.ErrConflict)
}
