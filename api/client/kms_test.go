package client

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeKMS answers as shared interfaces say the key interface does; it accepts the token that it gave last.
type fakeKMS struct {
	mu     sync.Mutex
	tokens int
	valid  string
	seen   []string // "METHOD path?query body"
	reply  func(w http.ResponseWriter, r *http.Request)
}

func (f *fakeKMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.URL.Path == tokenPath {
		if err := r.ParseForm(); err != nil || r.Form.Get("grant_type") != apiKeyGrant || r.Form.Get("apikey") != "secret" {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(w, `{"errorCode":"BXNIM0415E","errorMessage":"Provided API key could not be found."}`)
			return
		}
		f.tokens++
		f.valid = "token" + string(rune('0'+f.tokens))
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": f.valid, "token_type": "Bearer", "expires_in": 3600})
		return
	}
	if r.Header.Get("Authorization") != "Bearer "+f.valid || r.Header.Get("bluemix-instance") != "instance" {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = io.WriteString(w, `{"resources":[{"errorMsg":"Unauthorized","reasons":[{"code":"UNAUTHORIZED_ERR","message":"expired","status":401}]}]}`)
		return
	}
	body, _ := io.ReadAll(r.Body)
	f.seen = append(f.seen, strings.TrimSpace(r.Method+" "+r.URL.String()+" "+string(body)))
	f.reply(w, r)
}

func oneKey(w http.ResponseWriter, _ *http.Request) {
	_, _ = io.WriteString(w, `{"metadata":{"collectionType":"`+keyMIME+`","collectionTotal":1},"resources":[{"id":"k1","name":"orders","state":1,"extractable":false,"crn":"crn:1"}]}`)
}

