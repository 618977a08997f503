package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	kmsPrefix   = "/api/v2"
	tokenPath   = "/identity/token"
	keyMIME     = "application/vnd.ibm.kms.key+json"
	apiKeyGrant = "urn:ibm:params:oauth:grant-type:apikey"
	tokenMargin = time.Minute // a token is renewed this long before it expires
)

// KMSConfig says which nodes to talk to, for which instance, with which API key.
type KMSConfig struct {
	Config          // no client certificate is needed
	APIKey   string // the secret
	Instance string // instance UUID
}

// KMS talks to the key interface. It is safe for concurrent use.
type KMS struct {
	t        *transport
	apiKey   string
	instance string
	now      func() time.Time

	mu      sync.Mutex // guards what follows
	token   string
	expires time.Time
}

// NewKMS makes a client. It connects to nobody yet.
func NewKMS(c KMSConfig) (*KMS, error) {
	if c.APIKey == "" {
		return nil, &ConfigError{"API key", errors.New("not given: make one with `tumbler kms apikey create`")}
	}
	if c.Instance == "" {
		return nil, &ConfigError{"instance", errors.New("not given: `tumbler cluster status` shows the instance's UUID")}
	}
	t, err := newTransport(c.Config)
	if err != nil {
		return nil, err
	}
	return &KMS{t: t, apiKey: c.APIKey, instance: c.Instance, now: time.Now}, nil
}

// Close lets idle connections go.
func (k *KMS) Close() { k.t.close() }

// Create makes a key, or imports one if it has a payload.
func (k *KMS) Create(ctx context.Context, r CreateKeyRequest) (Key, error) {
	body := newKeyCollection{Metadata: keyMetadata{keyMIME, 1}, Resources: []newKey{r.wire()}}
	var answer keyCollection
	if err := k.call(ctx, request{method: http.MethodPost, path: "/keys", effect: changes}, body, &answer); err != nil {
		return Key{}, err
	}
	return answer.one()
}

// List gives a page of keys, and how many there are in all with that filter (0 if the answer does not say).
func (k *KMS) List(ctx context.Context, o ListOptions) ([]Key, error) {
	query := url.Values{}
	if o.Limit > 0 {
		query.Set("limit", strconv.Itoa(o.Limit))
	}
	if o.Offset > 0 {
		query.Set("offset", strconv.Itoa(o.Offset))
	}
	if o.Search != "" {
		query.Set("search", o.Search)
	}
	if len(o.States) > 0 {
		states := make([]string, len(o.States))
		for i, s := range o.States {
			states[i] = strconv.Itoa(s)
		}
		query.Set("state", strings.Join(states, ","))
	}
	if o.Extractable != nil {
		query.Set("extractable", strconv.FormatBool(*o.Extractable))
	}
	var answer keyCollection
	err := k.call(ctx, request{method: http.MethodGet, path: "/keys", query: query}, nil, &answer)
	return answer.Resources, err
}

// Get gives a key, with its material if it is a standard key.
func (k *KMS) Get(ctx context.Context, idOrAlias string) (Key, error) {
	return k.one(ctx, request{method: http.MethodGet, path: "/keys/" + url.PathEscape(idOrAlias)}, nil)
}

// Metadata gives a key without material.
func (k *KMS) Metadata(ctx context.Context, idOrAlias string) (Key, error) {
	return k.one(ctx, request{method: http.MethodGet, path: "/keys/" + url.PathEscape(idOrAlias) + "/metadata"}, nil)
}

// Delete puts a key into state 5 (destroyed). Its material stays until it is purged.
func (k *KMS) Delete(ctx context.Context, idOrAlias string, force bool) (Key, error) {
	query := url.Values{}
	if force {
		query.Set("force", "true")
	}
	return k.one(ctx, request{method: http.MethodDelete, path: "/keys/" + url.PathEscape(idOrAlias), query: query,
		effect: changes, header: http.Header{"Prefer": {"return=representation"}}}, nil)
}

