// Package devcluster is a cluster of processes as users have one: started by scripts/dev-cluster.sh, and driven by its
// command line. It knows the program from outside alone.
package devcluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// Cluster is three operational and two recovery nodes, processes on loopback.
type Cluster struct {
	Dir  string // certificates, configurations, data, logs
	Port int    // unit N has its API at this port + 10 N

	binary string
	env    []string
}

// Operational and Recovery are how many nodes there are; operational ones come first.
const (
	Operational = 3
	Recovery    = 2
)

const script = "scripts/dev-cluster.sh"

// Up starts the cluster in a folder of its own. What it returns is to be taken down, also after an error.
func Up(ctx context.Context, binary string, port int) (*Cluster, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tumbler-cluster-")
	if err != nil {
		return nil, err
	}
	c := &Cluster{binary: binary, Dir: filepath.Join(dir, "cluster"), Port: port}
	if err := c.Script(ctx, "up", "--base-port", strconv.Itoa(port), "--binary", binary, "--operational", strconv.Itoa(Operational), "--recovery", strconv.Itoa(Recovery)); err != nil {
		return c, err
	}
	return c, c.readEnv()
}

// Init gives the cluster two administrators, both of whom must sign, and a first master key.
func (c *Cluster) Init(ctx context.Context) error {
	return c.Show(ctx, "tke", "auto-init", "--signature-threshold", "2", "--revocation-threshold", "2",
		"--administrators", "2", "--name", "Alice", "--name", "Bob", "--yes")
}

// Script runs a command of the script on this cluster.
func (c *Cluster) Script(ctx context.Context, command string, args ...string) error {
	run := exec.CommandContext(ctx, script, append([]string{command, "--dir", c.Dir}, args...)...)
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	if err := run.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", script, command, err)
	}
	return nil
}

// readEnv takes over what the script's env file exports.
func (c *Cluster) readEnv() error {
	out, err := exec.Command("bash", "-c", `set -a; . "$1"; env`, "env", filepath.Join(c.Dir, "env")).Output()
	if err != nil {
		return fmt.Errorf("reading %s/env: %w", c.Dir, err)
	}
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		if name, _, ok := strings.Cut(lines.Text(), "="); ok && (strings.HasPrefix(name, "TUMBLER_") || name == "CLOUDTKEFILES") {
			c.env = append(c.env, lines.Text())
		}
	}
	c.env = append(c.env, "TUMBLER_SIGKEY_PASSWORD=a demonstration needs no secret 7")
	return nil
}

// Get gives a variable of the cluster's env file.
func (c *Cluster) Get(name string) string {
	for _, entry := range c.env {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

// Command is the program with this cluster's environment.
func (c *Cluster) Command(ctx context.Context, args ...string) *exec.Cmd {
	run := exec.CommandContext(ctx, c.binary, args...)
	run.Env = append(os.Environ(), c.env...)
	return run
}

// Show runs the program with its output, its progress bars too, passed through.
func (c *Cluster) Show(ctx context.Context, args ...string) error {
	fmt.Println("$ tumbler", strings.Join(args, " "))
	run := c.Command(ctx, args...)
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	if err := run.Run(); err != nil {
		return fmt.Errorf("tumbler %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// Ask runs the program and reads its JSON.
func (c *Cluster) Ask(ctx context.Context, into any, args ...string) error {
	out, err := c.Command(ctx, append(args, "--output", "json")...).Output()
	if err != nil {
		return fmt.Errorf("tumbler %s: %w", strings.Join(args, " "), err)
	}
	return json.Unmarshal(out, into)
}

// Down stops what Up started and removes its folder.
func (c *Cluster) Down() error {
	if c == nil {
		return nil
	}
	return errors.Join(c.Script(context.Background(), "down", "--delete"), os.RemoveAll(filepath.Dir(c.Dir)))
}
