package harness

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"tumbler/api/client"
)

// Cluster is real processes, for one test.
type Cluster struct {
	Nodes    []*Node // by number, from 1
	Instance string
	APIKey   string // a Manager's secret

	t      *testing.T // of the subtest that runs, see Sub
	dir    string
	binary string
	health *http.Client
	order  string // digest of the rotation that was started last

	initialise                      func() // what is done once every node has joined
	sigKeyPassword, keyPartPassword string
}

// Uninitialised leaves the crypto units as they came, in imprint mode and without a master key: an option of NewCluster.
func Uninitialised(c *Cluster) { c.initialise = func() {} }

// NewCluster starts that many operational and recovery nodes (crypto units are numbered from 1, operational ones first),
// makes them one cluster, and initialises it with two administrators, both of whom must sign. Options change what was
// prepared before a node starts, and how it is initialised.
func NewCluster(t *testing.T, operational, recovery int, options ...func(*Cluster)) *Cluster {
	t.Helper()
	c := &Cluster{t: t, dir: t.TempDir(), Instance: uuid.NewString(), binary: os.Getenv(binaryEnv), health: &http.Client{Timeout: 5 * time.Second}}
	if c.binary == "" {
		t.Fatal("there is no program to run: the package's TestMain calls harness.Main")
	}
	t.Cleanup(c.end)
	c.initialise = func() { c.autoInit("Alice", "Bob") }
	usualPasswords(c)
	c.prepare(operational, recovery)
	for _, option := range options {
		option(c)
	}
	for _, n := range c.Nodes {
		n.start(t, c.binary)
	}
	for _, n := range c.Nodes {
		c.waitHealthy(n, "/healthz")
	}
	c.form()
	c.initialise()
	return c
}

// prepare writes certificates, keys and configurations.
func (c *Cluster) prepare(operational, recovery int) {
	c.t.Helper()
	ports, err := freePorts(operational + recovery)
	if err != nil {
		c.t.Fatal(err)
	}
	c.MustRun("pki", "init", "--dir", c.path("pki"))
	c.MustRun("pki", "client", "--dir", c.path("pki"), "--name", "admin")
	c.mkdir("tke")
	c.write("gossip.key", NewKey())
	for i, port := range ports {
		role := "operational"
		if i >= operational {
			role = "recovery"
		}
		c.prepareNode(role, port)
	}
}

// prepareNode makes the folder of the next node.
func (c *Cluster) prepareNode(role string, port int) *Node {
	c.t.Helper()
	n := &Node{Number: uint32(len(c.Nodes) + 1), Role: role, port: port}
	name := fmt.Sprintf("node-%d", n.Number)
	n.Dir = c.path(name)
	c.mkdir(name)
	c.mkdir(name + "/points")
	c.MustRun("pki", "node", "--dir", c.path("pki"), "--number", fmt.Sprint(n.Number))
	c.write(name+"/sealing.key", NewKey())
	c.write(name+"/node.yaml", c.configuration(n))
	c.Nodes = append(c.Nodes, n)
	return n
}

// configuration has longer timeouts than the defaults: two cores run five nodes under the race detector.
func (c *Cluster) configuration(n *Node) string {
	return fmt.Sprintf(`instance: %s
number: %d
role: %s
data_dir: data
listen: {api: %d, cluster: %d, gossip: %d, health_loopback_plaintext: %d}
tls: {ca: ../pki/ca.pem, cert: ../pki/node-%[2]d.pem, key: ../pki/node-%[2]d.key}
gossip: {key_file: ../gossip.key}
sealing: {key_file: sealing.key}
disk: {low_mib: %[8]d, reserve_mib: %[9]d}
timeouts: {heartbeat: 1s, election: 1s, lease: 6s, fence: 90s}
log: {level: debug, format: text}
`, c.Instance, n.Number, n.Role, n.port, n.port+1, n.port+2, n.port+3, n.low, n.reserve)
}

// form makes the nodes one cluster.
func (c *Cluster) form() {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	founded, err := c.Admin(1).Bootstrap(ctx)
	if err != nil {
		c.t.Fatalf("bootstrap: %v", err)
	}
	c.APIKey = founded.APIKey.Secret
	for _, n := range c.Nodes[1:] {
		c.join(ctx, n, 1)
	}
	c.WaitReady()
}

