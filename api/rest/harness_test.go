package rest_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	kp "github.com/IBM/keyprotect-go-client"
	"github.com/IBM/keyprotect-go-client/iam"

	"tumbler/api/rest"
	"tumbler/fsm"
	"tumbler/kms"
	"tumbler/kms/kmstest"
)

var (
	instance = fsm.ID{0x11, 0x22}
	pattern  = fsm.Pattern{0xa}
)

// server is a key interface over TLS.
type server struct {
	t        *testing.T
	url      string
	listener *httptest.Server
	http     *http.Client
	state    *kmstest.State
	clock    *atomic.Int64
	tokens   map[kms.Role]string
}

func newServer(t *testing.T) *server {
	t.Helper()
	s := &server{t: t, state: kmstest.NewState(instance, pattern), clock: &atomic.Int64{}, tokens: map[kms.Role]string{}}
	service, err := kms.New(kms.Config{
		Proposer: s.state, Reader: s.state, Unit: kmstest.NewUnit(pattern), Auditor: &kmstest.Trail{},
		Now: func() time.Time { return time.Now().Add(time.Duration(s.clock.Load())) },
	})
	if err != nil {
		t.Fatal(err)
	}
	handler, err := rest.New(rest.Config{Service: service})
	if err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewTLSServer(handler)
	t.Cleanup(listener.Close)
	s.url, s.http, s.listener = listener.URL, listener.Client(), listener
	return s
}

func (s *server) secret(role kms.Role) string {
	s.t.Helper()
	record, secret, err := kms.NewAPIKey("a "+string(role), role, "test", time.Now())
	if err != nil {
		s.t.Fatal(err)
	}
	if _, err := s.state.Propose(s.t.Context(), &fsm.CreateAPIKey{APIKey: record}); err != nil {
		s.t.Fatal(err)
	}
	return secret
}

// published is the published client, signed in through its own token call, which uses http.DefaultTransport.
func (s *server) published(secret string) *kp.Client {
	s.t.Helper()
	before := http.DefaultTransport
	http.DefaultTransport = s.http.Transport
	retries, waits := iam.RetryMax, kp.RetryMax
	iam.RetryMax, kp.RetryMax = 0, 0
	s.t.Cleanup(func() { http.DefaultTransport, iam.RetryMax, kp.RetryMax = before, retries, waits })
	client, err := kp.New(kp.ClientConfig{
		BaseURL: s.url, TokenURL: s.url + "/identity/token", APIKey: secret, InstanceID: kms.FormatID(instance), Timeout: 10,
	}, s.http.Transport)
	if err != nil {
		s.t.Fatal(err)
	}
	return client
}

func (s *server) token(role kms.Role) string {
	s.t.Helper()
	if s.tokens[role] == "" {
		body := "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey=" + s.secret(role)
		answer := s.send("POST", "/identity/token", body, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
		var parsed struct {
			Token string `json:"access_token"`
		}
		if err := json.Unmarshal(answer.body, &parsed); err != nil || parsed.Token == "" {
			s.t.Fatalf("token: %v, %s", err, answer.body)
		}
		s.tokens[role] = parsed.Token
	}
	return s.tokens[role]
}

type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) reason() string {
	var parsed struct {
		Resources []struct {
			Reasons []struct {
				Code   string
				Status int
			}
		}
	}
	if json.Unmarshal(r.body, &parsed) != nil || len(parsed.Resources) != 1 || len(parsed.Resources[0].Reasons) != 1 ||
		parsed.Resources[0].Reasons[0].Status != r.status {
		return "not the envelope of an error: " + string(r.body)
	}
	return parsed.Resources[0].Reasons[0].Code
}

func (s *server) send(method, path, body string, header http.Header) reply {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, bytes.NewBufferString(body))
	if err != nil {
		s.t.Fatal(err)
	}
	r.Header = header
	answer, err := s.http.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	out, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{answer.StatusCode, answer.Header, out}
}

// as sends with a role's token and the instance.
func (s *server) as(role kms.Role, method, path, body string) reply {
	s.t.Helper()
	return s.send(method, path, body, http.Header{
		"Authorization": {"Bearer " + s.token(role)}, "Bluemix-Instance": {kms.FormatID(instance)}, "Correlation-Id": {"cid-1"},
	})
}
