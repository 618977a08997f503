package signservice

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"time"
)

// Environment variables.
const (
	EnvURL = "TKE_SIGNSERV_URL" // the service's URL; keys of files are not used if it is set
	EnvCA  = "TKE_SIGNSERV_CA"  // a PEM file with the authority of its certificate; else the system's
)

// How long one answer is waited for, and how many bytes it has at most.
const (
	wait       = 30 * time.Second
	mostAnswer = 64 << 10
)

// The ways in which a service fails.
var (
	ErrUnreachable = errors.New("the signing service does not answer")
	ErrToken       = errors.New("the signing service refuses the token")
	ErrNoKey       = errors.New("the signing service has no such key")
	ErrAnswer      = errors.New("the signing service gave an answer that cannot be used")
)

// Service is a signing service.
type Service struct {
	url  string
	http *http.Client
}

// New gives the service at a URL. caFile may be empty: the system's authorities.
func New(address, caFile string) (*Service, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, fmt.Errorf("%s is not a URL such as https://signing.example.com:8443", EnvURL)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())) {
		return nil, fmt.Errorf("%s must begin with https: tokens and orders would cross the network in the clear", EnvURL)
	}
	config := &tls.Config{MinVersion: tls.VersionTLS13}
	if caFile != "" {
		pem, err := os.ReadFile(caFile)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", EnvCA, err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: %s holds no certificate in PEM", EnvCA, caFile)
		}
	}
	return &Service{strings.TrimRight(u.String(), "/"), &http.Client{
		Timeout:       wait,
		Transport:     &http.Transport{TLSClientConfig: config, Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Close drops connections that are kept open.
func (s *Service) Close() { s.http.CloseIdleConnections() }

// unreserved is what a key's name is made of (RFC 3986, section 2.3).
var unreserved = regexp.MustCompile(`^[A-Za-z0-9._~-]{1,255}$`)

// checkName tells what is wrong with a key's name, which becomes part of a URL.
func checkName(name string) error {
	if !unreserved.MatchString(name) || name == "." || name == ".." {
		return fmt.Errorf("%q is not the name of a key in a signing service: letters, digits, and the characters - . _ ~", name)
	}
	return nil
}

// call makes one request and reads its answer, which may hold more than is asked for.
func (s *Service) call(ctx context.Context, method, what, name, token string, body, answer any) error {
	var reader io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return err
		}
		reader = bytes.NewReader(encoded)
	}
	r, err := http.NewRequestWithContext(ctx, method, s.url+"/"+what+"/"+name, reader)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", token)
	}
	response, err := s.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w: check %s, that the service runs, and the authority of its certificate (%s)", ErrUnreachable, err, EnvURL, EnvCA)
	}
	defer func() { _ = response.Body.Close() }()
	if err := s.refusal(response.StatusCode, name); err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, mostAnswer+1))
	if err != nil {
		return fmt.Errorf("%w: %w: try again", ErrUnreachable, err)
	}
	if len(text) > mostAnswer {
		return fmt.Errorf("%w for key %s: it has more than %d bytes", ErrAnswer, name, mostAnswer)
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("%w for key %s: it is not the JSON that a signing service gives: check %s", ErrAnswer, name, EnvURL)
	}
	return nil
}

func (s *Service) refusal(status int, name string) error {
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return fmt.Errorf("%w of key %s: check the token in %s, or the one that was given", ErrToken, name, File)
	case status == http.StatusNotFound:
		return fmt.Errorf("%w: %s: check its name in %s, and %s", ErrNoKey, name, File, EnvURL)
	case status >= 500:
		return fmt.Errorf("%w for key %s: status %d: look at the service's log, and try again", ErrUnreachable, name, status)
	}
	return fmt.Errorf("%w for key %s: status %d: check %s", ErrAnswer, name, status, EnvURL)
}
