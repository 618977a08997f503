package cluster

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cluster/tap"
)

const (
	raftProtocol = "tumbler-raft/1"    // ALPN of Raft's own stream
	callProtocol = "h2"                // ALPN of calls: HTTP/2, RFC 9113
	nodeURI      = "tumbler://node/"   // subject alternative name of a node's certificate, before its number
	clientURI    = "tumbler://client/" // of an administrator's, which has no business at this port
	certHint     = "make one with `tumbler pki node`, and name it here"
	certFileHint = "check the path and that this process may read it; " + certHint
)

// credentials are this node's certificate, key and authority, read again whenever a file changes. Files that cannot be used
// leave the last good ones in force.
type credentials struct {
	files  TLSFiles
	number uint32
	logger hclog.Logger

	mu      sync.Mutex
	stamps  [3]stamp
	current *material
}

type material struct {
	certificate tls.Certificate
	roots       *x509.CertPool
}

type stamp struct {
	modified time.Time
	size     int64
}

// newCredentials reads the files for the first time, when an error still stops the node.
func newCredentials(files TLSFiles, number uint32, logger hclog.Logger) (*credentials, error) {
	c := &credentials{files: files, number: number, logger: logger}
	c.stamps = c.stampsNow()
	m, err := c.read()
	if err != nil {
		return nil, err
	}
	c.current = m
	return c, nil
}

func (c *credentials) read() (*material, error) {
	files := []struct{ key, path string }{{"tls.certificate", c.files.Certificate}, {"tls.key", c.files.Key}, {"tls.ca", c.files.CA}}
	var pem [3][]byte
	for i, f := range files {
		if f.path == "" {
			return nil, &ConfigError{Key: f.key, Err: errors.New("no file"), Hint: certHint}
		}
		b, err := os.ReadFile(f.path)
		if err != nil {
			return nil, &ConfigError{Key: f.key, Value: f.path, Err: err, Hint: certFileHint}
		}
		pem[i] = b
	}
	certificate, err := tls.X509KeyPair(pem[0], pem[1])
	if err != nil {
		return nil, &ConfigError{Key: "tls.certificate", Value: c.files.Certificate, Err: err, Hint: "tls.certificate and tls.key must be PEM files of one pair; " + certHint}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem[2]) {
		return nil, &ConfigError{Key: "tls.ca", Value: c.files.CA, Err: errors.New("no certificate in it"), Hint: "name the PEM file of the authority that signed the nodes' certificates"}
	}
	number, err := numberOf(certificate.Leaf)
	if err == nil && number != c.number {
		err = fmt.Errorf("it is of node %d, and this is node %d", number, c.number)
	}
	if err == nil {
		err = verify(certificate.Leaf, intermediates(certificate), roots, x509.ExtKeyUsageServerAuth)
	}
	if err == nil {
		err = verify(certificate.Leaf, intermediates(certificate), roots, x509.ExtKeyUsageClientAuth)
	}
	if err != nil {
		return nil, &ConfigError{Key: "tls.certificate", Value: c.files.Certificate, Err: err, Hint: "it must be of this node, in force, for servers and clients, and signed by tls.ca"}
	}
	return &material{certificate: certificate, roots: roots}, nil
}

func intermediates(c tls.Certificate) []*x509.Certificate {
	var out []*x509.Certificate
	for _, der := range c.Certificate[1:] {
		if parsed, err := x509.ParseCertificate(der); err == nil {
			out = append(out, parsed)
		}
	}
	return out
}

