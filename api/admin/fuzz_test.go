package admin

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"tumbler/api/client"
)

// bodies are small ones of every endpoint, and some that are of none.
func bodies() []string {
	return []string{`{}`, `{"order":"MAA="}`, `{"approval":"MAMCAQE="}`, `{"number":1}`, `{"administrators":"MAA=","signatures":["MAA="]}`,
		`{"name":"orders","role":"Reader"}`, `{"ttl_seconds":1e3}`, `{"unit":3,"ttl_seconds":60}`, `{"paused":true,"rate":5000}`,
		`{"address":"localhost:1","token":"tumbler-join-"}`, `[`, `{"number":18446744073709551616}`, `{} {}`, `{}}`, `null`, "\x00"}
}

// leaderless is a node that hears of no leader.
type leaderless struct{ noState }

func (leaderless) View() (View, error) { return nil, ErrNoLeader }

// FuzzRequests sends any body to every endpoint that takes one: the answer is JSON and never a fault of the server.
func FuzzRequests(f *testing.F) {
	for _, body := range bodies() {
		f.Add(body)
	}
	uri, err := url.Parse("tumbler://client/alice")
	if err != nil {
		f.Fatal(err)
	}
	certificate := &x509.Certificate{URIs: []*url.URL{uri}}
	state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}, VerifiedChains: [][]*x509.Certificate{{certificate}}}
	backend := (&fake{}).backend()
	backend.State = leaderless{}
	server := New(backend)
	fill := strings.NewReplacer("{digest}", strings.Repeat("ab", 32), "{number}", "1")
	var paths []string
	for path, methods := range server.routes() {
		if methods["POST"] != nil {
			paths = append(paths, fill.Replace(path))
		}
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range paths {
			r := httptest.NewRequest("POST", client.Prefix+path, strings.NewReader(body))
			r.TLS = state
			r.Header.Set("Content-Type", "application/json")
			answer := httptest.NewRecorder()
			server.ServeHTTP(answer, r)
			if answer.Code == 500 || !json.Valid(answer.Body.Bytes()) {
				t.Errorf("%s with %q: %d %s", path, body, answer.Code, answer.Body)
			}
		}
	})
}

// FuzzBodies: a body that is taken holds known fields alone, and is read as before when it is written again.
func FuzzBodies(f *testing.F) {
	for _, body := range bodies() {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		sameAgain[client.SubmitOrderRequest](t, body)
		sameAgain[client.ApprovalRequest](t, body)
		sameAgain[client.SetAdministratorsRequest](t, body)
		sameAgain[client.ZeroizeRequest](t, body)
		sameAgain[client.JoinRequest](t, body)
		sameAgain[client.RemoveRequest](t, body)
		sameAgain[client.TransferRequest](t, body)
		sameAgain[client.CreateTokenRequest](t, body)
		sameAgain[client.CreateAPIKeyRequest](t, body)
		sameAgain[client.PaceRequest](t, body)
		sameAgain[client.DigestRequest](t, body) // as are all without a field
	})
}

func sameAgain[In any](t *testing.T, body string) {
	t.Helper()
	read := func(body []byte) (string, error) {
		var in In
		r := httptest.NewRequest("POST", "/", bytes.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		if err := decode(httptest.NewRecorder(), r, &in); err != nil {
			return "", err
		}
		again, err := json.Marshal(in)
		if err != nil {
			t.Fatalf("%T of %q cannot be written: %v", in, body, err)
		}
		return string(again), nil
	}
	first, err := read([]byte(body))
	if err != nil {
		return
	}
	if second, err := read([]byte(first)); err != nil || second != first {
		t.Errorf("%q is read as %s, and that as %s, %v", body, first, second, err)
	}
	more := strings.Replace(first, "{", `{"no such field":0,`, 1)
	if strings.HasPrefix(first, "{}") {
		more = strings.Replace(first, "{", `{"no such field":0`, 1)
	}
	if _, err := read([]byte(more)); err == nil {
		t.Errorf("%s was taken", more)
	}
}
