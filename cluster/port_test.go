package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tumbler/tests/authority"
)

// dial makes a TLS connection to a node and reads from it, so that the node's verdict is known.
func dial(ctx context.Context, address string, config *tls.Config) error {
	conn, err := (&tls.Dialer{Config: config}).DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(5 * time.Second)); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

func clientConfig(files TLSFiles, protocols ...string) *tls.Config {
	return &tls.Config{
		InsecureSkipVerify: true, NextProtos: protocols,
		Certificates: []tls.Certificate{must(tls.LoadX509KeyPair(files.Certificate, files.Key))},
	}
}

func TestOnlyNodesGetIn(t *testing.T) {
	f := newFarm(t)
	n := f.open(f.config(1))
	stranger := authority.New(t)
	good := issue(f.ca, "tumbler://node/2")
	for name, config := range map[string]*tls.Config{
		"no certificate":           {InsecureSkipVerify: true, NextProtos: []string{raftProtocol}},
		"a client's certificate":   clientConfig(issue(f.ca, "tumbler://client/alice"), callProtocol),
		"another authority's":      clientConfig(issue(stranger, "tumbler://node/2"), raftProtocol),
		"a name that is no node's": clientConfig(issue(f.ca, "tumbler://node/02"), raftProtocol),
		"for servers only":         clientConfig(issue(f.ca, "tumbler://node/2", x509.ExtKeyUsageServerAuth), raftProtocol),
		"another protocol":         clientConfig(good, "http/1.1"),
		"no protocol":              clientConfig(good),
	} {
		for _, protocol := range []string{raftProtocol, callProtocol} {
			if len(config.NextProtos) > 0 && config.NextProtos[0] != "http/1.1" {
				config.NextProtos[0] = protocol
			}
			err := dial(f.ctx(), n.Address(), config)
			if err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%s got in, %s: %v", name, protocol, err)
			}
		}
	}
	old := clientConfig(good, callProtocol)
	old.MaxVersion = tls.VersionTLS12
	if err := dial(f.ctx(), n.Address(), old); err == nil {
		t.Error("TLS 1.2 got in")
	}
	two := f.open(f.config(2))
	if _, err := two.calls.send(f.ctx(), n.Address(), 0, methodHello, nil); err != nil {
		t.Errorf("a good node did not get in: %v", err)
	}
	plain, err := http.Get("http://" + n.Address() + "/rpc/hello")
	if err == nil {
		plain.Body.Close()
		if plain.StatusCode == http.StatusOK {
			t.Error("plain HTTP got in")
		}
	}
}

func TestAConnectionKnowsWhomItWants(t *testing.T) {
	f := newFarm(t)
	one, two := f.open(f.config(1)), f.open(f.config(2))
	creds := one.calls.creds
	for number, want := range map[uint32]bool{0: true, 2: true, 3: false, 1: false} {
		conn, err := dialTLS(f.ctx(), tcp{}, creds, two.Address(), callProtocol, number)
		if (err == nil) != want {
			t.Errorf("node 2 taken for %d: %v", number, err)
		}
		if err == nil {
			conn.Close()
			continue
		}
		f.isError(err, ErrPeer)
		f.isError(err, ErrUnreachable)
	}
	// A server with a node's name from another authority, or with a client's certificate of ours.
	for _, files := range []TLSFiles{issue(authority.New(t), "tumbler://node/2"), issue(f.ca, "tumbler://client/bob")} {
		l := must(tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
			Certificates: []tls.Certificate{must(tls.LoadX509KeyPair(files.Certificate, files.Key))}, NextProtos: []string{callProtocol},
		}))
		go func() {
			if conn, err := l.Accept(); err == nil {
				_ = conn.(*tls.Conn).Handshake()
				conn.Close()
			}
		}()
		if _, err := dialTLS(f.ctx(), tcp{}, creds, l.Addr().String(), callProtocol, 2); !errors.Is(err, ErrPeer) {
			t.Errorf("got %v", err)
		}
		l.Close()
	}
}