func (c *credentials) stampsNow() (stamps [3]stamp) {
	for i, path := range []string{c.files.Certificate, c.files.Key, c.files.CA} {
		if info, err := os.Stat(path); err == nil {
			stamps[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return stamps
}

// material is what to use for a handshake now.
func (c *credentials) material() *material {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamps := c.stampsNow()
	if stamps == c.stamps {
		return c.current
	}
	c.stamps = stamps
	m, err := c.read()
	if err != nil { // perhaps half of a renewal: the other half changes a file again
		c.logger.Error("changed certificate files cannot be used, the former stay in force", "error", err)
		return c.current
	}
	c.logger.Info("changed certificate files are in force", "expires", m.certificate.Leaf.NotAfter)
	c.current = m
	return m
}

// server is the listener's configuration: only nodes get in.
func (c *credentials) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			m := c.material()
			return tap.Keys(&tls.Config{
				MinVersion:             tls.VersionTLS13,
				NextProtos:             []string{raftProtocol, callProtocol},
				Certificates:           []tls.Certificate{m.certificate},
				ClientAuth:             tls.RequireAndVerifyClientCert,
				ClientCAs:              m.roots,
				SessionTicketsDisabled: true, // each connection proves itself against today's authority
				VerifyConnection: func(state tls.ConnectionState) error {
					_, err := peerOf(&state)
					return err
				},
			}), nil
		},
	}
}

// client is the configuration of a connection to the node with that number, or to any node for 0. Host names play no part:
// the number is the identity.
func (c *credentials) client(protocol string, number uint32) *tls.Config {
	m := c.material()
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		NextProtos:         []string{protocol},
		Certificates:       []tls.Certificate{m.certificate},
		InsecureSkipVerify: true, // replaced by VerifyConnection
		VerifyConnection: func(state tls.ConnectionState) error {
			got, err := peerOf(&state)
			if err != nil {
				return err
			}
			if err := verify(state.PeerCertificates[0], state.PeerCertificates[1:], m.roots, x509.ExtKeyUsageServerAuth); err != nil {
				return fmt.Errorf("%w: %w", ErrPeer, err)
			}
			if number != 0 && got != number {
				return fmt.Errorf("%w: node %d answers where node %d should: check that both have the right address", ErrPeer, got, number)
			}
			return nil
		},
	}
}

func verify(leaf *x509.Certificate, chain []*x509.Certificate, roots *x509.CertPool, usage x509.ExtKeyUsage) error {
	pool := x509.NewCertPool()
	for _, c := range chain {
		pool.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: pool, KeyUsages: []x509.ExtKeyUsage{usage}})
	return err
}

// peerOf is the number of the node at the other end of a connection.
func peerOf(state *tls.ConnectionState) (uint32, error) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return 0, fmt.Errorf("%w: it shows no certificate", ErrPeer)
	}
	return numberOf(state.PeerCertificates[0])
}

// numberOf is the number of the node that the certificate names.
func numberOf(leaf *x509.Certificate) (uint32, error) {
	var number uint32
	for _, uri := range leaf.URIs {
		text := uri.String()
		if strings.HasPrefix(text, clientURI) {
			return 0, fmt.Errorf("%w: the certificate is a client's (%s), and only nodes connect here; use the API's port", ErrPeer, text)
		}
		if !strings.HasPrefix(text, "tumbler:") {
			continue
		}
		if number != 0 {
			return 0, fmt.Errorf("%w: the certificate names two nodes", ErrPeer)
		}
		n, err := parseNodeURI(text)
		if err != nil {
			return 0, err
		}
		number = n
	}
	if number == 0 {
		return 0, fmt.Errorf("%w: the certificate has no name %s<number>", ErrPeer, nodeURI)
	}
	return number, nil
}

func parseNodeURI(text string) (uint32, error) {
	digits, ok := strings.CutPrefix(text, nodeURI)
	number, err := parseNumber(digits)
	if !ok || err != nil {
		return 0, fmt.Errorf("%w: %q is not %s<number>", ErrPeer, text, nodeURI)
	}
	return number, nil
}

// parseNumber reads a unit's number in its one decimal form.
func parseNumber(text string) (uint32, error) {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != text {
		return 0, fmt.Errorf("%q is no unit's number", text)
	}
	return uint32(n), nil
}
