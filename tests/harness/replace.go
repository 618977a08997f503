package harness

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Add starts one more node, which belongs to no cluster yet, and gives its number.
func (c *Cluster) Add(role string) uint32 {
	c.t.Helper()
	ports, err := freePorts(1)
	if err != nil {
		c.t.Fatal(err)
	}
	n := c.prepareNode(role, ports[0])
	n.start(c.t, c.binary)
	c.waitHealthy(n, "/healthz")
	return n.Number
}

// Replace gives a node that has ended an empty disk and starts it: another node with its number, which belongs to no cluster
// yet.
func (c *Cluster) Replace(number uint32) {
	c.t.Helper()
	c.Wipe(number)
	n := c.Node(number)
	n.start(c.t, c.binary)
	c.waitHealthy(n, "/healthz")
}

// Wipe gives a node that has ended an empty disk.
func (c *Cluster) Wipe(number uint32) {
	c.t.Helper()
	n := c.Node(number)
	if n.Running() {
		c.t.Fatalf("node %d runs, and its disk stays", number)
	}
	if err := os.RemoveAll(n.DataDir()); err != nil {
		c.t.Fatal(err)
	}
}

// Part takes the log and the store of a node that has ended, and starts it: its unit belongs to no cluster's member any more.
func (c *Cluster) Part(number uint32) {
	c.t.Helper()
	n := c.Node(number)
	if n.Running() {
		c.t.Fatalf("node %d runs, and cannot be parted from its cluster", number)
	}
	for _, name := range []string{"raft", "state"} {
		if err := os.RemoveAll(filepath.Join(n.DataDir(), name)); err != nil {
			c.t.Fatal(err)
		}
	}
	n.start(c.t, c.binary)
	c.waitHealthy(n, "/healthz")
}

// Admit has a node join the cluster with a one-time token, and does not wait until it serves: its unit may not be enrolled.
func (c *Cluster) Admit(number uint32) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	for _, n := range c.Nodes {
		if n.Number != number && n.answers() {
			c.join(ctx, c.Node(number), n.Number)
			return
		}
	}
	c.t.Fatal("no node runs that could be joined")
}

// MustEndSaying waits until a node has ended by itself, and looks for the reason that it gave.
func (c *Cluster) MustEndSaying(number uint32, reason string) {
	c.t.Helper()
	n := c.Node(number)
	select {
	case <-n.ended:
	case <-time.After(patience):
		c.t.Fatalf("node %d was to end by itself, saying %q", number, reason)
	}
	if said := n.logTail(); !strings.Contains(said, reason) {
		c.t.Fatalf("node %d has ended%s, and was to say %q:\n%s", number, n.why(), reason, said)
	}
}

// Forget takes the last node, which has ended and is no member any more, off the list of those that there are.
func (c *Cluster) Forget(number uint32) {
	c.t.Helper()
	n := c.Node(number)
	if n.Running() || int(number) != len(c.Nodes) {
		c.t.Fatalf("node %d runs, or is not the last", number)
	}
	if race := n.races(); race != "" {
		c.t.Errorf("node %d has a data race:\n%s", number, race)
	}
	c.Nodes = c.Nodes[:number-1]
}
