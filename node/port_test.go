package node

import (
	"crypto/tls"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/tests/authority"
)

func TestTheAPIPortRefusesTLS12(t *testing.T) {
	port, err := listen("listen.api", "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := newAPICredentials(certified(t), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	s, err := serve(port, http.NotFoundHandler(), credentials.server(), hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	defer s.close(time.Second)
	for version, want := range map[uint16]bool{tls.VersionTLS12: false, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", port.Addr().String(), &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
		if taken := err == nil; taken != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			conn.Close()
		}
	}
}

// TestWithoutTLSNothingIsServedButOnLoopback: whatever address the node listens on.
func TestWithoutTLSNothingIsServedButOnLoopback(t *testing.T) {
	health, err := healthPort(Listen{Host: "0.0.0.0", Health: 0})
	if err != nil {
		t.Fatal(err)
	}
	if !health.Addr().(*net.TCPAddr).IP.IsLoopback() {
		t.Errorf("the health port is open at %s", health.Addr())
	}
	s, err := serve(health, http.NotFoundHandler(), nil, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	s.close(time.Second)
	open, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	if s, err := serve(open, http.NotFoundHandler(), nil, hclog.NewNullLogger()); err == nil {
		s.close(time.Second)
		t.Error("a port without TLS is served to everybody")
	}
	open.Close()
}

// certified are the files of node 1's certificate.
func certified(t *testing.T) TLS {
	t.Helper()
	files := authority.New(t).Issue("tumbler://node/1")
	return TLS{CA: files.CA, Cert: files.Cert, Key: files.Key}
}