func TestRenewedCertificatesNeedNoRestart(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(2)
	before := nodes[0].calls.creds.material().certificate.Leaf.SerialNumber
	files := nodes[0].config.TLS

	// Half of a renewal leaves the former pair in force.
	other := issue(f.ca, "tumbler://node/1")
	replace(t, files.Certificate, other.Certificate)
	if got := nodes[0].calls.creds.material().certificate.Leaf.SerialNumber; got.Cmp(before) != 0 {
		t.Error("a certificate without its key is in force")
	}
	f.noError(nodes[1].ReadIndex(f.ctx()))
	replace(t, files.Key, other.Key)
	seen := serialAt(t, nodes[0].Address(), issue(f.ca, "tumbler://node/2"))
	if want := must(tls.LoadX509KeyPair(other.Certificate, other.Key)).Leaf.SerialNumber; seen.String() != want.String() {
		t.Errorf("the listener shows certificate %v, not %v", seen, want)
	}
	// One of another node is not taken.
	wrong := issue(f.ca, "tumbler://node/7")
	replace(t, files.Certificate, wrong.Certificate)
	replace(t, files.Key, wrong.Key)
	if again := serialAt(t, nodes[0].Address(), issue(f.ca, "tumbler://node/2")); again.String() != seen.String() {
		t.Error("another node's certificate is in force")
	}
}

func replace(t *testing.T, path, by string) {
	t.Helper()
	temporary := path + ".new"
	check(os.WriteFile(temporary, must(os.ReadFile(by)), 0o600))
	later := time.Now().Add(time.Minute) // sizes may be equal, and clocks coarse
	check(os.Chtimes(temporary, later, later))
	check(os.Rename(temporary, path))
}

func serialAt(t *testing.T, address string, files TLSFiles) interface{ String() string } {
	t.Helper()
	conn := must(tls.Dial("tcp", address, clientConfig(files, callProtocol)))
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber
}

