package rest_test

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/fsm"
	"tumbler/kms"
)

// Our own client and this server agree.
func TestOwnClient(t *testing.T) {
	s, ctx := newServer(t), t.Context()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.listener.Certificate().Raw})
	if err := os.WriteFile(ca, block, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := client.NewKMS(client.KMSConfig{
		Config: client.Config{Addresses: []string{s.url}, CAFile: ca}, APIKey: s.secret(kms.RoleManager), Instance: kms.FormatID(instance),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	key := must[client.Key](t)(c.Create(ctx, client.CreateKeyRequest{Name: "own", Aliases: []string{"own-alias"}}))
	wrapped := must[client.Wrapped](t)(c.Wrap(ctx, "own-alias", []byte("a data key"), "aad"))
	if got := must[client.Wrapped](t)(c.Unwrap(ctx, key.ID, wrapped.Ciphertext, "aad")); string(got.Plaintext) != "a data key" {
		t.Fatalf("unwrapped %q", got.Plaintext)
	}
	if made := must[client.Wrapped](t)(c.Wrap(ctx, key.ID, nil)); len(made.Plaintext) != 32 {
		t.Fatalf("made %d bytes", len(made.Plaintext))
	}
	standard := must[client.Key](t)(c.Create(ctx, client.CreateKeyRequest{Name: "standard", Extractable: true, Payload: []byte("payload")}))
	if got := must[client.Key](t)(c.Get(ctx, standard.ID)); string(got.Payload) != "payload" {
		t.Fatalf("got %q", got.Payload)
	}
	if keys := must[[]client.Key](t)(c.List(ctx, client.ListOptions{Search: "own", States: []int{client.KeyActive}})); len(keys) != 1 || keys[0].ID != key.ID {
		t.Fatalf("listed %+v", keys)
	}
	if deleted := must[client.Key](t)(c.Delete(ctx, key.ID, true)); deleted.State != client.KeyDestroyed || !deleted.Deleted || deleted.DeletionDate == nil {
		t.Fatalf("deleted %+v", deleted)
	}
	if got := must[client.Key](t)(c.Metadata(ctx, key.ID)); got.State != client.KeyDestroyed {
		t.Fatalf("metadata %+v", got)
	}
	s.clock.Store(int64(40 * time.Second))
	if restored := must[client.Key](t)(c.Restore(ctx, key.ID)); restored.State != client.KeyActive {
		t.Fatalf("restored %+v", restored)
	}
	s.state.BeginRewrap(fsm.Digest{1}, fsm.Pattern{2}, "documented")
	if _, err := c.Create(ctx, client.CreateKeyRequest{Name: "own"}); !client.HasReason(err, "MASTER_KEY_ROTATION_IN_PROGRESS") {
		t.Fatal(err)
	}
}
