package signservice_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha512"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/cli/signservice"
	"tumbler/cryptounit/order"
	"tumbler/tests/signingservice"
)

func connect(t *testing.T, s *signingservice.Service) *signservice.Service {
	t.Helper()
	service, err := signservice.New(s.URL, s.CAFile)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(service.Close)
	return service
}

func TestASigningServiceSigns(t *testing.T) {
	s := signingservice.New(t, "alice")
	key, err := connect(t, s).Key(t.Context(), "alice", signingservice.Token("alice"))
	if err != nil {
		t.Fatal(err)
	}
	signature, err := key.SignMessage([]byte("an order"))
	if err != nil {
		t.Fatal(err)
	}
	if digest := sha512.Sum512([]byte("an order")); !ecdsa.VerifyASN1(key.Public(), digest[:], signature) {
		t.Error("the signature does not verify")
	}
	if said := fmt.Sprintf("%v %+v %#v %s", key, key, key, key); strings.Contains(said, "token") {
		t.Error(said)
	}
	var _ order.Signer = key
}

// TestWhatAServiceAnswersIsVerified: whatever it gives in place of a key or a signature is refused, and says what to do.
func TestWhatAServiceAnswersIsVerified(t *testing.T) {
	for name, tc := range map[string]struct {
		path, field, value string
		status             int
		want               error
	}{
		"a key that is not base64":        {path: "/keys/", field: "publickey", value: "?", want: signservice.ErrAnswer},
		"a key that is no sequence":       {path: "/keys/", field: "publickey", value: "AAAA", want: signservice.ErrAnswer},
		"a point that is not on P-521":    {path: "/keys/", field: "publickey", value: base64.StdEncoding.EncodeToString([]byte{0x30, 6, 2, 1, 5, 2, 1, 7}), want: signservice.ErrAnswer},
		"a negative coordinate":           {path: "/keys/", field: "publickey", value: base64.StdEncoding.EncodeToString([]byte{0x30, 6, 2, 1, 0xff, 2, 1, 7}), want: signservice.ErrAnswer},
		"a key that is missing":           {path: "/keys/", field: "publickey", value: "", want: signservice.ErrAnswer},
		"an answer that is very long":     {path: "/keys/", field: "more", value: strings.Repeat("x", 1<<17), want: signservice.ErrAnswer},
		"a redirection":                   {path: "/keys/", status: http.StatusTemporaryRedirect, want: signservice.ErrAnswer},
		"a token that is refused":         {path: "/sign/", status: http.StatusForbidden, want: signservice.ErrToken},
		"a service that fails":            {path: "/sign/", status: http.StatusBadGateway, want: signservice.ErrUnreachable},
		"a signature that is not base64":  {path: "/sign/", field: "signature", value: "?", want: signservice.ErrAnswer},
		"a signature of something else":   {path: "/sign/", field: "signature", value: base64.StdEncoding.EncodeToString([]byte{0x30, 6, 2, 1, 5, 2, 1, 7}), want: signservice.ErrAnswer},
		"a signature in a wrong encoding": {path: "/sign/", field: "signature", value: "AAAA", want: signservice.ErrAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			s := signingservice.New(t, "alice")
			s.Spoil = func(path string, answer map[string]string) int {
				if !strings.HasPrefix(path, tc.path) {
					return 0
				}
				if tc.field != "" {
					answer[tc.field] = tc.value
				}
				return tc.status
			}
			key, err := connect(t, s).Key(t.Context(), "alice", signingservice.Token("alice"))
			if err == nil {
				_, err = key.SignMessage([]byte("an order"))
			}
			if !errors.Is(err, tc.want) || strings.Contains(err.Error(), "token-for") {
				t.Error(err)
			}
		})
	}
}

func TestAServiceThatRefusesOrIsNotThere(t *testing.T) {
	s := signingservice.New(t, "alice")
	service := connect(t, s)
	for want, give := range map[error][2]string{
		signservice.ErrToken: {"alice", "another"},
		signservice.ErrNoKey: {"bob", signingservice.Token("bob")},
	} {
		if _, err := service.Key(t.Context(), give[0], give[1]); !errors.Is(err, want) || strings.Contains(err.Error(), give[1]) {
			t.Error(err)
		}
	}
	if _, err := service.Key(t.Context(), "a/../b", ""); err == nil || !strings.Contains(err.Error(), "is not the name of a key") {
		t.Error(err)
	}
	untrusted, err := signservice.New(s.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := untrusted.Key(t.Context(), "alice", "x"); !errors.Is(err, signservice.ErrUnreachable) || !strings.Contains(err.Error(), signservice.EnvCA) {
		t.Error(err)
	}
	key, err := service.Key(t.Context(), "alice", signingservice.Token("alice"))
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
	if _, err := key.SignMessage([]byte("an order")); !errors.Is(err, signservice.ErrUnreachable) {
		t.Error(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := service.Key(ended, "alice", "x"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestOnlyTLSGoesOverTheNetwork(t *testing.T) {
	for _, bad := range []string{"", "signing.example.com", "http://signing.example.com", "ftp://localhost", "https://user:secret@host", "https://host?x=1"} {
		if _, err := signservice.New(bad, ""); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, good := range []string{"https://signing.example.com:8443", "https://host/path/", "http://localhost:3000", "http://127.0.0.1:3000", "http://[::1]:3000"} {
		if _, err := signservice.New(good, ""); err != nil {
			t.Errorf("%q: %v", good, err)
		}
	}
	if _, err := signservice.New("https://host", filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a file that is not there was taken")
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := signservice.New("https://host", empty); err == nil || !strings.Contains(err.Error(), "holds no certificate") {
		t.Error(err)
	}
}

func TestTheListOfKeys(t *testing.T) {
	for text, says := range map[string]string{
		`[{"key":"first-key","token":"token-for-first-key"}]`:                                       "",
		`[{"key":"first-key"},{"key":"second-key","token":"token-for-second-key"},{"key":"third"}]`: "",
		`[]`:                           "lists no key",
		`{}`:                           "not a JSON list",
		`[{"key":"a"}] more`:           "something follows",
		`[{"key":"a","password":"b"}]`: "not a JSON list",
		`[{"key":"a/b"}]`:              "is not the name of a key",
		`[{"key":".."}]`:               "is not the name of a key",
		`[{"key":"a"},{"key":"a"}]`:    "twice",
		`[{"key":"` + strings.Repeat("a", 31) + `"}]`:                "more than 30 characters",
		`[{"key":"` + strings.Repeat("a", 31) + `","name":"Alice"}]`: "",
	} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, signservice.File), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		list, open, err := signservice.ReadFile(dir)
		if says == "" && (err != nil || len(list) == 0 || open != strings.Contains(text, "token")) || says != "" && (err == nil || !strings.Contains(err.Error(), says)) {
			t.Errorf("%s: %v, %t, %v", text, list, open, err)
		}
		if said := fmt.Sprintf("%v %+v", list, list); strings.Contains(said, "token") {
			t.Error(said)
		}
	}
	if _, _, err := signservice.ReadFile(t.TempDir()); err == nil || !strings.Contains(err.Error(), "there is no file") {
		t.Error(err)
	}
}
