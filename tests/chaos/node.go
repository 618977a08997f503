//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

// node is one process of the cluster, or its remains.
type node struct {
	number int
	role   string
	dir    string // configuration, data, points, log
	binary string
	health *http.Client
	armed  []string // points

	mu      sync.Mutex
	process *exec.Cmd
	ended   chan struct{} // closed when the process has ended
}

func newNode(number int, role, dir, binary string) *node {
	n := &node{number: number, role: role, dir: dir, binary: binary}
	n.health = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, address string) (net.Conn, error) {
			return dialInside(ctx, number, address)
		},
	}}
	return n
}

// port of the API; cluster, gossip and health follow.
func (n *node) port() int { return 8433 + 10*n.number }

func (n *node) api() string { return fmt.Sprintf("%s:%d", address(n.number), n.port()) }

func (n *node) path(name string) string { return filepath.Join(n.dir, name) }

// start starts the process. What points there were are gone.
func (n *node) start() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.runningLocked() {
		return fmt.Errorf("node %d runs already", n.number)
	}
	if err := n.disarm(); err != nil {
		return err
	}
	log, err := os.OpenFile(n.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	n.process = exec.Command("ip", "netns", "exec", fmt.Sprintf("n%d", n.number), n.binary, "node", "run", "--config", n.path("node.yaml"))
	n.process.Env = append(os.Environ(), "TUMBLER_POINTS="+n.path("points"), "TUMBLER_CLOCK="+n.path("clock"))
	n.process.Stdout, n.process.Stderr = log, log
	if err := n.process.Start(); err != nil {
		return fmt.Errorf("node %d: %w", n.number, err)
	}
	n.ended = make(chan struct{})
	go func(process *exec.Cmd, ended chan struct{}) {
		defer close(ended)
		_ = process.Wait() // how it ended is in its state
	}(n.process, n.ended)
	return nil
}

func (n *node) running() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.runningLocked()
}

func (n *node) runningLocked() bool {
	if n.process == nil {
		return false
	}
	select {
	case <-n.ended:
		return false
	default:
		return true
	}
}

// signal reaches the process; one that has ended is none to reach.
func (n *node) signal(signal syscall.Signal) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.runningLocked() {
		return nil
	}
	if err := n.process.Process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("node %d: %v: %w", n.number, signal, err)
	}
	return nil
}

// await waits until the process has ended, and tells how.
func (n *node) await(ctx context.Context) (*os.ProcessState, error) {
	n.mu.Lock()
	ended, process := n.ended, n.process
	n.mu.Unlock()
	select {
	case <-ended:
		return process.ProcessState, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("node %d does not end: %w", n.number, ctx.Err())
	}
}

// arm has the process kill itself at a passage of a point.
func (n *node) arm(point string, passage int) error {
	n.armed = append(n.armed, point)
	return os.WriteFile(filepath.Join(n.path("points"), point), fmt.Appendf(nil, "kill %d", passage), 0o600)
}

// died gives the point at which the process killed itself: it took the file of that one with it.
func (n *node) died() (at []string) {
	if n.running() {
		return nil
	}
	for _, point := range n.armed {
		if _, err := os.Lstat(filepath.Join(n.path("points"), point)); errors.Is(err, fs.ErrNotExist) {
			at = append(at, point)
		}
	}
	return at
}

func (n *node) disarm() error {
	n.armed = nil
	if err := os.RemoveAll(n.path("points")); err != nil {
		return err
	}
	return os.Mkdir(n.path("points"), 0o700)
}

// is asks the loopback port: /healthz or /readyz.
func (n *node) is(ctx context.Context, path string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", n.port()+3, path), nil)
	if err != nil {
		return false
	}
	answer, err := n.health.Do(request)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// logged is the end of what the node said.
func (n *node) logged(lines int) string {
	text, err := os.ReadFile(n.path("log"))
	if err != nil {
		return err.Error()
	}
	all := strings.SplitAfter(string(text), "\n")
	return strings.Join(all[max(len(all)-lines, 0):], "")
}
