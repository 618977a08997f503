// Package signingservice is a signing service for tests: a real HTTPS server that holds real keys.
package signingservice

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/tls"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Service is a signing service. Each of its keys is used with the token "token-for-" and its name.
type Service struct {
	URL    string
	CAFile string

	// Spoil, if a test sets it, changes what the service answers to a path.
	Spoil func(path string, answer map[string]string) (status int)

	server *httptest.Server
	mu     sync.Mutex
	keys   map[string]*ecdsa.PrivateKey
	signed map[string]int
}

// New starts a service that makes keys of these names.
func New(t *testing.T, names ...string) *Service {
	t.Helper()
	s := &Service{keys: map[string]*ecdsa.PrivateKey{}, signed: map[string]int{}}
	for _, name := range names {
		key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s.keys[name] = key
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /keys/{name}", s.public)
	mux.HandleFunc("POST /sign/{name}", s.sign)
	s.server = httptest.NewUnstartedServer(mux)
	s.server.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	s.server.StartTLS()
	t.Cleanup(s.server.Close)
	s.URL, s.CAFile = s.server.URL, filepath.Join(t.TempDir(), "service.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.server.Certificate().Raw})
	if err := os.WriteFile(s.CAFile, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// Token is the one that a key is used with.
func Token(name string) string { return "token-for-" + name }

// Stop ends the service.
func (s *Service) Stop() { s.server.Close() }

// Signed tells how often a key has signed.
func (s *Service) Signed(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signed[name]
}

func (s *Service) key(w http.ResponseWriter, r *http.Request) *ecdsa.PrivateKey {
	key := s.keys[r.PathValue("name")]
	switch {
	case key == nil:
		w.WriteHeader(http.StatusNotFound)
	case r.Header.Get("Authorization") != Token(r.PathValue("name")):
		w.WriteHeader(http.StatusUnauthorized)
		return nil
	}
	return key
}

func (s *Service) public(w http.ResponseWriter, r *http.Request) {
	key := s.key(w, r)
	if key == nil {
		return
	}
	point, err := key.PublicKey.Bytes()
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	half := len(point) / 2
	s.answer(w, r, "publickey", []*big.Int{new(big.Int).SetBytes(point[1 : 1+half]), new(big.Int).SetBytes(point[1+half:])})
}

func (s *Service) sign(w http.ResponseWriter, r *http.Request) {
	key := s.key(w, r)
	if key == nil {
		return
	}
	var body struct {
		Hash  string `json:"hash_algorithm"`
		Input []byte `json:"input"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Hash != "sha2-512" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	digest := sha512.Sum512(body.Input)
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	var pair []*big.Int
	if err == nil {
		_, err = asn1.Unmarshal(signature, &pair)
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	s.mu.Lock()
	s.signed[r.PathValue("name")]++
	s.mu.Unlock()
	s.answer(w, r, "signature", pair)
}

// answer gives two integers as a DER sequence in base64.
func (s *Service) answer(w http.ResponseWriter, r *http.Request, field string, pair []*big.Int) {
	der, err := asn1.Marshal(pair)
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	text, err := json.Marshal(der)
	if err != nil || len(text) < 2 {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	answer, status := map[string]string{field: string(text[1 : len(text)-1])}, http.StatusOK
	if s.Spoil != nil {
		if changed := s.Spoil(r.URL.Path, answer); changed != 0 {
			status = changed
		}
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", "/keys/elsewhere")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(answer)
}
