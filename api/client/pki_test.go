package client

import (
	"crypto/x509"
	"net"
	"net/http"
	"testing"
	"time"

	"tumbler/tests/authority"
)

// testCA is one cluster's CA, and what bears its certificates.
type testCA struct {
	*authority.CA
	t *testing.T
}

func newCA(t *testing.T) testCA {
	t.Helper()
	return testCA{authority.New(t), t}
}

// serve starts a node's stand-in for a handler.
func (a testCA) serve(handler http.Handler) string {
	a.t.Helper()
	return a.Serve(a.Issue("tumbler://node/1", x509.ExtKeyUsageServerAuth), handler)
}

// config is what an administrator of this CA's cluster has.
func (a testCA) config(addresses ...string) Config {
	a.t.Helper()
	files := a.Issue("tumbler://client/alice", x509.ExtKeyUsageClientAuth)
	return Config{Addresses: addresses, CAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key, Timeout: 10 * time.Second}
}

// silent is an address where nothing listens.
func silent(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
