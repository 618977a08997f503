package operations_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/archive"
	"tumbler/tests/harness"
)

// A cluster of which nothing is left but an archive and a sealing key is made again from them; and from an archive of the state
// alone, of before two rotations, with the file of a unit that has retired its master key.
func TestALostClusterIsRestored(t *testing.T) {
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 1, 1)
	keys := c.MustCreateKeys(30)
	dir := t.TempDir()
	whole, state, later, kept := filepath.Join(dir, "whole"), filepath.Join(dir, "state"), filepath.Join(dir, "later"), filepath.Join(dir, "sealing.key")
	c.MustRun("cluster", "snapshot", "save", "--unit", "2", whole)
	c.StartRotation("--hold")
	c.WaitState(client.StateRewrapped)
	c.MustRun("cluster", "snapshot", "save", state) // its restore is the cancel of that rotation
	c.MustRun("tke", "rotation", "activate", "--keynum", "1")
	c.WaitState(client.StateComplete)
	mustFail(t, c, "exists already", "cluster", "snapshot", "save", state)
	mustFail(t, c, "name a recovery unit ([2])", "cluster", "snapshot", "save", "--unit", "1", state+"2")
	mustSaveWhatGoesTogether(t, c, later)
	late := c.MustCreateKeys(3)
	former := fingerprint(t, c, 2)

	c.Sub("Refused", func(t *testing.T) {
		config := filepath.Join(c.Node(2).Dir, "node.yaml")
		mustFail(t, c, "is locked by process", "cluster", "snapshot", "restore", whole, "--config", config, "--yes") // it runs
		c.Kill(1, 2)
		mustFail(t, c, "is not empty", "cluster", "snapshot", "restore", whole, "--config", config, "--yes")
		mustWrite(t, kept, c.Read("node-2/sealing.key"))
		c.Wipe(2)
		c.Write("node-2/sealing.key", harness.NewKey()) // the old one is kept elsewhere
		refused := func(says, file string, flags ...string) {
			t.Helper()
			mustFail(t, c, says, append([]string{"cluster", "snapshot", "restore", file, "--config", config, "--yes"}, flags...)...)
			for _, name := range []string{"unit", "raft", "state", "restoring"} {
				if _, err := os.Lstat(filepath.Join(c.Node(2).DataDir(), name)); !os.IsNotExist(err) {
					t.Errorf("a restore was refused (%s), and data_dir has %s: %v", says, name, err)
				}
			}
		}
		c.Write("node-1/other.yaml", strings.Replace(c.Read("node-1/node.yaml"), "data_dir: data", "data_dir: other", 1))
		good := mustRead(t, whole)
		spoilt := []byte(good)
		spoilt[len(spoilt)/2] ^= 1
		mustWrite(t, whole+"-spoilt", string(spoilt))
		mustWrite(t, whole+"-cut", good[:len(good)-100])
		mustForge(t, whole, whole+"-index", func(m *archive.Manifest) { m.Index++ })
		mustForge(t, whole, whole+"-cluster", func(m *archive.Manifest) { m.Cluster = strings.ToLower(c.Instance) })
		refused("is not the one that its manifest describes", whole+"-index", "--sealing-key", kept)
		refused("the crypto unit's file is of cluster", whole+"-cluster", "--sealing-key", kept)
		refused("damaged or cut off", whole+"-spoilt", "--sealing-key", kept)
		refused("damaged or cut off", whole+"-cut", "--sealing-key", kept)
		refused("is not an archive", kept)
		refused("no sealing key opens", whole)
		refused("is not the file of a crypto unit", state, "--unit-file", kept)
		refused("is an archive that holds no crypto unit's file", state, "--unit-file", state)
		refused("holds no crypto unit's file", state, "--sealing-key", kept)
		refused("the state needs master key", later, "--unit-file", whole, "--sealing-key", kept) // which the unit did not have yet
		refused("is of crypto unit 2 (recovery), not of 1", whole, "--sealing-key", kept, "--config", filepath.Join(c.Node(1).Dir, "other.yaml"))
		refused("signatures are needed", whole, "--sealing-key", kept, "--keynum", "1")
	})
	c.Sub("FromAWholeArchive", func(t *testing.T) {
		for _, name := range []string{"restoring", "unit"} { // one was cut off
			if err := os.MkdirAll(filepath.Join(c.Node(2).DataDir(), name), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		c.Launch(2)
		c.MustEndSaying(2, "did not finish")
		// Alice and Bob sign on workstations, one after the other.
		file := filepath.Join(dir, "order")
		restored := make(chan restoredCluster, 1)
		go func() { restored <- restore(t, c, whole, "--sealing-key", kept, "--order", file) }()
		c.WaitFor("the order to sign", func() (bool, string) {
			_, err := os.Stat(file)
			return err == nil, fmt.Sprint(err)
		})
		if out := c.MustRun("tke", "order", "sign", file, "--keynum", "1", "--yes"); !strings.Contains(out, "1 more to come") {
			t.Errorf("one of two has signed, and it says\n%s", out)
		}
		mustFail(t, c, "has yet to sign", "tke", "order", "sign", file+".signed", "--keynum", "1", "--yes")
		c.MustRun("tke", "order", "sign", file+".signed", "--keynum", "2", "--yes")
		out := <-restored
		if out.Incarnation != 2 || out.Recover || out.Fingerprint == former {
			t.Errorf("restored: %+v", out)
		}
		c.Start(2)
		c.Replace(1)
		mustBelong(t, c, keys)
		for i := range late.Len() {
			_, err := c.KMS(1).Get(t.Context(), late.ID(i))
			if refused := new(client.KMSError); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
				t.Errorf("a key of after the archive: %v", err)
			}
		}
	})
	c.Sub("FromARetiredKey", func(t *testing.T) {
		c.Kill(1, 2)
		c.Wipe(2)
		out := restore(t, c, state, "--unit-file", later, "--sealing-key", kept)
		if out.Incarnation != 2 || !out.Recover {
			t.Errorf("restored: %+v", out)
		}
		c.Launch(2)
		c.WaitFor("the node to say what it lacks", func() (bool, string) {
			status, err := c.Admin(2).Status(t.Context())
			return err == nil && strings.Contains(status.Node.NotReady, "auto-recover"), status.Node.NotReady
		})
		left := retired(t, c)
		if len(left) != 2 {
			t.Fatalf("the unit keeps two later master keys, and the list is %+v", left)
		}
		mustFail(t, c, "`tumbler tke auto-recover` comes first", "tke", "retired", "destroy", left[1].Pattern, "--yes")
		if state := c.Rotation().State; state != client.StateCancelled {
			t.Errorf("the rotation that was under way is %s", state)
		}
		receipt := filepath.Join(dir, "receipt")
		c.MustRun("tke", "rotation", "receipt", "--out", receipt)
		if out := c.MustRun("tke", "rotation", "receipt", "--verify", receipt); !strings.Contains(out, "cancelled") {
			t.Errorf("the receipt of that rotation:\n%s", out)
		}
		c.Replace(1)
		mustBelong(t, c, keys)
		if left = retired(t, c); len(left) != 3 {
			t.Errorf("kept are two later master keys and the one that was rotated just now, and the list is %+v", left)
		}
	})
}