// Restore takes a deletion back.
func (k *KMS) Restore(ctx context.Context, idOrAlias string) (Key, error) {
	return k.one(ctx, request{method: http.MethodPost, path: "/keys/" + url.PathEscape(idOrAlias) + "/restore", effect: changes}, nil)
}

// RestoreMaterial gives a key whose material was set aside the same material again. Of a root key it is tried on a ciphertext,
// that the key wrapped with aad, before anything is changed; a standard key has none ("").
func (k *KMS) RestoreMaterial(ctx context.Context, idOrAlias string, payload []byte, ciphertext string, aad ...string) (Key, error) {
	body := keyMaterialCollection{Metadata: keyMetadata{keyMIME, 1}, Resources: []keyMaterial{{payload, ciphertext, aad}}}
	return k.one(ctx, request{method: http.MethodPost, path: "/keys/" + url.PathEscape(idOrAlias) + "/restore", effect: changes}, body)
}

// Wrap seals plaintext under a root key; without plaintext the cluster makes 32 random bytes, which come back in the
// answer.
func (k *KMS) Wrap(ctx context.Context, idOrAlias string, plaintext []byte, aad ...string) (Wrapped, error) {
	var answer Wrapped
	err := k.call(ctx, request{method: http.MethodPost, path: "/keys/" + url.PathEscape(idOrAlias) + "/actions/wrap", effect: idempotent},
		keyAction{Plaintext: plaintext, AAD: aad}, &answer)
	return answer, err
}

// Unwrap opens a ciphertext that Wrap gave. If the key has a newer version, the answer carries the ciphertext under that.
func (k *KMS) Unwrap(ctx context.Context, idOrAlias, ciphertext string, aad ...string) (Wrapped, error) {
	var answer Wrapped
	err := k.call(ctx, request{method: http.MethodPost, path: "/keys/" + url.PathEscape(idOrAlias) + "/actions/unwrap", effect: reads},
		keyAction{Ciphertext: ciphertext, AAD: aad}, &answer)
	return answer, err
}

func (k *KMS) one(ctx context.Context, r request, body any) (Key, error) {
	var answer keyCollection
	if err := k.call(ctx, r, body, &answer); err != nil {
		return Key{}, err
	}
	return answer.one()
}

// call makes a call with a token, and once more with a fresh one if the token is refused.
func (k *KMS) call(ctx context.Context, r request, body, result any) error {
	r.path, r.fail = kmsPrefix+r.path, kmsRefusal
	header := http.Header{"Bluemix-Instance": {k.instance}}
	for name, values := range r.header {
		header[name] = values
	}
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		r.body = encoded
		header.Set("Content-Type", "application/json")
	}
	token, err := k.bearer(ctx, "")
	if err != nil {
		return err
	}
	for again := true; ; again = false {
		header.Set("Authorization", "Bearer "+token)
		r.header = header
		err = k.t.call(ctx, r, result)
		var refused *KMSError
		if !again || !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized {
			return err
		}
		if token, err = k.bearer(ctx, token); err != nil {
			return err
		}
	}
}

// bearer gives a token: the one it has, unless that is about to expire or is the one just refused.
func (k *KMS) bearer(ctx context.Context, refused string) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.token != "" && k.token != refused && k.now().Before(k.expires) {
		return k.token, nil
	}
	form := url.Values{"grant_type": {apiKeyGrant}, "apikey": {k.apiKey}}
	var answer struct {
		AccessToken string `json:"access_token"`
		ExpiresIn   int64  `json:"expires_in"`
	}
	err := k.t.call(ctx, request{method: http.MethodPost, path: tokenPath, body: []byte(form.Encode()), fail: tokenRefusal, effect: reads,
		header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, &answer)
	if err != nil {
		return "", fmt.Errorf("getting a token for the API key: %w", err)
	}
	if answer.AccessToken == "" {
		return "", errors.New("getting a token for the API key: the answer holds none: check that the address is a node's API address")
	}
	k.token, k.expires = answer.AccessToken, k.now().Add(time.Duration(answer.ExpiresIn)*time.Second-tokenMargin)
	return k.token, nil
}
