//go:build linux

package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/google/uuid"

	"tumbler/api/client"
)

// cluster is three operational and two recovery nodes.
type cluster struct {
	dir      string
	binary   string
	instance string
	apiKey   string
	admin    *client.Client
	nodes    []*node // by number, from 1
}

const (
	operational = 3
	recovery    = 2
)

// patience is how long a cluster that was put right may take to serve again: long, for a loaded machine.
const patience = 3 * time.Minute

// newCluster starts a cluster with two administrators, both of whom must sign, and a first master key.
func newCluster(ctx context.Context, dir, binary string) (*cluster, error) {
	c := &cluster{dir: dir, binary: binary, instance: uuid.NewString()}
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	if err := c.restart(); err != nil {
		return nil, err
	}
	if err := c.connect(); err != nil {
		return nil, err
	}
	if err := c.wait(ctx, "/healthz"); err != nil {
		return nil, err
	}
	var founded client.Bootstrapped
	if err := c.ask(ctx, &founded, "cluster", "bootstrap", "--address", c.nodes[0].api()); err != nil {
		return nil, err
	}
	c.apiKey = founded.APIKey.Secret
	for _, n := range c.nodes[1:] {
		if err := c.join(ctx, n, c.nodes[0]); err != nil {
			return nil, err
		}
	}
	_, err := c.tumbler(ctx, "tke", "auto-init", "--signature-threshold", "2", "--revocation-threshold", "2",
		"--administrators", "2", "--name", "Alice", "--name", "Bob", "--yes")
	if err != nil {
		return nil, err
	}
	return c, c.wait(ctx, "/readyz")
}

// connect makes an administrator's client of all nodes.
func (c *cluster) connect() (err error) {
	config := client.Config{CAFile: c.path("pki/ca.pem"), CertFile: c.path("pki/client-admin.pem"), KeyFile: c.path("pki/client-admin.key")}
	for _, n := range c.nodes {
		config.Addresses = append(config.Addresses, n.api())
	}
	c.admin, err = client.New(config)
	return err
}

