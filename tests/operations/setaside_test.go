package operations_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path/filepath"
	"testing"

	"tumbler/api/client"
	"tumbler/kms"
	"tumbler/tests/harness"
)

// The bytes of a key are damaged on every disk. Its rotation is blocked, and goes on without it once a quorum has set it aside; then
// its owner gives its material again, what it wrapped opens, and the next rotation takes it along.
func TestAKeyThatOpensNowhereComesBack(t *testing.T) {
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 2, 1)
	keys := c.MustCreateKeys(20)
	dir := t.TempDir()
	material, other, wrapped := filepath.Join(dir, "material"), filepath.Join(dir, "other"), filepath.Join(dir, "wrapped")
	mustWrite(t, material, "0123456789abcdef")
	mustWrite(t, other, "fedcba9876543210")
	key, err := c.KMS().Create(t.Context(), client.CreateKeyRequest{Name: "legacy", Aliases: []string{"legacy"}, Payload: []byte("0123456789abcdef")})
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := c.KMS().Wrap(t.Context(), key.ID, []byte("of before"), "a tenant")
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, wrapped, sealed.Ciphertext+"\n")
	mustDamage(t, c, key.ID)

	opens := func() error {
		opened, err := c.KMS().Unwrap(t.Context(), key.ID, sealed.Ciphertext, "a tenant")
		if err == nil && string(opened.Plaintext) != "of before" {
			t.Errorf("it opens to %q", opened.Plaintext)
		}
		return err
	}
	mustOpen := func() {
		t.Helper()
		if err := opens(); err != nil {
			t.Error(err)
		}
	}
	c.StartRotation()
	c.WaitState(client.StateBlocked)
	mustFail(t, c, "2 signatures are needed", "tke", "rotation", "settle", "--yes", "--keynum", "1")
	c.MustRun("tke", "rotation", "settle", "--yes")
	c.WaitState(client.StateComplete)
	if err := opens(); !client.HasReason(err, string(kms.ErrSetAside.Code)) {
		t.Fatalf("it was set aside, and answers %v", err)
	}
	again := func(file string) []string {
		return []string{"kms", "key", "restore", "legacy", "--import", file, "--ciphertext", wrapped, "--aad", "a tenant"}
	}
	mustFail(t, c, string(kms.ErrDiffers.Code), again(other)...)
	c.MustRun(again(material)...)
	mustOpen()
	mustRotate(t, c, keys)
	mustOpen()
}

// mustDamage changes a byte of a key's blob on every disk.
func mustDamage(t *testing.T, c *harness.Cluster, id string) {
	t.Helper()
	for _, number := range c.All() { // an archive makes durable what its node has: the log is not replayed over the damage
		c.MustRun("cluster", "snapshot", "save", filepath.Join(t.TempDir(), "archive"), "--address", c.Node(number).Address())
	}
	c.Stop(c.All()...)
	view := c.State(1)
	parsed, _ := kms.ParseID(id)
	key, err := view.Key(parsed)
	if err != nil {
		t.Fatal(err)
	}
	epoch, number := view.CurrentEpoch(), key.Current().Blob
	record, err := view.Blob(epoch, number)
	if err != nil {
		t.Fatal(err)
	}
	bad := bytes.Clone(record.Blob)
	bad[len(bad)-1] ^= 1
	at := binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64([]byte("b"), epoch), number)
	for _, number := range c.All() {
		c.Tamper(number, at, bad)
	}
	c.Start(c.All()...)
	if _, err := c.KMS().Wrap(t.Context(), id, nil); err == nil {
		t.Fatal(fmt.Errorf("key %s was damaged, and wraps", id))
	}
}