// join has a node join through a member, with a token of its own.
func (c *Cluster) join(ctx context.Context, n *Node, member uint32) {
	c.t.Helper()
	token, err := c.Admin(member).CreateToken(ctx, client.CreateTokenRequest{Unit: n.Number})
	if err != nil {
		c.t.Fatalf("a join token for node %d: %v", n.Number, err)
	}
	if _, err := c.Admin(n.Number).Join(ctx, fmt.Sprintf("localhost:%d", c.Node(member).port+1), token.Secret); err != nil {
		c.t.Fatalf("node %d joins: %v", n.Number, err)
	}
}

// Join has a node that was launched without a log become a member again, and waits until it serves.
func (c *Cluster) Join(number uint32) {
	c.t.Helper()
	n := c.Node(number)
	c.waitHealthy(n, "/healthz")
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	c.join(ctx, n, 1)
	c.waitHealthy(n, "/readyz")
}

// Sub runs a subtest; what fails in the cluster meanwhile fails it. After one that failed the cluster is no ground for the
// next.
func (c *Cluster) Sub(name string, test func(t *testing.T)) {
	c.t.Helper()
	parent := c.t
	defer func() { c.t = parent }()
	passed := parent.Run(name, func(t *testing.T) {
		c.t = t
		test(t)
	})
	if !passed {
		parent.FailNow()
	}
}

// end ends every process and tells what a failed test needs.
func (c *Cluster) end() {
	for _, n := range c.Nodes {
		if n.Running() {
			_ = n.command.Process.Signal(syscall.SIGKILL)
			<-n.ended
		}
		if race := n.races(); race != "" {
			c.t.Errorf("node %d has a data race:\n%s", n.Number, race)
		}
	}
	if !c.t.Failed() {
		return
	}
	for _, n := range c.Nodes {
		c.t.Logf("the log of node %d ends so%s:\n%s", n.Number, n.why(), n.logTail())
	}
}

// Node gives a node by its number.
func (c *Cluster) Node(number uint32) *Node {
	c.t.Helper()
	if number == 0 || int(number) > len(c.Nodes) {
		c.t.Fatalf("there is no node %d", number)
	}
	return c.Nodes[number-1]
}

// Operational gives the numbers of the units that serve callers.
func (c *Cluster) Operational() []uint32 { return c.numbers("operational") }

// Recovery gives the numbers of the units that hold the master key as backup.
func (c *Cluster) Recovery() []uint32 { return c.numbers("recovery") }

// All gives every number.
func (c *Cluster) All() []uint32 { return c.numbers("") }

func (c *Cluster) numbers(role string) (numbers []uint32) {
	for _, n := range c.Nodes {
		if role == "" || n.Role == role {
			numbers = append(numbers, n.Number)
		}
	}
	return numbers
}

// Write replaces a file of the cluster (pki/…, gossip.key, node-N/…) in one step, as operators do.
func (c *Cluster) Write(name, content string) {
	c.t.Helper()
	c.write(name+".new", content)
	if err := os.Rename(c.path(name+".new"), c.path(name)); err != nil {
		c.t.Fatal(err)
	}
}

// Read gives the content of a file of the cluster.
func (c *Cluster) Read(name string) string {
	c.t.Helper()
	text, err := os.ReadFile(c.path(name))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(text)
}

// Renew has the cluster's authority issue another certificate for a node.
func (c *Cluster) Renew(number uint32) {
	c.t.Helper()
	for _, name := range []string{"pem", "key"} {
		if err := os.Remove(c.path(fmt.Sprintf("pki/node-%d.%s", number, name))); err != nil {
			c.t.Fatal(err)
		}
	}
	c.MustRun("pki", "node", "--dir", c.path("pki"), "--number", fmt.Sprint(number))
}

// Folder is that of the administrators' and custodians' workstation.
func (c *Cluster) Folder() string { return c.path("tke") }

func (c *Cluster) path(name string) string { return filepath.Join(c.dir, name) }

func (c *Cluster) mkdir(name string) {
	c.t.Helper()
	if err := os.Mkdir(c.path(name), 0o700); err != nil {
		c.t.Fatal(err)
	}
}

func (c *Cluster) write(name, content string) {
	c.t.Helper()
	if err := os.WriteFile(c.path(name), []byte(content), 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// addresses of the nodes that may answer, the preferred first.
func (c *Cluster) addresses(preferred ...uint32) []string {
	c.t.Helper()
	var list []string
	for _, number := range preferred {
		list = append(list, c.Node(number).Address())
	}
	if len(preferred) > 0 {
		return list
	}
	for _, n := range c.Nodes {
		if n.answers() {
			list = append(list, n.Address())
		}
	}
	if len(list) == 0 {
		c.t.Fatalf("no node runs: %s", strings.Join(list, ", "))
	}
	return list
}
