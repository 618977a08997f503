package client

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"time"
)

// DefaultTimeout bounds one attempt at one address, unless the configuration says otherwise. Calls that are long by
// nature (a rotation that is waited for, a dry run) are bounded by their context instead.
const DefaultTimeout = 30 * time.Second

// DialTimeout bounds reaching one address, so that a dead one costs little when others are alive.
const DialTimeout = 3 * time.Second

// Config says which nodes to talk to, and as whom.
type Config struct {
	// Addresses are API addresses of nodes, host:port or https://host:port; at least one. They are tried in turn,
	// beginning with the one that answered last. Calls that are about one node (Bootstrap, Join, Leave, Status, Log)
	// go to the first address only.
	Addresses []string

	CAFile   string // PEM: whom to believe about nodes; required
	CertFile string // PEM: this client's certificate, with SAN URI tumbler://client/<name>
	KeyFile  string // PEM: its key

	Timeout time.Duration // of one attempt; 0: DefaultTimeout
}

// ConfigError is a configuration that cannot work; it names the field and what to do.
type ConfigError struct {
	Field string
	Err   error
}

func (e *ConfigError) Error() string { return fmt.Sprintf("%s: %v", e.Field, e.Err) }
func (e *ConfigError) Unwrap() error { return e.Err }

// bases turns the addresses into URLs without a path.
func (c Config) bases() ([]string, error) {
	if len(c.Addresses) == 0 {
		return nil, &ConfigError{"addresses", errors.New("none given: name the API address of at least one node, such as localhost:8443")}
	}
	bases := make([]string, 0, len(c.Addresses))
	for _, address := range c.Addresses {
		text := strings.TrimSuffix(address, "/")
		if !strings.Contains(text, "://") {
			text = "https://" + text
		}
		u, err := url.Parse(text)
		if err != nil {
			return nil, &ConfigError{"addresses", fmt.Errorf("%q is not an address: want host:port", address)}
		}
		if u.Scheme != "https" {
			return nil, &ConfigError{"addresses", fmt.Errorf("%q is not https: nodes speak TLS 1.3 only", address)}
		}
		if _, port, err := net.SplitHostPort(u.Host); err != nil || port == "" || u.Path != "" || u.RawQuery != "" || u.User != nil {
			return nil, &ConfigError{"addresses", fmt.Errorf("%q is not an address: want host:port", address)}
		}
		bases = append(bases, "https://"+u.Host)
	}
	return bases, nil
}

// tls reads the certificates. A client without a certificate of its own can use the key interface only.
func (c Config) tls() (*tls.Config, error) {
	if c.CAFile == "" {
		return nil, &ConfigError{"CA file", errors.New("not given: name the PEM file of the CA that signed the nodes' certificates")}
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, &ConfigError{"CA file", fmt.Errorf("%w: make a development CA with `tumbler pki init`, or name another file", err)}
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, &ConfigError{"CA file", fmt.Errorf("%s holds no PEM certificate", c.CAFile)}
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots}
	if c.CertFile == "" && c.KeyFile == "" {
		return config, nil
	}
	if c.CertFile == "" || c.KeyFile == "" {
		return nil, &ConfigError{"client certificate", errors.New("the certificate and its key go together: name both files")}
	}
	pair, err := tls.LoadX509KeyPair(c.CertFile, c.KeyFile)
	if err != nil {
		return nil, &ConfigError{"client certificate", fmt.Errorf("%s with %s: %w: make one with `tumbler pki client`", c.CertFile, c.KeyFile, err)}
	}
	// Given whatever list of authorities the server sends: a certificate of another CA is then refused by name, rather
	// than left out and answered as if there were none.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return config, nil
}
