package pki

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestANodeAndAClientShakeHandsOverTLS13(t *testing.T) {
	dir := t.TempDir()
	if _, err := Create(dir); err != nil {
		t.Fatal(err)
	}
	ca, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	node, err := ca.Node(dir, 3, "node-3.example.com", "192.0.2.3")
	if err != nil {
		t.Fatal(err)
	}
	client, err := ca.Client(dir, "alice")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"localhost", "127.0.0.1", "::1", "node-3.example.com", "192.0.2.3"} {
		server, peer, err := handshake(t, node, client, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if server != "tumbler://node/3" || peer != "tumbler://client/alice" {
			t.Errorf("%s: %s and %s", name, server, peer)
		}
	}
	if _, _, err := handshake(t, node, client, "other.example.com"); err == nil {
		t.Error("a name that the certificate does not have was accepted")
	}
	if _, _, err := handshake(t, client, node, "localhost"); err == nil {
		t.Error("a client's certificate was accepted for a server")
	}
	stranger := t.TempDir()
	other, err := Create(stranger)
	if err != nil {
		t.Fatal(err)
	}
	mallory, err := other.Client(stranger, "alice")
	if err != nil {
		t.Fatal(err)
	}
	mallory.CA = client.CA
	if _, _, err := handshake(t, node, mallory, "localhost"); err == nil {
		t.Error("a certificate of another CA was accepted")
	}
}

func TestPrivateKeysAreTheOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	ca, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Node(dir, 1); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{caKeyFile, "node-1.key"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

func TestNothingIsOverwritten(t *testing.T) {
	dir := t.TempDir()
	ca, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(filepath.Join(dir, caKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Create(dir); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("second CA: %v", err)
	}
	if _, err := ca.Client(dir, "bob"); err != nil {
		t.Fatal(err)
	}
	if _, err := ca.Client(dir, "bob"); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Errorf("second certificate of bob: %v", err)
	}
	after, err := os.ReadFile(filepath.Join(dir, caKeyFile))
	if err != nil || string(after) != string(before) {
		t.Errorf("the CA's key changed: %v", err)
	}
}

func TestMistakesSayWhatToDo(t *testing.T) {
	dir := t.TempDir()
	ca, err := Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	swapped := t.TempDir()
	if _, err := Create(swapped); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, caKeyFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(swapped, caKeyFile), data, 0o600); err != nil {
		t.Fatal(err)
	}
	ended := *ca
	ended.now = func() time.Time { return time.Now().Add(ValidCA) }
	for says, call := range map[string]func() error{
		"tumbler pki init":                func() error { _, err := Open(t.TempDir()); return err },
		"is not the key of ca.pem":        func() error { _, err := Open(swapped); return err },
		"is not a client's name":          func() error { _, err := ca.Client(dir, "../alice"); return err },
		"from 1":                          func() error { _, err := ca.Node(dir, 0); return err },
		"without ports":                   func() error { _, err := ca.Node(dir, 1, "localhost:80"); return err },
		"make a new CA, and issue every ": func() error { _, err := ended.Node(dir, 1); return err },
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
}

// handshake gives the SAN URIs that each side saw of the other.
func handshake(t *testing.T, node, client Issued, name string) (server, peer string, err error) {
	t.Helper()
	roots := x509.NewCertPool()
	pem, err := os.ReadFile(client.CA)
	if err != nil || !roots.AppendCertsFromPEM(pem) {
		t.Fatal(err)
	}
	pair := func(i Issued) []tls.Certificate {
		p, err := tls.LoadX509KeyPair(i.Cert, i.Key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{p}
	}
	a, b := net.Pipe()
	s := tls.Server(a, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: pair(node), ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert})
	c := tls.Client(b, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: pair(client), RootCAs: roots, ServerName: name})
	done := make(chan error, 1)
	go func() {
		err := s.Handshake()
		_, write := s.Write([]byte("x"))
		done <- errors.Join(err, write, a.Close())
	}()
	_, read := io.ReadFull(c, make([]byte, 1)) // TLS 1.3: the server's refusal shows at the first read
	_ = b.Close()
	if err := errors.Join(<-done, read); err != nil {
		return "", "", err
	}
	return c.ConnectionState().PeerCertificates[0].URIs[0].String(), s.ConnectionState().PeerCertificates[0].URIs[0].String(), nil
}
