package harness

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// kept is what an archive of a cluster's folders says of them, in the file of that name.
type kept struct {
	Instance string     `json:"instance"`
	APIKey   string     `json:"api_key"`
	Order    string     `json:"order"` // digest of the rotation that is held
	Nodes    []keptNode `json:"nodes"`
	Keys     []keptKey  `json:"keys"`
}

type keptNode struct {
	Role string `json:"role"`
	Port int    `json:"port"` // which the log knows
}

type keptKey struct {
	ID         string `json:"id"`
	Data       []byte `json:"data"`
	Ciphertext string `json:"ciphertext"`
}

const keptFile = "kept.json"

// Keep writes the folders of a cluster whose nodes have ended to a new file, with what opens its keys, for OpenKept.
func (c *Cluster) Keep(keys *Keys, path string) {
	c.t.Helper()
	k := kept{Instance: c.Instance, APIKey: c.APIKey, Order: c.order}
	for _, n := range c.Nodes {
		if n.Running() {
			c.t.Fatalf("node %d runs, and its folder cannot be kept", n.Number)
		}
		k.Nodes = append(k.Nodes, keptNode{n.Role, n.port})
	}
	for _, key := range keys.list {
		k.Keys = append(k.Keys, keptKey{key.id, key.data, key.ciphertext})
	}
	text, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		c.t.Fatal(err)
	}
	c.write(keptFile, string(text)+"\n")
	if err := pack(c.dir, path); err != nil {
		c.t.Fatal(err)
	}
}

// left out: certificates, which expire, and what a node makes again.
func passing(name string) bool {
	return slices.Contains([]string{"pki", "log", "lock", "reserve"}, name)
}

func pack(dir, path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer file.Close()
	zipped, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	if err != nil {
		return err
	}
	out := tar.NewWriter(zipped)
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && passing(entry.Name()) && entry.IsDir() {
			return fs.SkipDir
		}
		if err != nil || !entry.Type().IsRegular() || passing(entry.Name()) {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if err := out.WriteHeader(&tar.Header{Name: filepath.ToSlash(name), Mode: 0o600, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err = out.Write(content)
		return err
	})
	return errors.Join(err, out.Close(), zipped.Close())
}

func unpack(path, dir string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	zipped, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	for in := tar.NewReader(zipped); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		into := filepath.Join(dir, filepath.FromSlash(header.Name))
		if err := os.MkdirAll(filepath.Dir(into), 0o700); err != nil {
			return err
		}
		content, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		if err := os.WriteFile(into, content, 0o600); err != nil {
			return err
		}
	}
}

// OpenKept starts nodes on a copy of the folders that Keep wrote, perhaps years ago, and waits until they serve. The nodes have
// the ports that they had, and new certificates.
func OpenKept(t *testing.T, path string) (*Cluster, *Keys) {
	t.Helper()
	c := &Cluster{t: t, dir: t.TempDir(), binary: os.Getenv(binaryEnv), health: &http.Client{Timeout: 5 * time.Second}}
	usualPasswords(c)
	if err := unpack(path, c.dir); err != nil {
		t.Fatal(err)
	}
	var k kept
	if err := json.Unmarshal([]byte(c.Read(keptFile)), &k); err != nil {
		t.Fatal(err)
	}
	c.Instance, c.APIKey, c.order = k.Instance, k.APIKey, k.Order
	alone(t)
	t.Cleanup(c.end)
	c.MustRun("pki", "init", "--dir", c.path("pki"))
	c.MustRun("pki", "client", "--dir", c.path("pki"), "--name", "admin")
	for i, n := range k.Nodes {
		number := uint32(i + 1)
		c.MustRun("pki", "node", "--dir", c.path("pki"), "--number", fmt.Sprint(number))
		c.Nodes = append(c.Nodes, &Node{Number: number, Role: n.Role, Dir: c.path(fmt.Sprintf("node-%d", number)), port: n.Port})
		c.WaitFor(fmt.Sprintf("the ports of node %d", number), func() (bool, string) {
			return free(n.Port), fmt.Sprintf("%d or one of the next three is taken", n.Port)
		})
	}
	c.Start(c.All()...)
	keys := &Keys{cluster: c}
	for _, key := range k.Keys {
		keys.list = append(keys.list, wrappedKey{key.ID, key.Data, key.Ciphertext})
	}
	return c, keys
}

// alone has one test of this machine at a time use kept ports.
func alone(t *testing.T) {
	t.Helper()
	lock, err := os.OpenFile(filepath.Join(os.TempDir(), "tumbler-kept.lock"), os.O_CREATE|os.O_RDWR, 0o666)
	if err == nil {
		t.Cleanup(func() { _ = lock.Close() })
		err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX)
	}
	if err != nil {
		t.Fatal(strings.TrimSpace(err.Error()))
	}
}
