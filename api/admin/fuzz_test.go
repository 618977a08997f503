package admin

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"tumbler/api/client"
)

// FuzzRequests sends any body to every endpoint that takes one: the answer is JSON and never a fault of the server.
func FuzzRequests(f *testing.F) {
	for _, body := range []string{`{}`, `{"order":"MAA="}`, `{"approval":"MAMCAQE="}`, `{"number":1}`, `{"administrators":"MAA=","signatures":["MAA="]}`,
		`{"name":"orders","role":"Reader"}`, `{"ttl_seconds":1e3}`, `[`, `{"number":18446744073709551616}`, "\x00"} {
		f.Add(body)
	}
	uri, err := url.Parse("tumbler://client/alice")
	if err != nil {
		f.Fatal(err)
	}
	certificate := &x509.Certificate{URIs: []*url.URL{uri}}
	state := &tls.ConnectionState{PeerCertificates: []*x509.Certificate{certificate}, VerifiedChains: [][]*x509.Certificate{{certificate}}}
	server := New((&fake{}).backend())
	paths := []string{"/orders", "/orders/" + strings.Repeat("ab", 32) + "/approvals", "/cluster/remove", "/cluster/join", "/cluster/tokens", "/apikeys",
		"/units/1/administrators", "/cluster/leave"}
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
