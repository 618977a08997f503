package main

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

// cluster is five processes on loopback, started by the script that users have.
type cluster struct {
	binary string
	dir    string
	port   int
	env    []string
}

const script = "scripts/dev-cluster.sh"

// up starts the cluster in a folder of its own. What it returns is to be taken down, also after an error.
func up(ctx context.Context, binary string, port int) (*cluster, error) {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tumbler-demo-")
	if err != nil {
		return nil, err
	}
	c := &cluster{binary: binary, dir: filepath.Join(dir, "cluster"), port: port}
	if err := c.script(ctx, "up", "--base-port", strconv.Itoa(port), "--binary", binary, "--operational", "3", "--recovery", "2"); err != nil {
		return c, err
	}
	return c, c.readEnv()
}

func (c *cluster) script(ctx context.Context, command string, args ...string) error {
	run := exec.CommandContext(ctx, script, append([]string{command, "--dir", c.dir}, args...)...)
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	if err := run.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", script, command, err)
	}
	return nil
}

// readEnv takes over what the script's env file exports.
func (c *cluster) readEnv() error {
	out, err := exec.Command("bash", "-c", `set -a; . "$1"; env`, "env", filepath.Join(c.dir, "env")).Output()
	if err != nil {
		return fmt.Errorf("reading %s/env: %w", c.dir, err)
	}
	for lines := bufio.NewScanner(strings.NewReader(string(out))); lines.Scan(); {
		if name, _, ok := strings.Cut(lines.Text(), "="); ok && (strings.HasPrefix(name, "TUMBLER_") || name == "CLOUDTKEFILES") {
			c.env = append(c.env, lines.Text())
		}
	}
	c.env = append(c.env, "TUMBLER_SIGKEY_PASSWORD=a demonstration needs no secret 7")
	return nil
}

func (c *cluster) get(name string) string {
	for _, entry := range c.env {
		if value, ok := strings.CutPrefix(entry, name+"="); ok {
			return value
		}
	}
	return ""
}

func (c *cluster) command(ctx context.Context, args ...string) *exec.Cmd {
	run := exec.CommandContext(ctx, c.binary, args...)
	run.Env = append(os.Environ(), c.env...)
	return run
}

// show runs the program with its output, its progress bars too, passed through.
func (c *cluster) show(ctx context.Context, args ...string) error {
	fmt.Println("$ tumbler", strings.Join(args, " "))
	run := c.command(ctx, args...)
	run.Stdout, run.Stderr = os.Stdout, os.Stderr
	if err := run.Run(); err != nil {
		return fmt.Errorf("tumbler %s: %w", strings.Join(args, " "), err)
	}
	return nil
}

// ask runs the program and reads its JSON.
func (c *cluster) ask(ctx context.Context, into any, args ...string) error {
	out, err := c.command(ctx, append(args, "--output", "json")...).Output()
	if err != nil {
		return fmt.Errorf("tumbler %s: %w", strings.Join(args, " "), err)
	}
	return json.Unmarshal(out, into)
}

// down stops what up started and removes its folder.
func (c *cluster) down() error {
	if c == nil {
		return nil
	}
	title("The cluster is stopped")
	return errors.Join(c.script(context.Background(), "down", "--delete"), os.RemoveAll(filepath.Dir(c.dir)))
}
