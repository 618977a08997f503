package cluster_test

import (
	"encoding/base64"
	"testing"

	kp "github.com/IBM/keyprotect-go-client"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

const inProgress = "MASTER_KEY_ROTATION_IN_PROGRESS"

// What callers are served while a rotation is held, under both policies; and that it is held through a restart of all.
func TestHeldRotation(t *testing.T) {
	c := harness.NewCluster(t, 3, 2)
	keys := c.MustCreateKeys(60)

	c.Sub("Documented", func(t *testing.T) {
		c.StartRotation("--hold", "--policy", "documented")
		c.WaitState(client.StateRewrapped)
		mustServe(t, c, keys)
		mustRefuse(t, c, keys)

		c.Stop(c.All()...)
		c.Start(c.All()...)
		c.WaitState(client.StateRewrapped)
		mustServe(t, c, keys)
		mustRefuse(t, c, keys)

		c.Kill(c.All()...)
		c.Start(c.All()...)
		c.MustComplete(keys)
		if err := keys.Add("after a rotation"); err != nil {
			t.Fatal(err)
		}
	})
	c.Sub("Online", func(t *testing.T) {
		c.StartRotation("--hold", "--policy", "online")
		c.WaitState(client.StateRewrapped)
		mustServe(t, c, keys)
		for range 5 {
			if err := keys.Add("while a rotation is held"); err != nil {
				t.Fatal(err)
			}
		}
		keys.MustOpenAll()
		c.WaitState(client.StateRewrapped)
		c.MustRun("tke", "rotation", "activate", "--keynum", "2")
		c.MustHold(c.WaitState(client.StateComplete).PatternAfter)
		keys.MustOpenAll()
	})
	c.Sub("OnlineCancelled", func(t *testing.T) {
		before := c.Rotation().PatternAfter
		c.StartRotation("--hold", "--policy", "online")
		c.WaitState(client.StateRewrapped)
		if err := keys.Add("while a rotation is held that is cancelled"); err != nil {
			t.Fatal(err)
		}
		c.MustCancel()
		c.MustHold(before)
		keys.MustOpenAll()
		c.MustAgree()
	})
	c.Sub("PublishedClient", func(t *testing.T) { publishedClient(t, c) })
}

// mustServe: what both policies serve.
func mustServe(t *testing.T, c *harness.Cluster, keys *harness.Keys) {
	t.Helper()
	kms, ctx := c.KMS(), t.Context()
	keys.MustOpenAll()
	if _, err := kms.Wrap(ctx, keys.ID(0), []byte("another data key")); err != nil {
		t.Errorf("wrap: %v", err)
	}
	if listed, err := kms.List(ctx, client.ListOptions{Limit: 1000}); err != nil || len(listed) < keys.Len() {
		t.Errorf("list: %d keys, %v", len(listed), err)
	}
	if key, err := kms.Metadata(ctx, keys.ID(1)); err != nil || key.ID != keys.ID(1) {
		t.Errorf("metadata: %+v, %v", key, err)
	}
}

// mustRefuse: what the documented policy refuses, and that it tells the published client not to try again.
func mustRefuse(t *testing.T, c *harness.Cluster, keys *harness.Keys) {
	t.Helper()
	kms, published, ctx := c.KMS(), c.Published(2), t.Context()
	if _, err := kms.Create(ctx, client.CreateKeyRequest{Name: "refused"}); !client.HasReason(err, inProgress) {
		t.Errorf("create: %v", err)
	}
	if _, err := kms.Create(ctx, client.CreateKeyRequest{Name: "refused", Payload: make([]byte, 32)}); !client.HasReason(err, inProgress) {
		t.Errorf("import: %v", err)
	}
	_, err := published.CreateRootKey(ctx, "refused", nil)
	refusedAs(t, err, 409, inProgress)
	refusedAs(t, published.Rotate(ctx, keys.ID(2), ""), 409, inProgress)
}

// publishedClient does what it does for most of its users, with a rotation of the master key in between.
func publishedClient(t *testing.T, c *harness.Cluster) {
	published, ctx := c.Published(3), t.Context()
	root := must[*kp.Key](t)(published.CreateRootKey(ctx, "root", nil))
	material := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	imported := must[*kp.Key](t)(published.CreateImportedRootKey(ctx, "imported", nil, material, "", ""))
	standard := must[*kp.Key](t)(published.CreateImportedStandardKey(ctx, "standard", nil, material))
	deleted := must[*kp.Key](t)(published.CreateRootKey(ctx, "deleted", nil))
	plain, aad := []byte(base64.StdEncoding.EncodeToString([]byte("a data key"))), &[]string{"one", "two"}
	wrapped := must[[]byte](t)(published.Wrap(ctx, root.ID, plain, aad))
	alike := must[[]byte](t)(published.Wrap(ctx, imported.ID, plain, nil))
	if key := must[*kp.Key](t)(published.DeleteKey(ctx, deleted.ID, kp.ReturnRepresentation)); key.State != int(kp.Destroyed) {
		t.Errorf("deleted: %+v", key)
	}

	c.StartRotation()
	c.WaitState(client.StateComplete)

	if got := must[[]byte](t)(published.Unwrap(ctx, root.ID, wrapped, aad)); string(got) != string(plain) {
		t.Errorf("unwrapped %q", got)
	}
	if got := must[[]byte](t)(published.Unwrap(ctx, imported.ID, alike, nil)); string(got) != string(plain) {
		t.Errorf("unwrapped %q", got)
	}
	if got := must[*kp.Key](t)(published.GetKey(ctx, standard.ID)); got.Payload != material {
		t.Errorf("the standard key is now %q", got.Payload)
	}
	if got := must[*kp.Key](t)(published.GetKeyMetadata(ctx, deleted.ID)); got.State != int(kp.Destroyed) {
		t.Errorf("the deleted key is now %+v", got)
	}
	if list := must[*kp.Keys](t)(published.GetKeys(ctx, 1000, 0)); len(list.Keys) < 3 {
		t.Errorf("%d keys are listed", len(list.Keys))
	}
	if err := published.Rotate(ctx, root.ID, ""); err != nil {
		t.Errorf("rotating the root key: %v", err)
	}
	if got := must[[]byte](t)(published.Unwrap(ctx, root.ID, wrapped, aad)); string(got) != string(plain) {
		t.Errorf("unwrapped %q after the root key's own rotation", got)
	}
	_, err := published.Unwrap(ctx, root.ID, wrapped, nil)
	refusedAs(t, err, 422, "")
	_, err = published.GetKeyMetadata(ctx, "no-such-key")
	refusedAs(t, err, 404, "")
	_, err = published.Wrap(ctx, deleted.ID, plain, nil)
	refusedAs(t, err, 409, "")
}
