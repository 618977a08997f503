package harness

import (
	"fmt"
	"os"
	"strings"
	"syscall"
)

// PID is the id of its process.
func (n *Node) PID() int { return n.command.Process.Pid }

// LogPath is where its process writes what it logs.
func (n *Node) LogPath() string { return n.logPath() }

// StandStill has nodes of a build with planted keys collect their garbage and stop, as if paused, until Resume.
func (c *Cluster) StandStill(numbers ...uint32) {
	c.t.Helper()
	for _, number := range numbers {
		c.Node(number).signal(c.t, syscall.SIGUSR1)
	}
	for _, number := range numbers {
		n := c.Node(number)
		c.WaitFor(fmt.Sprintf("node %d to stand still", number), func() (bool, string) {
			stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", n.PID()))
			if err != nil {
				c.t.Fatalf("node %d: %v", number, err)
			}
			_, state, _ := strings.Cut(string(stat), ") ")
			return strings.HasPrefix(state, "T"), state[:min(len(state), 1)]
		})
		n.paused = true
	}
}
