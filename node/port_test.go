package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
)

func TestTheAPIPortRefusesTLS12(t *testing.T) {
	port, err := listen("listen.api", "127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	credentials, err := newAPICredentials(selfSigned(t), hclog.NewNullLogger())
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

// selfSigned are files of a certificate that is its own authority.
func selfSigned(t *testing.T) TLS {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), DNSNames: []string{"localhost"},
		IsCA: true, BasicConstraintsValid: true, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	files := TLS{CA: filepath.Join(dir, "ca.pem"), Cert: filepath.Join(dir, "ca.pem"), Key: filepath.Join(dir, "key.pem")}
	write(t, files.Cert, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o600)
	write(t, files.Key, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), 0o600)
	return files
}
