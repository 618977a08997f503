package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Issued names the files of a new certificate.
type Issued struct {
	CA   string `json:"ca"`
	Cert string `json:"cert"`
	Key  string `json:"key"`
	URI  string `json:"uri"` // the SAN URI that names its bearer
}

// Node issues a node's certificate, for servers and clients, with SAN URI tumbler://node/<number>, and the names localhost,
// 127.0.0.1, ::1 and those given. It is saved as node-<number>.pem and .key in a folder.
func (ca *CA) Node(dir string, number uint32, hosts ...string) (Issued, error) {
	if number == 0 {
		return Issued{}, errors.New("a node's number is from 1")
	}
	template := &x509.Certificate{
		Subject:     pkix.Name{CommonName: fmt.Sprintf("tumbler node %d", number)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		URIs:        []*url.URL{{Scheme: "tumbler", Host: "node", Path: fmt.Sprintf("/%d", number)}},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if host == "" || strings.ContainsAny(host, ":/ ") {
			return Issued{}, fmt.Errorf("%q is not a host: give names and IP addresses without ports", host)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	return ca.issue(dir, fmt.Sprintf("node-%d", number), template)
}

var clientName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Client issues an administrator's certificate, for clients, with SAN URI tumbler://client/<name>. It is saved as
// client-<name>.pem and .key in a folder.
func (ca *CA) Client(dir, name string) (Issued, error) {
	if !clientName.MatchString(name) {
		return Issued{}, fmt.Errorf("%q is not a client's name: 1 to 64 letters, digits, dots, dashes and underscores", name)
	}
	return ca.issue(dir, "client-"+name, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "tumbler client " + name},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{{Scheme: "tumbler", Host: "client", Path: "/" + name}},
	})
}

func (ca *CA) issue(dir, name string, template *x509.Certificate) (Issued, error) {
	now := ca.now()
	until := now.Add(ValidLeaf)
	if until.After(ca.certificate.NotAfter) {
		until = ca.certificate.NotAfter
	}
	if !now.Before(until) {
		return Issued{}, fmt.Errorf("the CA's certificate ended on %s: make a new CA, and issue every certificate again", until.Format(time.DateOnly))
	}
	serial, err := serialNumber()
	if err != nil {
		return Issued{}, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Issued{}, err
	}
	template.SerialNumber, template.KeyUsage, template.BasicConstraintsValid = serial, x509.KeyUsageDigitalSignature, true
	template.NotBefore, template.NotAfter = now.Add(-backdate), until
	der, err := x509.CreateCertificate(rand.Reader, template, ca.certificate, key.Public(), ca.key)
	if err != nil {
		return Issued{}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Issued{}, err
	}
	issued := Issued{CA: filepath.Join(dir, CAFile), Cert: filepath.Join(dir, name+".pem"), Key: filepath.Join(dir, name+".key"),
		URI: template.URIs[0].String()}
	return issued, save(issued.Cert, issued.Key, der, key)
}
