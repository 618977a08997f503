package cli

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/pki"
)

// fakeNode answers the administration interface as a test tells it to, behind the certificates of a real authority.
type fakeNode struct {
	t      *testing.T
	mux    *http.ServeMux
	server *httptest.Server
	env    map[string]string
}

func newFakeNode(t *testing.T) *fakeNode {
	t.Helper()
	dir := t.TempDir()
	ca, err := pki.Create(dir)
	if err != nil {
		t.Fatal(err)
	}
	node, err := ca.Node(dir, 1)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := ca.Client(dir, "admin")
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(node.Cert, node.Key)
	if err != nil {
		t.Fatal(err)
	}
	pem, err := os.ReadFile(node.CA)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	f := &fakeNode{t: t, mux: http.NewServeMux()}
	f.server = httptest.NewUnstartedServer(f.mux)
	f.server.TLS = &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{pair}, ClientCAs: roots, ClientAuth: tls.RequireAndVerifyClientCert}
	f.server.StartTLS()
	t.Cleanup(f.server.Close)
	f.env = map[string]string{
		command.EnvAddress: strings.TrimPrefix(f.server.URL, "https://"), command.EnvCA: node.CA, command.EnvCert: admin.Cert, command.EnvKey: admin.Key,
		"CLOUDTKEFILES": filepath.Join(dir, "tke"), command.EnvWorkFactor: "10",
	}
	return f
}

// answer has an endpoint answer with what a function gives: a value, or a *client.Error.
func (f *fakeNode) answer(pattern string, give func(*http.Request) any) {
	method, path, _ := strings.Cut(pattern, " ")
	f.mux.HandleFunc(method+" "+client.Prefix+path, func(w http.ResponseWriter, r *http.Request) {
		value := give(r)
		w.Header().Set("Content-Type", "application/json")
		if refusal, ok := value.(*client.Error); ok {
			w.WriteHeader(refusal.Status)
			value = client.ErrorBody{Error: *refusal}
		}
		data, err := json.Marshal(value)
		if err != nil {
			f.t.Error(err)
		}
		_, _ = w.Write(data) // a command that was interrupted does not read it
	})
}

// run runs a command and gives its exit code and what it wrote.
func (f *fakeNode) run(ctx context.Context, input string, args ...string) (code int, out, errs string) {
	var stdout, stderr bytes.Buffer
	code = run(ctx, append([]string{"tumbler"}, args...), command.Streams{In: strings.NewReader(input), Out: &stdout, Err: &stderr, Env: f.getenv})
	return code, stdout.String(), stderr.String()
}

func (f *fakeNode) getenv(name string) string { return f.env[name] }

func decodeBody[T any](t *testing.T, r *http.Request) T {
	t.Helper()
	var value T
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&value); err != nil {
		t.Error(err)
	}
	return value
}

// golden compares with a file in testdata/golden; UPDATE_GOLDEN=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "golden", name)
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs.\n--- got\n%s\n--- want\n%s", name, got, want)
	}
}