func mustKMS(t *testing.T, f *fakeKMS, apiKey string) *KMS {
	t.Helper()
	ca := newCA(t)
	k, err := NewKMS(KMSConfig{Config: Config{Addresses: []string{ca.serve(f)}, CAFile: ca.File}, APIKey: apiKey, Instance: "instance"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

func TestKeyCallsAreThoseOfTheReference(t *testing.T) {
	f := &fakeKMS{reply: oneKey}
	k := mustKMS(t, f, "secret")
	ctx := t.Context()
	wrapped := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"plaintext":"AQID","ciphertext":"eyJ9","keyVersion":{"id":"v1"}}`)
	}
	key := func(got Key, err error) {
		t.Helper()
		if err != nil || got.ID != "k1" || got.State != KeyActive || got.CRN != "crn:1" {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	key(k.Create(ctx, CreateKeyRequest{Name: "orders"}))
	key(k.Create(ctx, CreateKeyRequest{Name: "orders", Extractable: true, Payload: []byte{1, 2, 3}}))
	key(k.Get(ctx, "k1"))
	key(k.Metadata(ctx, "an alias"))
	key(k.Delete(ctx, "k1", true))
	key(k.Restore(ctx, "k1"))
	key(k.RestoreMaterial(ctx, "k1", []byte{1, 2, 3}, "eyJ9", "context"))
	key(k.RestoreMaterial(ctx, "k1", []byte{1, 2, 3}, ""))
	root := false
	if got, err := k.List(ctx, ListOptions{Limit: 5, Offset: 10, Search: "a b", States: []int{1, 5}, Extractable: &root}); err != nil || len(got) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
	f.reply = wrapped
	if got, err := k.Wrap(ctx, "k1", []byte{1, 2, 3}, "context"); err != nil || got.Ciphertext != "eyJ9" || got.KeyVersion.ID != "v1" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := k.Wrap(ctx, "k1", nil); err != nil || string(got.Plaintext) != "\x01\x02\x03" {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := k.Unwrap(ctx, "k1", "eyJ9", "context"); err != nil || string(got.Plaintext) != "\x01\x02\x03" {
		t.Errorf("got %+v, %v", got, err)
	}
	want := []string{
		`POST /api/v2/keys {"metadata":{"collectionType":"` + keyMIME + `","collectionTotal":1},"resources":[{"type":"` + keyMIME + `","name":"orders","extractable":false}]}`,
		`POST /api/v2/keys {"metadata":{"collectionType":"` + keyMIME + `","collectionTotal":1},"resources":[{"type":"` + keyMIME + `","name":"orders","extractable":true,"payload":"AQID"}]}`,
		`GET /api/v2/keys/k1`,
		`GET /api/v2/keys/an%20alias/metadata`,
		`DELETE /api/v2/keys/k1?force=true`,
		`POST /api/v2/keys/k1/restore`,
		`POST /api/v2/keys/k1/restore {"metadata":{"collectionType":"` + keyMIME + `","collectionTotal":1},"resources":[{"payload":"AQID","ciphertext":"eyJ9","aad":["context"]}]}`,
		`POST /api/v2/keys/k1/restore {"metadata":{"collectionType":"` + keyMIME + `","collectionTotal":1},"resources":[{"payload":"AQID"}]}`,
		`GET /api/v2/keys?extractable=false&limit=5&offset=10&search=a+b&state=1%2C5`,
		`POST /api/v2/keys/k1/actions/wrap {"plaintext":"AQID","aad":["context"]}`,
		`POST /api/v2/keys/k1/actions/wrap {}`,
		`POST /api/v2/keys/k1/actions/unwrap {"ciphertext":"eyJ9","aad":["context"]}`,
	}
	if len(f.seen) != len(want) {
		t.Fatalf("%d calls: %q", len(f.seen), f.seen)
	}
	for i := range want {
		if f.seen[i] != want[i] {
			t.Errorf("call %d was\n%s\nwant\n%s", i, f.seen[i], want[i])
		}
	}
	if f.tokens != 1 {
		t.Errorf("took %d tokens", f.tokens)
	}
}

func TestATokenIsRenewedBeforeItExpiresAndWhenItIsRefused(t *testing.T) {
	f := &fakeKMS{reply: oneKey}
	k := mustKMS(t, f, "secret")
	clock := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	k.now = func() time.Time { return clock }
	for i, step := range []struct {
		before func()
		tokens int
	}{
		{func() {}, 1},
		{func() { clock = clock.Add(58 * time.Minute) }, 1},
		{func() { clock = clock.Add(2 * time.Minute) }, 2},
		{func() { f.valid = "restarted" }, 3},
	} {
		step.before()
		if _, err := k.Get(t.Context(), "k1"); err != nil {
			t.Fatal(err)
		}
		if f.tokens != step.tokens {
			t.Errorf("step %d: %d tokens, want %d", i, f.tokens, step.tokens)
		}
	}
}

func TestRefusalsOfTheKeyInterface(t *testing.T) {
	f := &fakeKMS{reply: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, `{"resources":[{"errorMsg":"Conflict","reasons":[{"code":"MASTER_KEY_ROTATION_IN_PROGRESS","message":"later","status":409}]}]}`)
	}}
	_, err := mustKMS(t, f, "secret").Create(t.Context(), CreateKeyRequest{Name: "orders"})
	var got *KMSError
	if !errors.As(err, &got) || got.Status != 409 || !HasReason(err, "MASTER_KEY_ROTATION_IN_PROGRESS") || HasReason(err, "OTHER") {
		t.Errorf("got %v", err)
	}
	_, err = mustKMS(t, f, "wrong").Get(t.Context(), "k1")
	if !errors.As(err, &got) || got.Status != 400 || !strings.Contains(err.Error(), "could not be found") {
		t.Errorf("got %v", err)
	}
	f.reply = func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "oops", 500) }
	if _, err = mustKMS(t, f, "secret").Get(t.Context(), "k1"); !errors.As(err, &got) || got.Status != 500 {
		t.Errorf("got %v", err)
	}
	f.reply = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"resources":[]}`) }
	if _, err = mustKMS(t, f, "secret").Get(t.Context(), "k1"); err == nil {
		t.Error("no key was taken for one")
	}
}

func TestAKeyClientNeedsAnAPIKeyAndAnInstance(t *testing.T) {
	ca := newCA(t)
	good := Config{Addresses: []string{"localhost:8443"}, CAFile: ca.File}
	for _, c := range []KMSConfig{{Config: good, Instance: "i"}, {Config: good, APIKey: "a"}, {APIKey: "a", Instance: "i"}} {
		var wrong *ConfigError
		if _, err := NewKMS(c); !errors.As(err, &wrong) {
			t.Errorf("got %v", err)
		}
	}
}
