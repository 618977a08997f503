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
			return Stopped(n.PID()), "it runs"
		})
		n.paused = true
	}
}

// Stopped tells whether a signal has stopped a process.
func Stopped(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, found := strings.Cut(string(stat), ") ")
	return err == nil && found && strings.HasPrefix(state, "T")
}
