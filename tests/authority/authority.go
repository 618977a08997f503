// Package authority is a certificate authority for one test. It certifies whatever it is asked to, also what no node and no
// administrator may have.
package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// CA signs the certificates of one test.
type CA struct {
	File        string
	Certificate *x509.Certificate

	t   testing.TB
	key *ecdsa.PrivateKey
}

// Files are those of a certificate.
type Files struct{ CA, Cert, Key string }

// New makes an authority.
func New(t testing.TB) *CA {
	t.Helper()
	ca := &CA{t: t, key: newKey(t)}
	serial := newSerial(t)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "test authority " + serial.Text(16)}, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &ca.key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	if ca.Certificate, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	ca.File = write(t, filepath.Join(t.TempDir(), "ca.pem"), "CERTIFICATE", der)
	return ca
}

// Issue makes a certificate with one SAN URI, for 127.0.0.1; without a usage it is for servers and clients.
func (ca *CA) Issue(uri string, usage ...x509.ExtKeyUsage) Files {
	ca.t.Helper()
	return ca.IssueFor(net.IPv4(127, 0, 0, 1), uri, usage...)
}

// IssueFor is Issue for another address.
func (ca *CA) IssueFor(host net.IP, uri string, usage ...x509.ExtKeyUsage) Files {
	t := ca.t
	t.Helper()
	parsed, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	if len(usage) == 0 {
		usage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	}
	key := newKey(t)
	template := &x509.Certificate{
		SerialNumber: newSerial(t), URIs: []*url.URL{parsed}, IPAddresses: []net.IP{host}, ExtKeyUsage: usage,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.Certificate, &key.PublicKey, ca.key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return Files{
		CA:   ca.File,
		Cert: write(t, filepath.Join(dir, "cert.pem"), "CERTIFICATE", der),
		Key:  write(t, filepath.Join(dir, "key.pem"), "PRIVATE KEY", private),
	}
}

// Serve starts a stand-in for a node's API port: TLS 1.3, and a client certificate is checked if it is given.
func (ca *CA) Serve(node Files, handler http.Handler) (address string) {
	ca.t.Helper()
	pair, err := tls.LoadX509KeyPair(node.Cert, node.Key)
	if err != nil {
		ca.t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(handler)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what tests are about
	server.TLS = &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientCAs: ca.Pool(), ClientAuth: tls.VerifyClientCertIfGiven,
	}
	server.StartTLS()
	ca.t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// Pool has this authority alone.
func (ca *CA) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(ca.Certificate)
	return pool
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSerial(t testing.TB) *big.Int {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	return serial
}

func write(t testing.TB, path, kind string, der []byte) string {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
