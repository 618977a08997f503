package harness

import (
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

const mebibyte = 1 << 20

// SmallDisk gives a node a disk of its own for its data, of so many MiB, with a low mark and a reserve: an option of
// NewCluster. It needs the right to mount.
func SmallDisk(number uint32, size, low, reserve int) func(*Cluster) {
	return func(c *Cluster) {
		c.t.Helper()
		n := c.Node(number)
		if err := os.Mkdir(n.DataDir(), 0o700); err != nil {
			c.t.Fatal(err)
		}
		if err := syscall.Mount("tumbler-test", n.DataDir(), "tmpfs", 0, fmt.Sprintf("size=%dm,mode=700", size)); err != nil {
			c.t.Skipf("a small disk cannot be mounted (%v): run this test as root", err)
		}
		t := c.t
		t.Cleanup(func() { // the process may still run: the disk goes with it
			if err := syscall.Unmount(n.DataDir(), syscall.MNT_DETACH); err != nil {
				t.Error(err)
			}
		})
		n.low, n.reserve = low, reserve
		c.write(filepath.Base(n.Dir)+"/node.yaml", c.configuration(n))
	}
}

// Fill leaves so many MiB of a node's small disk free.
func (c *Cluster) Fill(number uint32, leave int) {
	c.t.Helper()
	dir := c.Node(number).DataDir()
	ballast, err := os.OpenFile(filepath.Join(dir, "ballast"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		c.t.Fatal(err)
	}
	defer ballast.Close()
	info, err := ballast.Stat()
	if err != nil {
		c.t.Fatal(err)
	}
	more := int64(c.DiskFree(number)) - int64(leave)*mebibyte
	if more <= 0 {
		return
	}
	if err := syscall.Fallocate(int(ballast.Fd()), 0, info.Size(), more); err != nil {
		c.t.Fatalf("filling the disk of node %d: %v", number, err)
	}
}

// Empty takes away what Fill put there.
func (c *Cluster) Empty(number uint32) {
	c.t.Helper()
	if err := os.Remove(filepath.Join(c.Node(number).DataDir(), "ballast")); err != nil {
		c.t.Fatal(err)
	}
}

// DiskFree is what is left of a node's disk, in bytes.
func (c *Cluster) DiskFree(number uint32) uint64 {
	c.t.Helper()
	var stat syscall.Statfs_t
	if err := syscall.Statfs(c.Node(number).DataDir(), &stat); err != nil {
		c.t.Fatal(err)
	}
	return stat.Bavail * uint64(stat.Bsize)
}
