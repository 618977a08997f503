package rest_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	kp "github.com/IBM/keyprotect-go-client"
	"github.com/IBM/keyprotect-go-client/iam"

	"tumbler/fsm"
	"tumbler/kms"
)

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func failed(t *testing.T, err error, status int, code kms.Code) {
	t.Helper()
	var refused *kp.Error
	if !errors.As(err, &refused) || refused.StatusCode != status || len(refused.Reasons) != 1 || refused.Reasons[0].Code != string(code) {
		t.Fatalf("got %v, want %d %s", err, status, code)
	}
}

// The published client does what it does for most of its users.
func TestPublishedClient(t *testing.T) {
	s := newServer(t)
	c, ctx := s.published(s.secret(kms.RoleManager)), t.Context()

	root := must[*kp.Key](t)(c.CreateRootKey(ctx, "root", nil))
	if root.ID == "" || root.State != int(kp.Active) || root.Extractable || root.CreationDate == nil || root.KeyVersion.ID != root.ID || root.CRN == "" {
		t.Fatalf("created %+v", root)
	}
	material := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef01234567"))
	imported := must[*kp.Key](t)(c.CreateImportedRootKey(ctx, "imported", nil, material, "", ""))
	if !imported.Imported || imported.Payload != "" {
		t.Fatalf("imported %+v", imported)
	}
	standard := must[*kp.Key](t)(c.CreateKeyWithOptions(ctx, "standard", true, kp.WithPayload(material, nil, nil, false),
		kp.WithDescription("a description"), kp.WithAliases([]string{"standard-alias"}), kp.WithTags([]string{"tag"})))
	if got := must[*kp.Key](t)(c.GetKey(ctx, "standard-alias")); got.Payload != material || got.ID != standard.ID || got.Description != "a description" {
		t.Fatalf("got %+v", got)
	}
	if got := must[*kp.Key](t)(c.GetKeyMetadata(ctx, standard.ID)); got.Payload != "" || got.Name != "standard" {
		t.Fatalf("metadata %+v", got)
	}
	generated := must[*kp.Key](t)(c.CreateStandardKey(ctx, "generated", nil))
	if raw, err := base64.StdEncoding.DecodeString(generated.Payload); err != nil || len(raw) != 32 {
		t.Fatalf("made %q", generated.Payload)
	}

	if keys := must[*kp.Keys](t)(c.GetKeys(ctx, 0, 0)); len(keys.Keys) != 4 || keys.Metadata.NumberOfKeys != 4 {
		t.Fatalf("%d keys, collectionTotal %d", len(keys.Keys), keys.Metadata.NumberOfKeys)
	}
	search, sort, limit := "ROOT", "-creationDate", uint32(1)
	options := &kp.ListKeysOptions{Search: &search, Sort: &sort, Limit: &limit, State: []kp.KeyState{kp.Active}}
	if keys := must[*kp.Keys](t)(c.ListKeys(ctx, options)); len(keys.Keys) != 1 || keys.Keys[0].ID != root.ID {
		t.Fatalf("listed %+v", keys)
	}

	plain := []byte(base64.StdEncoding.EncodeToString([]byte("a data key")))
	aad := &[]string{"one", "two"}
	wrapped := must[[]byte](t)(c.Wrap(ctx, root.ID, plain, aad))
	if got := must[[]byte](t)(c.Unwrap(ctx, root.ID, wrapped, aad)); string(got) != string(plain) {
		t.Fatalf("unwrapped %q", got)
	}
	_, err := c.Unwrap(ctx, root.ID, wrapped, nil)
	failed(t, err, http.StatusUnprocessableEntity, kms.ErrCiphertext.Code)
	dek, sealed, err := c.WrapCreateDEK(ctx, root.ID, nil)
	if err != nil || string(must[[]byte](t)(c.Unwrap(ctx, root.ID, sealed, nil))) != string(dek) {
		t.Fatalf("a data key that the service made: %v", err)
	}
	v2 := must[*kp.KeyActionResponse](t)(c.WrapCreateDEKV2(ctx, root.ID, nil))
	versions := must[*kp.KeyVersions](t)(c.ListKeyVersions(ctx, root.ID, nil))
	if versions.KeyVersion[0].ID != v2.KeyVersion.ID || v2.KeyVersion.CreationDate == nil {
		t.Fatalf("wrapped under %+v, versions %+v", v2.KeyVersion, versions)
	}

	if err := c.RotateV2(ctx, root.ID, nil); err != nil {
		t.Fatal(err)
	}
	got, rewrapped, err := c.UnwrapV2(ctx, root.ID, wrapped, aad)
	if err != nil || string(got) != string(plain) || len(rewrapped) == 0 {
		t.Fatalf("after a rotation: %v, %q, %q", err, got, rewrapped)
	}

	if deleted := must[*kp.Key](t)(c.DeleteKey(ctx, root.ID, kp.ReturnRepresentation)); deleted.State != int(kp.Destroyed) || !*deleted.Deleted || *deleted.PurgeAllowed {
		t.Fatalf("deleted %+v", deleted)
	}
	if none := must[*kp.Key](t)(c.DeleteKey(ctx, imported.ID, kp.ReturnMinimal, kp.ForceOpt{Force: true})); none != nil {
		t.Fatalf("a minimal answer holds %+v", none)
	}
	if got := must[*kp.Key](t)(c.GetKeyMetadata(ctx, root.ID)); got.State != int(kp.Destroyed) {
		t.Fatalf("metadata of a deleted key: %+v", got)
	}
	_, err = c.Wrap(ctx, root.ID, plain, nil)
	failed(t, err, http.StatusConflict, kms.ErrKeyState.Code)
	_, err = c.PurgeKey(ctx, root.ID, kp.ReturnMinimal)
	failed(t, err, http.StatusConflict, kms.ErrTooEarly.Code)
	s.clock.Store(int64(40 * time.Second))
	if restored := must[*kp.Key](t)(c.RestoreKey(ctx, root.ID)); restored.State != int(kp.Active) {
		t.Fatalf("restored %+v", restored)
	}
}

