package rest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tumbler/fsm"
	"tumbler/kms"
	"tumbler/kms/kmstest"
)

// FuzzBodies: a body that is taken holds known fields alone, and is read as before when it is written again.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{
		`{"metadata":{"collectionType":"application/vnd.ibm.kms.key+json","collectionTotal":1},"resources":[{"type":"t","name":"orders","payload":"AAAA","tags":["a"],"extractable":true,"rotation":{"interval_month":1}}]}`,
		`{"metadata":{},"resources":[{"id":"11220000-0000-0000-0000-000000000000","name":"orders","expirationDate":"2027-01-02T03:04:05Z"}]}`,
		`{"plaintext":"AAAA","aad":["a","b"]}`, `{"ciphertext":"e30=","keyVersion":{"id":"x"}}`, `{"payload":"AAAA","iv":"x"}`,
		`{"metadata":{},"resources":[{"payload":"AAAA","ciphertext":"e30=","aad":["a"]}]}`,
		`{"plaintext":"AA\nAA"}`, `{"plaintext":null}`, `{} {}`, `{}]`, `null`, `{"Plaintext":""}`, "\x00",
	} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		sameAgain[newKeys](t, body)
		sameAgain[bulkKeys](t, body)
		sameAgain[action](t, body)
		sameAgain[rotation](t, body)
		sameAgain[restoration](t, body)
	})
}

func sameAgain[In any](t *testing.T, body string) {
	t.Helper()
	read := func(body []byte) (string, error) {
		var in In
		if err := decode(httptest.NewRequest("POST", "/", bytes.NewReader(body)), needBody, &in); err != nil {
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
	if _, err := read([]byte(more)); err == nil {
		t.Errorf("%s was taken", more)
	}
}

// FuzzRequests sends any body to every endpoint that takes one, as a Manager: the answer is JSON and never a fault of the
// server.
func FuzzRequests(f *testing.F) {
	instance, pattern := fsm.ID{0x11, 0x22}, fsm.Pattern{0xa}
	state := kmstest.NewState(instance, pattern)
	service, err := kms.New(kms.Config{Proposer: state, Reader: state, Unit: kmstest.NewUnit(pattern), Auditor: &kmstest.Trail{}, Now: time.Now})
	if err != nil {
		f.Fatal(err)
	}
	server, err := New(Config{Service: service})
	if err != nil {
		f.Fatal(err)
	}
	record, secret, err := kms.NewAPIKey("manager", kms.RoleManager, "test", time.Now())
	if err != nil {
		f.Fatal(err)
	}
	if _, err := state.Propose(f.Context(), &fsm.CreateAPIKey{APIKey: record}); err != nil {
		f.Fatal(err)
	}
	form := "grant_type=urn%3Aibm%3Aparams%3Aoauth%3Agrant-type%3Aapikey&apikey="
	send := func(path, kind, token, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest("POST", path, strings.NewReader(body))
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Bluemix-Instance", kms.FormatID(instance))
		r.Header.Set("Authorization", "Bearer "+token)
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, r)
		return answer
	}
	var signedIn tokenAnswer
	if answer := send(tokenPath, "application/x-www-form-urlencoded", "", form+secret); json.Unmarshal(answer.Body.Bytes(), &signedIn) != nil || answer.Code != http.StatusOK {
		f.Fatal(answer.Body)
	}
	var made keyCollection
	const create = `{"metadata":{"collectionType":"` + keyType + `","collectionTotal":1},"resources":[{"type":"` + keyType + `","name":"orders","aliases":["a1"]}]}`
	if answer := send(prefix+"keys", "application/json", signedIn.AccessToken, create); json.Unmarshal(answer.Body.Bytes(), &made) != nil || len(made.Resources) != 1 {
		f.Fatal(answer.Body)
	}
	wrapped := send(prefix+"keys/a1/actions/wrap", "application/json", signedIn.AccessToken, `{"plaintext":"AAAA"}`)
	const again = `{"metadata":{"collectionType":"` + keyType + `"},"resources":[{"payload":"AAAAAAAAAAAAAAAAAAAAAA==","ciphertext":"e30=","aad":["a"]}]}`
	for _, body := range []string{create, wrapped.Body.String(), `{"plaintext":"AAAA","aad":["a"]}`, `{"payload":"AAAA"}`, again, `{}`, ``, `null`, `[`, form + "x", "%zz"} {
		f.Add(body)
	}
	actions := prefix + "keys/" + made.Resources[0].ID
	paths := []string{prefix + "keys", bulkPath, actions + "/restore", actions + "/actions/wrap", actions + "/actions/unwrap",
		actions + "/actions/rewrap", actions + "/actions/rotate"}
	look := func(t *testing.T, path, body string, answer *httptest.ResponseRecorder) {
		if answer.Code == http.StatusInternalServerError || answer.Body.Len() > 0 && !json.Valid(answer.Body.Bytes()) {
			t.Errorf("%s with %q: %d %s", path, body, answer.Code, answer.Body)
		}
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, path := range paths {
			look(t, path, body, send(path, "application/json", signedIn.AccessToken, body))
		}
		look(t, tokenPath, body, send(tokenPath, "application/x-www-form-urlencoded", "", body))
	})
}
