package harness

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"

	"tumbler/api/client"
)

// callers is how many calls are under way at once where many keys are used.
const callers = 12

// Keys is root keys, each with one data key wrapped under it.
type Keys struct {
	cluster *Cluster
	list    []wrappedKey
}

type wrappedKey struct {
	id         string
	data       []byte
	ciphertext string
}

// MustCreateKeys makes that many root keys and wraps a data key under each, through all operational nodes that run.
func (c *Cluster) MustCreateKeys(count int) *Keys {
	c.t.Helper()
	k := &Keys{cluster: c, list: make([]wrappedKey, count)}
	k.each("creating", func(keys *client.KMS, i int) error {
		key, err := keys.Create(c.t.Context(), client.CreateKeyRequest{Name: fmt.Sprintf("key-%d", i)})
		if err != nil {
			return err
		}
		k.list[i].id = key.ID
		return k.wrap(keys, i)
	})
	return k
}

// MustImportKeys has the command line import that many root keys in bulk, and wraps a data key under each.
func (c *Cluster) MustImportKeys(count int) *Keys {
	c.t.Helper()
	k := &Keys{cluster: c, list: make([]wrappedKey, count)}
	var lines strings.Builder
	for i := range count {
		material := make([]byte, 32)
		rand.Read(material)
		k.list[i].id = uuid.NewString()
		fmt.Fprintf(&lines, "{\"id\":%q,\"name\":\"key-%d\",\"payload\":%q}\n", k.list[i].id, i, base64.StdEncoding.EncodeToString(material))
	}
	c.write("keys.jsonl", lines.String())
	c.MustRun("kms", "import", "--bulk", c.path("keys.jsonl"))
	k.each("wrapping", k.wrap)
	return k
}

// wrap wraps a data key under the i-th key.
func (k *Keys) wrap(keys *client.KMS, i int) error {
	data := make([]byte, 32)
	rand.Read(data)
	wrapped, err := keys.Wrap(k.cluster.t.Context(), k.list[i].id, data)
	k.list[i].data, k.list[i].ciphertext = data, wrapped.Ciphertext
	return err
}

// Add makes a key as MustCreateKeys does, or gives the refusal.
func (k *Keys) Add(name string) error {
	keys, ctx := k.cluster.KMS(), k.cluster.t.Context()
	key, err := keys.Create(ctx, client.CreateKeyRequest{Name: name})
	if err != nil {
		return err
	}
	wrapped, err := keys.Wrap(ctx, key.ID, nil)
	if err != nil {
		return err
	}
	k.list = append(k.list, wrappedKey{key.ID, wrapped.Plaintext, wrapped.Ciphertext})
	return nil
}

// Len is how many there are.
func (k *Keys) Len() int { return len(k.list) }

// ID gives the id of one.
func (k *Keys) ID(i int) string { return k.list[i].id }

// MustOpenAll unwraps every data key and compares it with what went in, through all operational nodes that run.
func (k *Keys) MustOpenAll() {
	k.cluster.t.Helper()
	k.each("opening", func(keys *client.KMS, i int) error {
		key := k.list[i]
		opened, err := keys.Unwrap(k.cluster.t.Context(), key.id, key.ciphertext)
		if err != nil {
			return fmt.Errorf("key %s: %w", key.id, err)
		}
		if !bytes.Equal(opened.Plaintext, key.data) {
			return fmt.Errorf("key %s opens to something else than went in", key.id)
		}
		return nil
	})
}

// each does something for every key, many at once, spread over the operational nodes; it tells how many failed.
func (k *Keys) each(what string, do func(keys *client.KMS, i int) error) {
	k.cluster.t.Helper()
	var clients []*client.KMS
	for _, number := range k.cluster.Operational() {
		if k.cluster.Node(number).answers() {
			clients = append(clients, k.cluster.KMS(number))
		}
	}
	var next, failed atomic.Int64
	var first error
	var group sync.WaitGroup
	var once sync.Once
	for caller := range callers {
		keys := clients[caller%len(clients)]
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(k.list); i = int(next.Add(1)) - 1 {
				if err := do(keys, i); err != nil {
					failed.Add(1)
					once.Do(func() { first = err })
				}
			}
		})
	}
	group.Wait()
	if n := failed.Load(); n > 0 {
		k.cluster.t.Fatalf("%s: %d of %d keys failed, one so: %v", what, n, len(k.list), first)
	}
}