func TestConfigurationErrorsNameTheKey(t *testing.T) {
	f := newFarm(t)
	taken := must(net.Listen("tcp", "127.0.0.1:0"))
	defer taken.Close()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	check(os.WriteFile(empty, nil, 0o600))
	file := filepath.Join(t.TempDir(), "file")
	check(os.WriteFile(file, nil, 0o600))
	for name, c := range map[string]struct {
		change func(*Config)
		key    string
		cause  error
		text   string
	}{
		"no number":            {func(c *Config) { c.Number = 0 }, "number", nil, ""},
		"no folder":            {func(c *Config) { c.Dir = "" }, "dir", nil, ""},
		"a file for a folder":  {func(c *Config) { c.Dir = file }, "dir", nil, ""},
		"no address":           {func(c *Config) { c.Address = "" }, "address", nil, "host:port"},
		"nobody's address":     {func(c *Config) { c.Address = "0.0.0.0:8444" }, "address", nil, "listen"},
		"nobody's gossip":      {func(c *Config) { c.Gossip.Address = "0.0.0.0:0" }, "gossip.address", nil, "gossip.listen"},
		"port in use":          {func(c *Config) { c.Address = taken.Addr().String() }, "address", syscall.EADDRINUSE, "another port"},
		"gossip port in use":   {func(c *Config) { c.Gossip.Address = taken.Addr().String() }, "gossip.address", syscall.EADDRINUSE, "another port"},
		"no keyring":           {func(c *Config) { c.Gossip.Keyring = nil }, "gossip.keyring", nil, ""},
		"a short key":          {func(c *Config) { c.Gossip.Keyring = [][]byte{{1}} }, "gossip.keyring", nil, "32 random bytes"},
		"no certificate":       {func(c *Config) { c.TLS.Certificate = "" }, "tls.certificate", nil, "tumbler pki"},
		"missing certificate":  {func(c *Config) { c.TLS.Certificate = "/nowhere/node.pem" }, "tls.certificate", os.ErrNotExist, "check the path"},
		"missing key":          {func(c *Config) { c.TLS.Key = "/nowhere/node.key" }, "tls.key", os.ErrNotExist, "check the path"},
		"an empty certificate": {func(c *Config) { c.TLS.Certificate = empty }, "tls.certificate", nil, "PEM"},
		"an empty authority":   {func(c *Config) { c.TLS.CA = empty }, "tls.ca", nil, "authority"},
		"another node's":       {func(c *Config) { c.TLS = issue(f.ca, "tumbler://node/2") }, "tls.certificate", nil, "it is of node 2, and this is node 1"},
		"a client's":           {func(c *Config) { c.TLS = issue(f.ca, "tumbler://client/alice") }, "tls.certificate", ErrPeer, "client"},
		"for clients only":     {func(c *Config) { c.TLS = issue(f.ca, "tumbler://node/1", x509.ExtKeyUsageClientAuth) }, "tls.certificate", nil, "servers and clients"},
		"another authority's":  {func(c *Config) { c.TLS.CA = issue(authority.New(t), "tumbler://node/1").CA }, "tls.certificate", nil, "signed by tls.ca"},
		"a long lease":         {func(c *Config) { c.Timeouts.Lease = time.Hour }, "timeouts.lease", nil, ""},
		"a quick heartbeat":    {func(c *Config) { c.Timeouts.Heartbeat = 1 }, "timeouts.heartbeat", nil, ""},
		"a quick election":     {func(c *Config) { c.Timeouts.Election = 1 }, "timeouts.election", nil, ""},
		"a slow commit":        {func(c *Config) { c.Timeouts.Commit = time.Hour }, "timeouts.commit", nil, ""},
		"a quick call":         {func(c *Config) { c.Timeouts.Call = 1 }, "timeouts.call", nil, ""},
		"large messages":       {func(c *Config) { c.Sizes.AppendEntries = 5000 }, "sizes.append_entries", nil, ""},
		"negative sizes":       {func(c *Config) { c.Sizes.SnapshotBytes = -1 }, "sizes", nil, ""},
		"long gossip":          {func(c *Config) { c.Meta.Role = strings.Repeat("x", 500) }, "api.address", nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			config := f.config(1)
			c.change(&config)
			config.FSM = newTally(config.Dir)
			opened, err := Open(config)
			if err == nil {
				opened.Close()
				t.Fatal("it was accepted")
			}
			var wrong *ConfigError
			if !errors.As(err, &wrong) || wrong.Key != c.key || wrong.Hint == "" {
				t.Fatalf("got %v, want an error of the key %s", err, c.key)
			}
			if c.cause != nil && !errors.Is(err, c.cause) || !contains(err, c.text) {
				t.Errorf("got %v", err)
			}
		})
	}
	config := f.config(1)
	if _, err := Open(config); err == nil {
		t.Error("a node without a state machine opened")
	}
	config.FSM = newTally(config.Dir)
	config.Recover = func(Durable) error { return errors.New("foreign state") }
	if _, err := Open(config); !contains(err, "foreign state") {
		t.Errorf("got %v", err)
	}
	config.Recover = nil
	n, err := Open(config) // nothing stays open after an error
	f.noError(err)
	f.noError(n.Close())
}

func TestGossipNeedsTheKey(t *testing.T) {
	f := newFarm(t)
	first := f.cluster(1)[0]
	config := f.config(2)
	config.Gossip.Keyring = [][]byte{[]byte("another key of thirty-two bytes!")}
	second := f.open(config)
	f.noError(second.Join(f.ctx(), first.Address(), goodToken))
	if err := second.meetOne(f.ctx(), 1); err == nil {
		t.Error("gossip with another key was understood")
	}
	for _, m := range first.Members() {
		if m.Number == 2 && m.Alive {
			t.Error("a node with another key is heard")
		}
	}
	// A keyring of both lets a key be replaced node by node.
	f.stop(second)
	second.config.Gossip.Keyring = append(first.config.Gossip.Keyring, config.Gossip.Keyring...)
	second = f.restart(second)
	f.waitFor("both to hear each other", func() bool {
		return len(first.gossip.alive()) == 2 && len(second.gossip.alive()) == 2
	})
}
