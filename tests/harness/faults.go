package harness

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Kill ends nodes with SIGKILL, paused ones too, and waits until they are gone. All are sent the signal before any is
// waited for.
func (c *Cluster) Kill(numbers ...uint32) {
	c.t.Helper()
	c.finish(syscall.SIGKILL, numbers)
}

// Stop ends nodes with SIGTERM and waits for them; one that does not end cleanly, or that has an error to tell while it ends,
// fails the test.
func (c *Cluster) Stop(numbers ...uint32) {
	c.t.Helper()
	c.finish(syscall.SIGTERM, numbers)
	for _, number := range numbers {
		if state := c.Node(number).command.ProcessState; !state.Success() {
			c.t.Fatalf("node %d was asked to stop, and ended with %v", number, state)
		}
		_, last, _ := cutLast(c.Node(number).Log(c.t), "the node was asked to stop")
		if at := strings.Index(last, "[ERROR]"); at >= 0 {
			line, _, _ := strings.Cut(last[at:], "\n")
			c.t.Errorf("node %d ended in good order, and says %s", number, line)
		}
	}
}

// cutLast cuts a text at the last place where the words are.
func cutLast(text, words string) (before, after string, found bool) {
	at := strings.LastIndex(text, words)
	if at < 0 {
		return text, "", false
	}
	return text[:at], text[at+len(words):], true
}

func (c *Cluster) finish(signal syscall.Signal, numbers []uint32) {
	c.t.Helper()
	for _, number := range numbers {
		c.Node(number).signal(c.t, signal)
	}
	limit := time.NewTimer(patience)
	defer limit.Stop()
	for _, number := range numbers {
		select {
		case <-c.Node(number).ended:
		case <-limit.C:
			c.t.Fatalf("node %d does not end after %v", number, signal)
		}
	}
}

// Start starts nodes that have ended, and waits until they have caught up and serve.
func (c *Cluster) Start(numbers ...uint32) {
	c.t.Helper()
	for _, number := range numbers {
		c.Node(number).start(c.t, c.binary)
	}
	for _, number := range numbers {
		c.waitHealthy(c.Node(number), "/readyz")
	}
}

// Launch starts a node that has ended, and waits for nothing.
func (c *Cluster) Launch(number uint32) {
	c.t.Helper()
	c.Node(number).start(c.t, c.binary)
}

// Hangup sends nodes SIGHUP: they read certificates and keys again.
func (c *Cluster) Hangup(numbers ...uint32) {
	c.t.Helper()
	for _, number := range numbers {
		c.Node(number).signal(c.t, syscall.SIGHUP)
	}
}

// Pause stops nodes with SIGSTOP: they keep everything and answer nothing, until Resume.
func (c *Cluster) Pause(numbers ...uint32) {
	c.t.Helper()
	for _, number := range numbers {
		n := c.Node(number)
		n.signal(c.t, syscall.SIGSTOP)
		n.paused = true
	}
}

// Resume has paused nodes go on.
func (c *Cluster) Resume(numbers ...uint32) {
	c.t.Helper()
	for _, number := range numbers {
		n := c.Node(number)
		n.signal(c.t, syscall.SIGCONT)
		n.paused = false
	}
}

// Hold holds a unit at a hold point of the program's test build, until the function that it gives is called.
func (c *Cluster) Hold(point string, unit uint32) (release func()) {
	c.t.Helper()
	path := filepath.Join(c.Node(unit).pointsDir(), point)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		c.t.Fatal(err)
	}
	return func() {
		if err := os.Remove(path); err != nil {
			c.t.Error(err)
		}
	}
}

// KillAt has a node end itself with SIGKILL when it next passes a hold point.
func (c *Cluster) KillAt(point string, unit uint32) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.Node(unit).pointsDir(), point), []byte("kill 1"), 0o600); err != nil {
		c.t.Fatal(err)
	}
}
