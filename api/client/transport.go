package client

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
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// maxAnswer bounds what is read of one answer. Receipts are the largest: a few hundred bytes a statement.
const maxAnswer = 64 << 20

// effect says what repeating a request would do.
type effect int

const (
	reads      effect = iota // changes nothing
	idempotent               // the state recognises a second one (orders, approvals)
	changes                  // a second one is a second change
)

// request is one call, as the transport sees it.
type request struct {
	method string
	path   string
	query  url.Values
	header http.Header
	body   []byte
	effect effect
	first  bool          // the first address only
	limit  time.Duration // of one attempt; 0: the configured one; below 0: the context's
	fail   func(*http.Response, []byte) error
}

// transport tries addresses in turn. It is safe for concurrent use.
type transport struct {
	http    *http.Client
	bases   []string
	timeout time.Duration
	good    atomic.Int32 // index of the address that answered last
}

func newTransport(c Config) (*transport, error) {
	bases, err := c.bases()
	if err != nil {
		return nil, err
	}
	config, err := c.tls()
	if err != nil {
		return nil, err
	}
	timeout := c.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	return &transport{bases: bases, timeout: timeout, http: &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:     config,
			DialContext:         (&net.Dialer{Timeout: DialTimeout}).DialContext,
			TLSHandshakeTimeout: DialTimeout,
			MaxIdleConnsPerHost: 64,
			IdleConnTimeout:     time.Minute,
		},
		// A redirect would leave the cluster.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

func (t *transport) close() { t.http.CloseIdleConnections() }

// call makes the request of one address after the other until one has answered it, and decodes the answer into result
// (unless that is nil).
func (t *transport) call(ctx context.Context, r request, result any) error {
	addresses := t.order(r.first)
	var attempts []Attempt
	for _, i := range addresses {
		body, sent, err := t.attempt(ctx, t.bases[i], r)
		if err == nil {
			t.good.Store(int32(i))
			if result == nil {
				return nil
			}
			if err := json.Unmarshal(body, result); err != nil {
				return fmt.Errorf("the answer of %s to %s %s is not what this version understands: %w: use the same version on both sides",
					host(t.bases[i]), r.method, r.path, err)
			}
			return nil
		}
		if ctx.Err() != nil && !isAnswer(err) {
			if sent && r.effect == changes {
				return fmt.Errorf("%w (%w)", ErrOutcomeUnknown, context.Cause(ctx))
			}
			return fmt.Errorf("%s %s at %s: %w", r.method, r.path, host(t.bases[i]), context.Cause(ctx))
		}
		if isAnswer(err) && !elsewhere(err, r.effect) {
			return err
		}
		if !isAnswer(err) && sent && r.effect == changes {
			return fmt.Errorf("%w (%s %s at %s: %w)", ErrOutcomeUnknown, r.method, r.path, host(t.bases[i]), err)
		}
		attempts = append(attempts, Attempt{host(t.bases[i]), err})
	}
	return failure(attempts)
}

// order gives the indexes of the addresses to try: round, from the one that answered last.
func (t *transport) order(first bool) []int {
	if first {
		return []int{0}
	}
	start := int(t.good.Load())
	order := make([]int, len(t.bases))
	for i := range order {
		order[i] = (start + i) % len(t.bases)
	}
	return order
}

// attempt makes one request of one address, and reads the answer. sent tells whether the node may have seen it.
func (t *transport) attempt(ctx context.Context, base string, r request) (body []byte, sent bool, err error) {
	limit := r.limit
	if limit == 0 {
		limit = t.timeout
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	answer, sent, err := t.send(ctx, base, r)
	if err != nil {
		return nil, sent, err
	}
	defer func() { _ = answer.Body.Close() }()
	body, err = readAnswer(answer)
	return body, true, err
}

// send makes one request of one address. An answer that is not a success is an error.
func (t *transport) send(ctx context.Context, base string, r request) (_ *http.Response, sent bool, _ error) {
	var wrote atomic.Bool
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { wrote.Store(true) }})
	target := base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	req, err := http.NewRequestWithContext(traced, r.method, target, bytes.NewReader(r.body))
	if err != nil {
		return nil, false, err
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	if req.Header.Get("Accept") == "" {
		req.Header.Set("Accept", "application/json")
	}
	answer, err := t.http.Do(req)
	if err != nil {
		err = explain(err)
		// A refused certificate is refused before the request is read, although it may have been written.
		return nil, wrote.Load() && !errors.Is(err, ErrCertificateRefused), err
	}
	if answer.StatusCode >= 200 && answer.StatusCode < 300 {
		return answer, true, nil
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := readAnswer(answer)
	if err != nil {
		return nil, true, err
	}
	return nil, true, r.fail(answer, body)
}

func readAnswer(answer *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	if err != nil {
		return nil, fmt.Errorf("reading the answer: %w", explain(err))
	}
	if len(body) > maxAnswer {
		return nil, fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	return body, nil
}

// stream makes a request that changes nothing, of one address after the other, and gives the first answer as it comes.
func (t *transport) stream(ctx context.Context, r request) (*http.Response, error) {
	var attempts []Attempt
	for _, i := range t.order(r.first) {
		answer, _, err := t.send(ctx, t.bases[i], r)
		if err == nil {
			t.good.Store(int32(i))
			return answer, nil
		}
		if ctx.Err() != nil && !isAnswer(err) {
			return nil, fmt.Errorf("%s %s at %s: %w", r.method, r.path, host(t.bases[i]), context.Cause(ctx))
		}
		if isAnswer(err) && !elsewhere(err, reads) {
			return nil, err
		}
		attempts = append(attempts, Attempt{host(t.bases[i]), err})
	}
	return nil, failure(attempts)
}

// answered is an error that a node gave as its answer, as against one of the way to it.
type answered interface {
	answered() (status int, code Code)
}

func (e *Error) answered() (int, Code)    { return e.Status, e.Code }
func (e *KMSError) answered() (int, Code) { return e.Status, "" }

func isAnswer(err error) bool {
	var a answered
	return errors.As(err, &a)
}

// elsewhere tells whether another node may do better than the one that gave this answer, without a risk of doing a
// change twice.
func elsewhere(err error, e effect) bool {
	var a answered
	if !errors.As(err, &a) {
		return true
	}
	status, code := a.answered()
	if status != http.StatusServiceUnavailable && status != http.StatusBadGateway && status != http.StatusGatewayTimeout {
		return false
	}
	return e != changes || code == CodeNotReady || code == CodeNoLeader
}

// failure is what several attempts come to: a node's answer says more than silence.
func failure(attempts []Attempt) error {
	for i := len(attempts) - 1; i >= 0; i-- {
		if isAnswer(attempts[i].Err) {
			return attempts[i].Err
		}
	}
	return &UnreachableError{Attempts: attempts}
}

func host(base string) string { return strings.TrimPrefix(base, "https://") }

// explain shortens an error of the HTTP client, and says of a TLS one what to do.
func explain(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	var (
		unknown  x509.UnknownAuthorityError
		hostname x509.HostnameError
		invalid  x509.CertificateInvalidError
		record   tls.RecordHeaderError
		op       *net.OpError
	)
	switch {
	case errors.As(err, &unknown):
		return fmt.Errorf("%w: the node's certificate is not signed by the CA given: give the CA file of this cluster (%w)", ErrCertificateRefused, err)
	case errors.As(err, &hostname):
		return fmt.Errorf("%w: the node's certificate is for other addresses: use one of those that it names, or issue it again with this one (%w)", ErrCertificateRefused, err)
	case errors.As(err, &invalid):
		return fmt.Errorf("%w: the node's certificate is not valid: issue it again (%w)", ErrCertificateRefused, err)
	case errors.As(err, &record), errors.Is(err, http.ErrSchemeMismatch):
		return fmt.Errorf("what answers there does not speak TLS: check that it is the API port (%w)", err)
	case errors.As(err, &op) && op.Op == "remote error":
		return fmt.Errorf("%w: the node does not accept this client's certificate: give one that this cluster's CA signed (`tumbler pki client`) (%w)", ErrCertificateRefused, err)
	}
	return err
}
