package admin

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/authority"
)

// testCA is one cluster's CA, and what bears its certificates.
type testCA struct {
	*authority.CA
	t *testing.T
}

func newCA(t *testing.T) testCA {
	t.Helper()
	return testCA{authority.New(t), t}
}

// serve starts a node's stand-in for a handler.
func (a testCA) serve(handler http.Handler) string {
	a.t.Helper()
	return a.Serve(a.Issue("tumbler://node/1", x509.ExtKeyUsageServerAuth), handler)
}

// mustClient makes the published client of an administrator of this CA's cluster.
func (a testCA) mustClient(name, address string) *client.Client {
	a.t.Helper()
	files := a.Issue("tumbler://client/"+name, x509.ExtKeyUsageClientAuth)
	c, err := client.New(client.Config{Addresses: []string{address}, CAFile: files.CA, CertFile: files.Cert, KeyFile: files.Key})
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(c.Close)
	return c
}

// raw is an HTTP client with a certificate of that URI; "": with none.
func (a testCA) raw(uri string) *http.Client {
	a.t.Helper()
	config := &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: a.Pool()}
	if uri != "" {
		files := a.Issue(uri, x509.ExtKeyUsageClientAuth)
		pair, err := tls.LoadX509KeyPair(files.Cert, files.Key)
		if err != nil {
			a.t.Fatal(err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	transport := &http.Transport{TLSClientConfig: config}
	a.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}
