package node

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/hashicorp/go-hclog"

	"tumbler/cluster/tap"
)

// apiCredentials are the API port's certificate, key and authority, read again when a file changes: a renewal needs no
// restart. New connections use them; files that cannot be used leave the last good ones in force.
type apiCredentials struct {
	files TLS
	log   hclog.Logger

	mu     sync.Mutex
	seen   [3]stamp
	config *tls.Config
}

func newAPICredentials(files TLS, log hclog.Logger) (*apiCredentials, error) {
	c := &apiCredentials{files: files, log: log}
	c.seen = c.stamps()
	var err error
	c.config, err = readAPICredentials(files)
	return c, err
}

func (c *apiCredentials) stamps() [3]stamp {
	return [3]stamp{stampOf(c.files.Cert), stampOf(c.files.Key), stampOf(c.files.CA)}
}

// readAPICredentials is TLS 1.3; a client certificate is asked for, and verified if one comes: the administration interface
// demands it, callers of keys bring a token.
func readAPICredentials(files TLS) (*tls.Config, error) {
	pem, err := os.ReadFile(files.CA)
	if err != nil {
		return nil, fmt.Errorf("tls.ca: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls.ca: %s holds no PEM certificate", files.CA)
	}
	pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("tls.cert %s, tls.key %s: %w", files.Cert, files.Key, err)
	}
	chain := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if parsed, err := x509.ParseCertificate(der); err == nil {
			chain.AddCert(parsed)
		}
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: authorities, Intermediates: chain}); err != nil {
		return nil, fmt.Errorf("tls.cert %s is not in force, or not signed by tls.ca: %w", files.Cert, err)
	}
	return tap.Keys(&tls.Config{
		MinVersion:   tls.VersionTLS13,
		NextProtos:   []string{"h2", "http/1.1"},
		Certificates: []tls.Certificate{pair},
		ClientCAs:    authorities,
		ClientAuth:   tls.VerifyClientCertIfGiven,
	}), nil
}

// current is what a new connection uses.
func (c *apiCredentials) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	stamps := c.stamps()
	if stamps == c.seen {
		return c.config
	}
	c.seen = stamps // what cannot be used is said once, and looked at again when it changes
	config, err := readAPICredentials(c.files)
	if err != nil {
		c.log.Error("changed certificate files cannot be used, the former stay in force", "error", err)
		return c.config
	}
	c.config = config
	c.log.Info("changed certificate files are in force", "expires", config.Certificates[0].Leaf.NotAfter)
	return config
}

// server is the listener's configuration.
func (c *apiCredentials) server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if config := c.current(); config != nil {
				return config, nil
			}
			return nil, errors.New("there is no certificate")
		},
	}
}
