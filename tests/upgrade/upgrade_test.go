// Package upgrade_test holds that a release opens what earlier ones left on a disk. testdata has the data directories of each
// release, a cluster of two nodes stopped in mid-rotation, which `make keep NAME=…` writes; they are never written again.
package upgrade_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

var keep = flag.String("keep", "", "write the data directories of this release to that file")

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// A cluster that was restored from an archive, so that it has a snapshot; keys under a second master key, and all of them rewrapped
// to a third that every unit holds: two epochs, a retired key, the evidence of an open order.
func TestKeep(t *testing.T) {
	if *keep == "" {
		t.Skip("`make keep NAME=…` writes the data directories of a release")
	}
	c := harness.NewCluster(t, 1, 1)
	keys := c.MustCreateKeys(25)
	c.MustRun("tke", "auto-mk-rotate")
	c.MustRun("cluster", "snapshot", "save", "--unit", "2", archived(c))
	c.Kill(1, 2)
	c.Wipe(2)
	c.MustRun("cluster", "snapshot", "restore", archived(c), "--config", filepath.Join(c.Node(2).Dir, "node.yaml"), "--yes")
	c.Start(2)
	c.Replace(1)
	c.Admit(1)
	c.MustRun("tke", "enrol", "--units", "1", "--yes")
	c.MustRun("tke", "auto-recover")
	c.WaitReady()
	keys.MustOpenAll()
	c.StartRotation("--hold")
	c.WaitState(client.StateRewrapped)
	c.Stop(1)
	c.Kill(2)
	c.Keep(keys, *keep)
}

// archived is an archive beside the nodes' folders.
func archived(c *harness.Cluster) string {
	return filepath.Join(filepath.Dir(c.Node(1).Dir), "archive")
}

// Nodes start on a copy of each, open every key, end the rotation that was under way, and make another.
func TestDataOfEarlierReleasesOpens(t *testing.T) {
	files, err := filepath.Glob("testdata/*.tar.gz")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no data directories of earlier releases: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".tar.gz"), func(t *testing.T) {
			c, keys := harness.OpenKept(t, file)
			keys.MustOpenAll()
			c.MustRun("cluster", "snapshot", "show", archived(c))
			c.MustComplete(keys)
			if err := keys.Add("made by this release"); err != nil {
				t.Fatal(err)
			}
			c.MustRun("tke", "auto-mk-rotate")
			keys.MustOpenAll()
		})
	}
}