// mustSaveWhatGoesTogether rotates, and saves an archive when the state has flipped and the unit has not: it comes once both have
// the same master key.
func mustSaveWhatGoesTogether(t *testing.T, c *harness.Cluster, file string) {
	t.Helper()
	release := c.Hold("activating", 2)
	c.StartRotation()
	pattern := c.WaitState(client.StateActivating).PatternAfter
	saved := make(chan error, 1)
	go func() {
		out, err := c.Run("cluster", "snapshot", "save", "--unit", "2", file, "--output", "json")
		if err == nil && strings.Count(out, pattern) != 2 {
			err = errors.New("state and unit do not go together")
		}
		if err != nil {
			err = fmt.Errorf("%w: %s", err, out)
		}
		saved <- err
	}()
	c.WaitFor("the archive to wait for the unit", func() (bool, string) {
		return strings.Contains(c.Node(1).Log(t)+c.Node(2).Log(t), "an archive waits until"), "it does not"
	})
	select {
	case err := <-saved:
		t.Errorf("an archive was made of a state and a unit that do not go together: %v", err)
	default:
	}
	release()
	if err := <-saved; err != nil {
		t.Error(err)
	}
	c.WaitState(client.StateComplete)
}

// restoredCluster is what the command prints.
type restoredCluster struct {
	Incarnation uint64 `json:"incarnation"`
	Fingerprint string `json:"fingerprint"`
	Recover     bool   `json:"recover"`
}

// restore makes node 2 the only member of a new cluster.
func restore(t *testing.T, c *harness.Cluster, file string, flags ...string) (out restoredCluster) {
	t.Helper()
	args := []string{"cluster", "snapshot", "restore", file, "--config", filepath.Join(c.Node(2).Dir, "node.yaml"), "--yes", "--output", "json"}
	text, err := c.Run(append(args, flags...)...)
	if err == nil {
		err = json.Unmarshal([]byte(text), &out)
	}
	if err != nil {
		t.Errorf("%v: %s", err, text)
	}
	return out
}

// mustBelong has node 1, which has an empty disk, become part of the restored cluster, and looks at the keys; then it rotates.
func mustBelong(t *testing.T, c *harness.Cluster, keys *harness.Keys) {
	t.Helper()
	c.Admit(1)
	c.MustRun("tke", "enrol", "--units", "1", "--yes")
	c.MustRun("tke", "auto-recover")
	c.WaitReady()
	keys.MustOpenAll()
	c.WaitFor("the nodes to hear of each other", func() (bool, string) {
		members, err := c.Admin(1).Members(t.Context())
		silent := slices.ContainsFunc(members.Members, func(m client.Member) bool { return !m.Alive })
		return err == nil && !silent && len(members.Members) == 2, fmt.Sprintf("%+v %v", members.Members, err)
	})
	c.MustRun("tke", "auto-mk-rotate")
	keys.MustOpenAll()
}

// mustForge writes an archive with the parts of another and another manifest, all its digests right.
func mustForge(t *testing.T, from, to string, change func(*archive.Manifest)) {
	t.Helper()
	a, err := archive.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	unit, err := a.Unit()
	if err != nil {
		t.Fatal(err)
	}
	change(&a.Manifest)
	var b bytes.Buffer
	if _, err := archive.Write(&b, a.Manifest, func(w io.Writer) error { _, err := io.Copy(w, a.State()); return err }, unit); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, to, b.String())
}

func fingerprint(t *testing.T, c *harness.Cluster, number uint32) string {
	t.Helper()
	units, err := c.Admin().Units(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return units.Units[number-1].Identity
}

func mustRead(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func mustWrite(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}
