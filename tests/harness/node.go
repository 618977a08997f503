package harness

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Node is one process of a cluster, or its remains.
type Node struct {
	Number uint32
	Role   string
	Dir    string // its configuration, data and log
	port   int    // of the API; cluster, gossip and health follow

	low, reserve int // disk section of its configuration, in MiB

	// Env is added to the environment of the process at its next start, Flags to its command.
	Env, Flags []string

	command *exec.Cmd
	ended   chan struct{} // closed when the process has ended
	paused  bool
}

// Address is its API address.
func (n *Node) Address() string { return fmt.Sprintf("localhost:%d", n.port) }

// Shown is the serial number of the certificate that the node shows to a new connection, at its API port or, as to another
// node, at its cluster port.
func (n *Node) Shown(toNodes bool) (string, error) {
	port := n.port
	if toNodes {
		port++
	}
	conn, err := tls.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		return "", err
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

// DataDir is what the configuration names data_dir.
func (n *Node) DataDir() string { return filepath.Join(n.Dir, "data") }

// Running tells whether its process is there, paused or not.
func (n *Node) Running() bool {
	if n.command == nil {
		return false
	}
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// answers tells whether it may answer a call.
func (n *Node) answers() bool { return n.Running() && !n.paused }

// Log gives what the node has said since its first start.
func (n *Node) Log(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(n.logPath())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Ended waits until the process has ended by itself, and gives its exit code.
func (c *Cluster) Ended(number uint32) int {
	c.t.Helper()
	n := c.Node(number)
	c.WaitFor(fmt.Sprintf("node %d to end by itself", number), func() (bool, string) { return !n.Running(), "it runs" })
	return n.command.ProcessState.ExitCode()
}

// pointsDir is where files hold or kill its process, see Hold.
func (n *Node) pointsDir() string { return filepath.Join(n.Dir, "points") }

func (n *Node) logPath() string { return filepath.Join(n.Dir, "log") }

func (n *Node) start(t testing.TB, binary string) {
	t.Helper()
	if n.Running() {
		t.Fatalf("node %d runs already", n.Number)
	}
	log, err := os.OpenFile(n.logPath(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	n.command = exec.Command(binary, append([]string{"node", "run", "--config", filepath.Join(n.Dir, "node.yaml")}, n.Flags...)...)
	n.command.Env = append(append(os.Environ(), "TUMBLER_POINTS="+n.pointsDir()), n.Env...)
	n.command.Stdout, n.command.Stderr, n.command.SysProcAttr = log, log, lifeline()
	if err := n.command.Start(); err != nil {
		t.Fatalf("starting node %d: %v", n.Number, err)
	}
	n.ended, n.paused = make(chan struct{}), false
	go func(command *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		_ = command.Wait() // how it ended is in command.ProcessState
	}(n.command, n.ended)
}

// signal reaches the process by its id, unless it has ended.
func (n *Node) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if !n.Running() {
		t.Fatalf("node %d does not run%s", n.Number, n.why())
	}
	if err := n.command.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatalf("node %d: %v: %v", n.Number, signal, err)
	}
}

// why says how a process came to end.
func (n *Node) why() string {
	if n.command == nil || n.Running() || n.command.ProcessState == nil {
		return ""
	}
	return " (" + n.command.ProcessState.String() + ")"
}

// healthy asks the loopback port.
func (n *Node) healthy(client *http.Client, path string) bool {
	answer, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", n.port+3, path))
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// lastLines is how much of a log a failed test shows.
const lastLines = 60

// logTail gives the end of a node's log.
func (n *Node) logTail() string {
	text, err := os.ReadFile(n.logPath())
	if err != nil {
		return err.Error()
	}
	lines := strings.SplitAfter(string(text), "\n")
	return strings.Join(lines[max(len(lines)-lastLines, 0):], "")
}

// races gives the first report of a data race in the node's log, or "".
func (n *Node) races() string {
	const mark, limit = "WARNING: DATA RACE", 6000
	text, err := os.ReadFile(n.logPath())
	if err != nil {
		return ""
	}
	at := bytes.Index(text, []byte(mark))
	if at < 0 {
		return ""
	}
	return string(text[at:min(at+limit, len(text))])
}