func TestPublishedClientIsRefused(t *testing.T) {
	s := newServer(t)
	ctx := t.Context()
	manager, reader := s.published(s.secret(kms.RoleManager)), s.published(s.secret(kms.RoleReader))
	key := must[*kp.Key](t)(manager.CreateRootKey(ctx, "root", nil))
	_, err := reader.CreateRootKey(ctx, "root", nil)
	failed(t, err, http.StatusForbidden, kms.ErrForbidden.Code)
	_, err = reader.DeleteKey(ctx, key.ID, kp.ReturnMinimal)
	failed(t, err, http.StatusForbidden, kms.ErrForbidden.Code)
	must[[]byte](t)(reader.Wrap(ctx, key.ID, []byte("AAAA"), nil))
	_, err = reader.GetKeyMetadata(ctx, "no-such-key")
	failed(t, err, http.StatusNotFound, kms.ErrKeyNotFound.Code)
	_, err = manager.CreateKeyWithPolicyOverrides(ctx, "policy", nil, false, nil, kp.Policy{})
	failed(t, err, http.StatusNotFound, kms.ErrEndpoint.Code)
	_, err = reader.GetKeys(kp.NewContextWithAuth(ctx, "Bearer nonsense"), 0, 0)
	failed(t, err, http.StatusUnauthorized, kms.ErrUnauthorized.Code)
	s.clock.Store(int64(time.Hour))
	_, err = reader.GetKeys(ctx, 0, 0)
	failed(t, err, http.StatusUnauthorized, kms.ErrTokenExpired.Code)
	var wrong iam.Error
	if _, err := s.published("tumbler_wrong").GetKeys(ctx, 0, 0); !errors.As(err, &wrong) || wrong.ErrorCode != string(kms.ErrAPIKey.Code) || wrong.Context.RequestID == "" {
		t.Fatalf("a wrong API key: %v", err)
	}
}

// A refusal of a rotation is final for the published client: it does not retry a 409.
func TestPublishedClientSeesARotation(t *testing.T) {
	s := newServer(t)
	ctx := t.Context()
	c := s.published(s.secret(kms.RoleManager))
	key := must[*kp.Key](t)(c.CreateRootKey(ctx, "root", nil))
	s.state.BeginRewrap(fsm.Digest{1}, fsm.Pattern{2}, "documented")
	_, err := c.CreateRootKey(ctx, "root", nil)
	if err == nil || !strings.Contains(err.Error(), "MASTER_KEY_ROTATION_IN_PROGRESS") {
		t.Fatal(err)
	}
	failed(t, c.Rotate(ctx, key.ID, ""), http.StatusConflict, "MASTER_KEY_ROTATION_IN_PROGRESS")
	dek, sealed, err := c.WrapCreateDEK(ctx, key.ID, nil)
	if err != nil || string(must[[]byte](t)(c.Unwrap(ctx, key.ID, sealed, nil))) != string(dek) {
		t.Fatal(err)
	}
	must[*kp.Keys](t)(c.GetKeys(ctx, 0, 0))
	must[*kp.Key](t)(c.DeleteKey(ctx, key.ID, kp.ReturnMinimal))
}

func TestPublishedClientOfAnUninitialisedInstance(t *testing.T) {
	s := newServer(t)
	c := s.published(s.secret(kms.RoleManager))
	s.state.SetService(fsm.ServiceState{Bootstrapped: true})
	var refused iam.Error
	if _, err := c.GetKeys(t.Context(), 0, 0); !errors.As(err, &refused) || refused.HTTPResponse.StatusCode != http.StatusConflict || refused.ErrorCode != string(kms.ErrNotInitialised.Code) {
		t.Fatal(err)
	}
}
