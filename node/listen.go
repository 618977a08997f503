package node

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cluster/tap"
)

// listen opens a TCP port, and says which key of the configuration to change if it cannot.
func listen(key, host string, port int) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s: port %d of %s is in use: stop the process that has it, or configure another port", key, port, host)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	return l, nil
}

// certificate is a TLS key pair that is read again when its file changes: a renewal needs no restart.
type certificate struct {
	files TLS

	mu       sync.Mutex
	pair     *tls.Certificate
	modified time.Time
}

func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	info, err := os.Stat(c.files.Cert)
	if err == nil && c.pair != nil && info.ModTime().Equal(c.modified) {
		return c.pair, nil
	}
	pair, loadErr := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if loadErr != nil {
		if c.pair != nil {
			return c.pair, nil // half-written: the old one serves until the next look
		}
		return nil, fmt.Errorf("tls.cert %s, tls.key %s: %w", c.files.Cert, c.files.Key, loadErr)
	}
	c.pair = &pair
	if err == nil {
		c.modified = info.ModTime()
	}
	return c.pair, nil
}

// apiTLS is TLS 1.3; a client certificate is asked for, and verified if one comes: the administration interface demands
// it, callers of keys bring a token.
func apiTLS(files TLS) (*tls.Config, error) {
	pem, err := os.ReadFile(files.CA)
	if err != nil {
		return nil, fmt.Errorf("tls.ca: %w", err)
	}
	authorities := x509.NewCertPool()
	if !authorities.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("tls.ca: %s holds no PEM certificate", files.CA)
	}
	own := &certificate{files: files}
	if _, err := own.get(nil); err != nil {
		return nil, err
	}
	return tap.Keys(&tls.Config{
		MinVersion:     tls.VersionTLS13,
		GetCertificate: own.get,
		ClientCAs:      authorities,
		ClientAuth:     tls.VerifyClientCertIfGiven,
	}), nil
}

// server is an HTTP server that is shut down in order.
type server struct {
	http *http.Server
	done chan error
}

func serve(l net.Listener, handler http.Handler, config *tls.Config, log hclog.Logger) *server {
	s := &server{
		http: &http.Server{
			Handler:           handler,
			TLSConfig:         config,
			ReadHeaderTimeout: 10 * time.Second,
			IdleTimeout:       2 * time.Minute,
			MaxHeaderBytes:    64 << 10,
			ErrorLog:          log.StandardLogger(&hclog.StandardLoggerOptions{ForceLevel: hclog.Debug}),
		},
		done: make(chan error, 1),
	}
	go func() {
		var err error
		if config != nil {
			err = s.http.ServeTLS(l, "", "")
		} else {
			err = s.http.Serve(l)
		}
		if errors.Is(err, http.ErrServerClosed) {
			err = nil
		}
		s.done <- err
	}()
	return s
}

// close waits for calls under way, for a moment.
func (s *server) close(wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // the process ends anyway
	}
}
