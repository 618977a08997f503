package client

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func mustNew(t *testing.T, c Config) *Client {
	t.Helper()
	made, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(made.Close)
	return made
}

// answer is a handler that counts calls and gives one answer.
func answer(calls *atomic.Int32, status int, body any) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		calls.Add(1)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(body)
	})
}

// hangUp is a handler that reads the request and breaks the connection.
func hangUp(calls *atomic.Int32) http.Handler {
	return http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		_, _ = io.Copy(io.Discard, r.Body)
		panic(http.ErrAbortHandler)
	})
}

func TestADeadAddressIsPassedOverAndTheLiveOneRemembered(t *testing.T) {
	ca := newCA(t)
	var calls atomic.Int32
	live := ca.serve(answer(&calls, 200, Members{Members: []Member{{Number: 2}}}))
	c := mustNew(t, ca.config(silent(t), live))
	for range 2 {
		got, err := c.Members(t.Context())
		if err != nil || len(got.Members) != 1 || got.Members[0].Number != 2 {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	if c.t.good.Load() != 1 {
		t.Error("the address that answered was not remembered")
	}
}

func TestNobodyAnswersNamesEveryAddressAndWhatToDo(t *testing.T) {
	ca := newCA(t)
	a, b := silent(t), silent(t)
	_, err := mustNew(t, ca.config(a, b)).Members(t.Context())
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) || len(unreachable.Attempts) != 2 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{a, b, "check that the node runs"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}

func TestCallsAboutOneNodeGoToTheFirstAddressOnly(t *testing.T) {
	ca := newCA(t)
	var calls atomic.Int32
	other := ca.serve(answer(&calls, 200, Done{}))
	c := mustNew(t, ca.config(silent(t), other))
	for name, call := range map[string]func() error{
		"bootstrap": func() error { _, err := c.Bootstrap(t.Context()); return err },
		"join":      func() error { _, err := c.Join(t.Context(), "localhost:8444", "token"); return err },
		"leave":     func() error { _, err := c.Leave(t.Context()); return err },
		"status":    func() error { _, err := c.Status(t.Context()); return err },
		"log":       func() error { _, err := c.Log(t.Context(), 0, 0); return err },
	} {
		var unreachable *UnreachableError
		if err := call(); !errors.As(err, &unreachable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if calls.Load() != 0 {
		t.Error("a call about the first node went to another")
	}
}

func TestAChangeThatMayHaveHappenedIsNotSentTwice(t *testing.T) {
	ca := newCA(t)
	var broke, second atomic.Int32
	c := mustNew(t, ca.config(ca.serve(hangUp(&broke)), ca.serve(answer(&second, 200, CreatedToken{}))))
	_, err := c.CreateToken(t.Context(), CreateTokenRequest{})
	if !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("got %v", err)
	}
	if broke.Load() != 1 || second.Load() != 0 {
		t.Errorf("sent %d and %d times", broke.Load(), second.Load())
	}
}

func TestAnOrderIsHandedInAgainBecauseTheStateKnowsIt(t *testing.T) {
	ca := newCA(t)
	var broke, second atomic.Int32
	c := mustNew(t, ca.config(ca.serve(hangUp(&broke)), ca.serve(answer(&second, 200, SubmittedOrder{Digest: "aa"}))))
	got, err := c.SubmitOrder(t.Context(), []byte{1})
	if err != nil || got.Digest != "aa" || second.Load() != 1 {
		t.Errorf("got %+v, %v, %d calls", got, err, second.Load())
	}
}

func TestANodeThatDidNothingIsPassedOverEvenForAChange(t *testing.T) {
	ca := newCA(t)
	for _, code := range []Code{CodeNotReady, CodeNoLeader} {
		var first, second atomic.Int32
		c := mustNew(t, ca.config(ca.serve(answer(&first, 503, ErrorBody{Error{Code: code, Message: "no"}})),
			ca.serve(answer(&second, 200, CreatedToken{Secret: "s"}))))
		if got, err := c.CreateToken(t.Context(), CreateTokenRequest{}); err != nil || got.Secret != "s" {
			t.Errorf("%s: got %+v, %v", code, got, err)
		}
	}
}

func TestARefusalIsFinalAndCarriesEverything(t *testing.T) {
	ca := newCA(t)
	var first, second atomic.Int32
	sent := Error{Code: CodeTooFewSignatures, Message: "1 of 2 signatures", Hint: "sign it with another", ReturnCode: 208, ReasonCode: 1}
	address := ca.serve(answer(&first, 403, ErrorBody{sent}))
	c := mustNew(t, ca.config(address, ca.serve(answer(&second, 200, SubmittedOrder{}))))
	_, err := c.SubmitOrder(t.Context(), []byte{1})
	var got *Error
	if !errors.As(err, &got) {
		t.Fatalf("got %v", err)
	}
	sent.Status, sent.Address = 403, address
	if *got != sent || !HasCode(err, CodeTooFewSignatures) || !errors.Is(err, &Error{Code: CodeTooFewSignatures}) {
		t.Errorf("got %+v", got)
	}
	if err.Error() != "1 of 2 signatures: sign it with another" {
		t.Errorf("prints %q", err)
	}
	if second.Load() != 0 {
		t.Error("a refusal was taken to another node")
	}
}

func TestWhenAllAreNotReadyTheAnswerSaysSo(t *testing.T) {
	ca := newCA(t)
	var calls atomic.Int32
	c := mustNew(t, ca.config(ca.serve(answer(&calls, 503, ErrorBody{Error{Code: CodeNoLeader, Message: "no leader"}})), silent(t)))
	if _, err := c.Members(t.Context()); !HasCode(err, CodeNoLeader) {
		t.Errorf("got %v", err)
	}
}

func TestAnAnswerThatIsNotOurs(t *testing.T) {
	ca := newCA(t)
	page := ca.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "<html>", 404) }))
	_, err := mustNew(t, ca.config(page)).Members(t.Context())
	if !HasCode(err, CodeInternal) || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v", err)
	}
	text := ca.serve(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }))
	if _, err = mustNew(t, ca.config(text)).Members(t.Context()); err == nil || !strings.Contains(err.Error(), "same version") {
		t.Errorf("got %v", err)
	}
	away := ca.serve(http.RedirectHandler("https://example.org/", http.StatusFound))
	if _, err = mustNew(t, ca.config(away)).Members(t.Context()); !HasCode(err, CodeInternal) {
		t.Errorf("got %v", err)
	}
}

