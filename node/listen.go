package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/hashicorp/go-hclog"
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

// healthPort opens the one port without TLS, which the configuration names so.
func healthPort(l Listen) (net.Listener, error) {
	return listen("listen.health_loopback_plaintext", "127.0.0.1", l.Health)
}

// server is an HTTP server that is shut down in order.
type server struct {
	http *http.Server
	done chan error
}

// serve serves a port, without TLS only one that is bound to loopback.
func serve(l net.Listener, handler http.Handler, config *tls.Config, log hclog.Logger) (*server, error) {
	if at, ok := l.Addr().(*net.TCPAddr); config == nil && (!ok || !at.IP.IsLoopback()) {
		return nil, fmt.Errorf("%s: nothing is served without TLS but on loopback", l.Addr())
	}
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
	return s, nil
}

// close waits for calls under way, for a moment.
func (s *server) close(wait time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), wait)
	defer cancel()
	if s.http.Shutdown(ctx) != nil {
		_ = s.http.Close() // the process ends anyway
	}
}
