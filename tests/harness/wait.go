package harness

import (
	"fmt"
	"time"
)

// patience is how long anything is waited for: long, since a loaded machine runs five nodes under the race detector.
const patience = 90 * time.Second

// WaitFor returns once the condition holds, and fails the test if it does not within a minute and a half. What the
// condition says is printed then.
func (c *Cluster) WaitFor(what string, holds func() (bool, string)) {
	c.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		done, seen := holds()
		if done {
			return
		}
		select {
		case <-deadline.C:
			c.t.Fatalf("waited %v for %s; the last seen: %s", patience, what, seen)
		case <-again.C:
		}
	}
}

func (c *Cluster) waitHealthy(n *Node, path string) {
	c.t.Helper()
	c.WaitFor(fmt.Sprintf("%s of node %d", path, n.Number), func() (bool, string) {
		if !n.Running() {
			c.t.Fatalf("node %d has ended%s", n.Number, n.why())
		}
		return n.healthy(c.health, path), "not 200"
	})
}

// WaitReady waits until every running node has caught up and serves.
func (c *Cluster) WaitReady() {
	c.t.Helper()
	for _, n := range c.Nodes {
		if n.answers() {
			c.waitHealthy(n, "/readyz")
		}
	}
}

// Leader gives the number of Raft's leader, as soon as a running node knows one.
func (c *Cluster) Leader() (leader uint32) {
	c.t.Helper()
	c.WaitFor("a leader", func() (bool, string) {
		members, err := c.Admin().Members(c.t.Context())
		if err != nil {
			return false, err.Error()
		}
		for _, m := range members.Members {
			if m.Leader && c.Node(m.Number).answers() {
				leader = m.Number
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", members.Members)
	})
	return leader
}

// Lead hands leadership over to a node.
func (c *Cluster) Lead(number uint32) {
	c.t.Helper()
	c.WaitFor(fmt.Sprintf("node %d to lead", number), func() (bool, string) {
		if c.Leader() == number {
			return true, ""
		}
		_, err := c.Admin().TransferLeader(c.t.Context(), number)
		return false, fmt.Sprint(err)
	})
}