func TestCertificatesThatAreRefused(t *testing.T) {
	ca, foreign := newCA(t), newCA(t)
	var calls atomic.Int32
	ok := answer(&calls, 200, Members{})
	address := ca.serve(ok)

	wrongCA := ca.config(address)
	wrongCA.CAFile = foreign.File
	wrongClient := foreign.config(address)
	wrongClient.CAFile = ca.File
	for name, c := range map[string]struct {
		config Config
		want   string
	}{
		"the node's, by the CA given":       {wrongCA, "not signed by the CA"},
		"the node's, for its address":       {ca.config(ca.Serve(ca.IssueFor(net.IPv4(10, 9, 8, 7), "tumbler://node/1"), ok)), "for other addresses"},
		"this client's, by the node":        {wrongClient, "does not accept this client's certificate"},
		"the node's, which is a client's":   {clientAsServer(ca, ok), "not valid"},
		"of one that does not speak TLS":    {ca.config(plain(t)), "does not speak TLS"},
		"of an address where nobody speaks": {ca.config(silent(t)), "check that the node runs"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := mustNew(t, c.config).CreateToken(t.Context(), CreateTokenRequest{})
			var unreachable *UnreachableError
			if !errors.As(err, &unreachable) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	if calls.Load() != 0 {
		t.Error("a request went through")
	}
}

func clientAsServer(ca testCA, handler http.Handler) Config {
	return ca.config(ca.Serve(ca.Issue("tumbler://client/mallory", x509.ExtKeyUsageClientAuth), handler))
}

func plain(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{ReadHeaderTimeout: time.Second}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return l.Addr().String()
}

func TestConfigurationsThatCannotWork(t *testing.T) {
	ca := newCA(t)
	good := ca.config("localhost:8443")
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"no address":        {func(c *Config) { c.Addresses = nil }, "at least one node"},
		"no port":           {func(c *Config) { c.Addresses = []string{"localhost"} }, "want host:port"},
		"a path":            {func(c *Config) { c.Addresses = []string{"localhost:8443/admin"} }, "want host:port"},
		"plain HTTP":        {func(c *Config) { c.Addresses = []string{"http://localhost:8443"} }, "not https"},
		"no CA":             {func(c *Config) { c.CAFile = "" }, "CA file: not given"},
		"no such CA":        {func(c *Config) { c.CAFile = junk + "x" }, "no such file"},
		"junk for a CA":     {func(c *Config) { c.CAFile = junk }, "no PEM certificate"},
		"no certificate":    {func(c *Config) { c.CertFile = "" }, "tumbler pki client"},
		"no key":            {func(c *Config) { c.KeyFile = "" }, "go together"},
		"junk for a key":    {func(c *Config) { c.KeyFile = junk }, junk},
		"another's own key": {func(c *Config) { c.KeyFile = ca.Issue("tumbler://client/bob").Key }, "does not match"},
	} {
		t.Run(name, func(t *testing.T) {
			config := good
			c.change(&config)
			_, err := New(config)
			var wrong *ConfigError
			if !errors.As(err, &wrong) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestACallEndsWithItsContext(t *testing.T) {
	ca := newCA(t)
	arrived, release := make(chan struct{}, 2), make(chan struct{})
	address := ca.serve(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		arrived <- struct{}{}
		<-release
	}))
	defer close(release)
	c := mustNew(t, ca.config(address, address))
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := c.Rotation(ctx); !errors.Is(err, context.Canceled) || errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("a read: got %v", err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	if _, err := c.CreateToken(ctx, CreateTokenRequest{}); !errors.Is(err, ErrOutcomeUnknown) {
		t.Errorf("a change: got %v", err)
	}
}

func TestWaitingForTheRotationAsksForItsVersion(t *testing.T) {
	ca := newCA(t)
	asked := make(chan string, 1)
	address := ca.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.URL.String()
		_ = json.NewEncoder(w).Encode(RotationStatus{Version: 8, State: StateRewrapping})
	}))
	got, err := mustNew(t, ca.config(address)).WaitRotation(t.Context(), 7, 10*time.Second)
	if err != nil || got.Version != 8 {
		t.Fatalf("got %+v, %v", got, err)
	}
	if url := <-asked; url != "/admin/v1/rotation?version=7&wait=10s" {
		t.Errorf("asked %s", url)
	}
}
