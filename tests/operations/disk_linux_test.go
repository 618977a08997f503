package operations_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

const diskLow = "DISK_SPACE_LOW_ERR"

// One node's disk fills up: first nobody rewraps and new keys are refused, then the reserve is given up so that a cancel
// commits, at last that node ends and says why; and with room again all goes on.
func TestADiskFillsUp(t *testing.T) {
	harness.WithoutRaceDetector(t)
	const small, low, reserve = 2, 96, 32
	c := harness.NewCluster(t, 3, 1, harness.SmallDisk(small, 640, low, reserve))
	keys := c.MustCreateKeys(300)
	create := func(node uint32) error {
		_, err := c.KMS(node).Create(t.Context(), client.CreateKeyRequest{Name: "one more"})
		return err
	}

	c.Sub("LowMark", func(t *testing.T) {
		c.Lead(1)
		c.Fill(small, 64)
		waitLow(t, c, small, true)
		if err := create(small); !client.HasReason(err, diskLow) {
			t.Errorf("the node without room: %v", err)
		}
		if err := create(1); err != nil {
			t.Errorf("another node, under a leader with room: %v", err)
		}
		c.Lead(small)
		c.WaitFor("a leader without room to refuse", func() (bool, string) {
			err := create(1)
			return client.HasReason(err, diskLow), fmt.Sprint(err)
		})
		keys.MustOpenAll()
		if out, err := c.Run("tke", "auto-mk-rotate"); err == nil || !strings.Contains(out, "no room") {
			t.Errorf("a rotation without room: %v\n%s", err, out)
		}
		if out := c.MustRun("cluster", "status"); !strings.Contains(out, "the disk of node 2 is nearly full") {
			t.Errorf("the status does not warn:\n%s", out)
		}
		c.Empty(small)
		waitLow(t, c, small, false)
		c.Lead(1)
		if err := create(small); err != nil {
			t.Errorf("with room again: %v", err)
		}
	})
	c.Sub("RewrapPausesAndIsCancelled", func(t *testing.T) {
		before := c.Rotation().PatternAfter
		throttledRewrap(t, c, "20")
		c.Fill(small, 64)
		c.WaitFor("the units to wait for room", func() (bool, string) {
			s := c.Rotation()
			return strings.Contains(s.Waiting, "room on the disk of node 2"), s.Waiting
		})
		stands := c.Rotation()
		c.Fill(small, 16)
		c.WaitFor("the reserve to be given up", func() (bool, string) {
			_, err := os.Stat(filepath.Join(c.Node(small).DataDir(), "reserve"))
			return os.IsNotExist(err), fmt.Sprint(err)
		})
		now := c.Rotation()
		for _, p := range now.Partitions.List {
			if was := stands.Partitions.List[p.Number]; p.Lease != was.Lease || p.Owner != was.Owner {
				t.Errorf("partition %d changed hands for want of room: %+v, was %+v", p.Number, p, was)
			}
		}
		if !harness.Partly(now) {
			t.Errorf("the rotation is %s: %d of %d keys", now.State, now.Keys.Rewrapped, now.Keys.Total)
		}
		c.MustCancel()
		c.MustHold(before)
		c.MustAgree()
		c.Empty(small)
		c.WaitFor("the reserve to be made again", func() (bool, string) {
			info, err := os.Stat(filepath.Join(c.Node(small).DataDir(), "reserve"))
			return err == nil && info.Size() == reserve<<20, fmt.Sprint(err)
		})
	})
	c.Sub("UnwritableUnit", func(t *testing.T) {
		const other = 3
		inTheWay := filepath.Join(c.Node(other).DataDir(), "unit", "unit.sealed.tmp") // a folder where the file is to be written
		if err := os.Mkdir(inTheWay, 0o700); err != nil {
			t.Fatal(err)
		}
		c.StartRotation("--hold")
		if code, log := c.Ended(other), c.Node(other).Log(t); code != 1 || !strings.Contains(log, "cannot be written: look at the disk and at who owns") {
			t.Errorf("the node ended with %d, and did not say why in the way it should", code)
		}
		if err := os.Remove(inTheWay); err != nil {
			t.Fatal(err)
		}
		c.Start(other)
		c.MustComplete(keys)
	})
	c.Sub("Full", func(t *testing.T) {
		for c.DiskFree(small) > 0 { // once more when the reserve has gone
			c.Fill(small, 0)
			if _, err := os.Stat(filepath.Join(c.Node(small).DataDir(), "reserve")); err == nil {
				c.WaitFor("the reserve to be given up", func() (bool, string) { return c.DiskFree(small) > 0, "no" })
			}
		}
		c.WaitFor("the node to end", func() (bool, string) {
			if c.Node(small).Running() {
				if err := keys.Add("while a disk is full"); err != nil {
					t.Fatal(err)
				}
			}
			return !c.Node(small).Running(), "it runs"
		})
		if code, log := c.Ended(small), c.Node(small).Log(t); code != 1 || !strings.Contains(log, "it is full. Make room on the disk") || strings.Contains(log, "panic:") {
			t.Errorf("the node ended with %d, and did not say why in the way it should", code)
		}
		keys.MustOpenAll()
		c.Launch(small) // still full
		if code, log := c.Ended(small), c.Node(small).Log(t); code != 1 || strings.Contains(log, "panic:") || strings.Count(log, "FAILED\nthe disk of data_dir cannot be written: it is full") < 2 {
			t.Errorf("started on a full disk, the node ended with %d, and did not say why in the way it should", code)
		}
		c.Empty(small)
		c.Start(small)
		keys.MustOpenAll()
		c.MustAgree()
	})
}

func waitLow(t *testing.T, c *harness.Cluster, number uint32, low bool) {
	t.Helper()
	c.WaitFor(fmt.Sprintf("every node to hear that the disk of node %d is low: %v", number, low), func() (bool, string) {
		for _, node := range c.All() {
			members, err := c.Admin(node).Members(t.Context())
			if err != nil {
				return false, err.Error()
			}
			for _, m := range members.Members {
				if m.Number == number && (m.DiskLow != low || m.DiskFree == 0) {
					return false, fmt.Sprintf("node %d says %+v", node, m)
				}
			}
		}
		return true, ""
	})
}