// prepare writes certificates, keys and configurations.
func (c *cluster) prepare(ctx context.Context) error {
	for _, args := range [][]string{{"pki", "init"}, {"pki", "client", "--name", "admin"}} {
		if _, err := c.tumbler(ctx, append(args, "--dir", c.path("pki"))...); err != nil {
			return err
		}
	}
	if err := errors.Join(os.Mkdir(c.path("tke"), 0o700), writeKey(c.path("gossip.key"))); err != nil {
		return err
	}
	for number := 1; number <= operational+recovery; number++ {
		role := "operational"
		if number > operational {
			role = "recovery"
		}
		n := newNode(number, role, c.path(fmt.Sprintf("node-%d", number)), c.binary)
		c.nodes = append(c.nodes, n)
		_, err := c.tumbler(ctx, "pki", "node", "--dir", c.path("pki"), "--number", fmt.Sprint(number), "--host", address(number))
		if err != nil {
			return err
		}
		err = errors.Join(os.Mkdir(n.dir, 0o700), n.disarm(), writeKey(n.path("sealing.key")), os.WriteFile(n.path("node.yaml"), c.configuration(n), 0o600))
		if err == nil && isSmall(number) {
			err = n.mountSmall()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// configuration has the default timeouts: how fast writes resume is measured with them.
func (c *cluster) configuration(n *node) []byte {
	return fmt.Appendf(nil, `instance: %s
number: %d
role: %s
data_dir: data
listen: {host: %s}
tls: {ca: ../pki/ca.pem, cert: ../pki/node-%[2]d.pem, key: ../pki/node-%[2]d.key}
gossip: {key_file: ../gossip.key}
sealing: {key_file: sealing.key}
disk: {low_mib: 16, reserve_mib: 4}
log: {level: debug, format: text}
`, c.instance, n.number, n.role, address(n.number))
}

func writeKey(path string) error {
	key := make([]byte, 32)
	rand.Read(key)
	return os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(key)+"\n"), 0o600)
}

func (c *cluster) join(ctx context.Context, n, member *node) error {
	var token client.CreatedToken
	if err := c.ask(ctx, &token, "cluster", "token", "create", "--unit", fmt.Sprint(n.number), "--address", member.api()); err != nil {
		return err
	}
	run := c.command(ctx, "cluster", "join", "--address", n.api(), "--member", fmt.Sprintf("%s:%d", address(member.number), member.port()+1))
	run.Env = append(run.Env, "TUMBLER_JOIN_TOKEN="+token.Secret)
	if out, err := run.CombinedOutput(); err != nil {
		return fmt.Errorf("node %d joins: %w: %s", n.number, err, out)
	}
	return nil
}

func (c *cluster) path(name string) string { return filepath.Join(c.dir, name) }

// command is the program as an administrator runs it.
func (c *cluster) command(ctx context.Context, args ...string) *exec.Cmd {
	var addresses []string
	for _, n := range c.nodes {
		addresses = append(addresses, n.api())
	}
	run := exec.CommandContext(ctx, c.binary, args...)
	run.Env = append(os.Environ(), "TUMBLER_ADDRESS="+strings.Join(addresses, ","),
		"TUMBLER_CA="+c.path("pki/ca.pem"), "TUMBLER_CERT="+c.path("pki/client-admin.pem"), "TUMBLER_KEY="+c.path("pki/client-admin.key"),
		"CLOUDTKEFILES="+c.path("tke"), "TUMBLER_AGE_WORK_FACTOR=10", "TUMBLER_SIGKEY_PASSWORD=a test needs no secret 7",
		"TUMBLER_INSTANCE="+c.instance, "TUMBLER_API_KEY="+c.apiKey)
	return run
}

// tumbler runs the program, and gives what it prints on both outputs.
func (c *cluster) tumbler(ctx context.Context, args ...string) (string, error) {
	out, err := c.command(ctx, args...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("tumbler %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), err
}

// ask runs the program and reads its JSON.
func (c *cluster) ask(ctx context.Context, into any, args ...string) error {
	run := c.command(ctx, append(args, "--output", "json")...)
	var said strings.Builder
	run.Stderr = &said
	out, err := run.Output()
	if err != nil {
		return fmt.Errorf("tumbler %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(said.String()))
	}
	if err := json.Unmarshal(out, into); err != nil {
		return fmt.Errorf("tumbler %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// wait waits until every node says 200 to a path.
func (c *cluster) wait(ctx context.Context, path string) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for _, n := range c.nodes {
		for !n.is(ctx, path) {
			if !n.running() {
				return fmt.Errorf("node %d has ended (%v), and was to be up; its log ends:\n%s", n.number, n.process.ProcessState, n.logged(30))
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("node %d: no %s within %v; its log ends:\n%s", n.number, path, patience, n.logged(30))
			case <-again.C:
			}
		}
	}
	return nil
}

// leader is the node that leads, as any tells; nil: none is known now.
func (c *cluster) leader(ctx context.Context) *node {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	members, err := c.admin.Members(ctx)
	if err != nil {
		return nil
	}
	for _, m := range members.Members {
		if m.Leader {
			return c.nodes[m.Number-1]
		}
	}
	return nil
}

// kill ends nodes with SIGKILL, all before any is waited for.
func (c *cluster) kill(ctx context.Context, nodes ...*node) error {
	var errs error
	for _, n := range nodes {
		errs = errors.Join(errs, n.signal(syscall.SIGKILL))
	}
	for _, n := range nodes {
		_, err := n.await(ctx)
		errs = errors.Join(errs, err)
	}
	return errs
}

// restart starts what does not run.
func (c *cluster) restart() error {
	var errs error
	for _, n := range c.nodes {
		if !n.running() {
			errs = errors.Join(errs, n.start())
		}
	}
	return errs
}
