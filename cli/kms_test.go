package cli

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/cli/command"
)

// kms makes a node answer the key interface: one key, "orders", that wraps by putting a prefix before the data.
func (f *fakeNode) kms() {
	f.env[command.EnvAPIKey], f.env[command.EnvInstance] = "the-secret", instance
	write := func(w http.ResponseWriter, status int, value any) {
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(value); err != nil {
			f.t.Error(err)
		}
	}
	f.mux.HandleFunc("POST /identity/token", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("apikey") != "the-secret" {
			f.t.Errorf("API key %q", r.FormValue("apikey"))
		}
		write(w, 200, map[string]any{"access_token": "bearer", "token_type": "Bearer", "expires_in": 3600})
	})
	key := client.Key{ID: "5d4c2a1e", Name: "orders", State: client.KeyActive, CreationDate: &noon, CreatedBy: "manager"}
	one := func(k client.Key) any {
		return map[string]any{"metadata": map[string]any{"collectionTotal": 1}, "resources": []client.Key{k}}
	}
	f.mux.HandleFunc("POST /api/v2/keys", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("bluemix-instance") != instance {
			f.t.Errorf("instance %q", r.Header.Get("bluemix-instance"))
		}
		body := decodeBody[struct {
			Metadata  any
			Resources []client.Key
		}](f.t, r)
		k := key
		k.Name, k.Imported = body.Resources[0].Name, len(body.Resources[0].Payload) > 0
		write(w, 201, one(k))
	})
	f.mux.HandleFunc("GET /api/v2/keys", func(w http.ResponseWriter, r *http.Request) { write(w, 200, one(key)) })
	f.mux.HandleFunc("GET /api/v2/keys/orders/metadata", func(w http.ResponseWriter, r *http.Request) { write(w, 200, one(key)) })
	f.mux.HandleFunc("GET /api/v2/keys/none/metadata", func(w http.ResponseWriter, r *http.Request) {
		write(w, 404, map[string]any{"resources": []any{map[string]any{"errorMsg": "Not Found: Key does not exist",
			"reasons": []client.KMSReason{{Code: "KEY_NOT_FOUND_ERR", Message: "Key does not exist", Status: 404}}}}})
	})
	f.mux.HandleFunc("DELETE /api/v2/keys/orders", func(w http.ResponseWriter, r *http.Request) {
		k := key
		k.State = client.KeyDestroyed
		write(w, 200, one(k))
	})
	f.mux.HandleFunc("POST /api/v2/keys/orders/restore", func(w http.ResponseWriter, r *http.Request) {
		asked, err := io.ReadAll(r.Body)
		if err != nil {
			f.t.Error(err)
		}
		k := key
		k.Description = string(asked)
		write(w, 201, one(k))
	})
	f.mux.HandleFunc("POST /api/v2/keys/orders/actions/wrap", func(w http.ResponseWriter, r *http.Request) {
		body := decodeBody[struct {
			Plaintext []byte
			AAD       []string
		}](f.t, r)
		answer := client.Wrapped{}
		if body.Plaintext == nil {
			body.Plaintext = bytes.Repeat([]byte{7}, 32)
			answer.Plaintext = body.Plaintext
		}
		answer.Ciphertext = base64.StdEncoding.EncodeToString([]byte(strings.Join(body.AAD, "+") + "|" + string(body.Plaintext)))
		write(w, 200, answer)
	})
	f.mux.HandleFunc("POST /api/v2/keys/orders/actions/unwrap", func(w http.ResponseWriter, r *http.Request) {
		body := decodeBody[struct {
			Ciphertext []byte
			AAD        []string
		}](f.t, r)
		data, ok := bytes.CutPrefix(body.Ciphertext, []byte(strings.Join(body.AAD, "+")+"|"))
		if !ok {
			write(w, 422, map[string]any{"resources": []any{map[string]any{"errorMsg": "the ciphertext does not open"}}})
			return
		}
		write(w, 200, client.Wrapped{Plaintext: data})
	})
}

func TestKeysForPeople(t *testing.T) {
	f := newFakeNode(t)
	f.kms()
	golden(t, "kms-key.txt", f.must("", "kms", "key", "create", "--name", "orders")+f.must("", "kms", "key", "list")+
		f.must("", "kms", "key", "show", "orders")+f.must("y\n", "kms", "key", "delete", "orders"))
}

func TestAKeyThatIsNotThere(t *testing.T) {
	f := newFakeNode(t)
	f.kms()
	code, out, errs := f.run(t.Context(), "", "kms", "key", "show", "none", "--output", "json")
	if code != command.ExitFailed || !strings.Contains(out, `"code": "KEY_NOT_FOUND_ERR"`) || !strings.HasPrefix(errs, "FAILED\nNot Found: Key does not exist") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}

func TestRestoreTakesADeletionBackOrGivesMaterialAgain(t *testing.T) {
	f := newFakeNode(t)
	f.kms()
	dir := t.TempDir()
	material, ciphertext := filepath.Join(dir, "material.bin"), filepath.Join(dir, "data.key.wrapped")
	for path, content := range map[string]string{material: "0123456789abcdef", ciphertext: "eyJ9\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	asked := func(args ...string) string {
		t.Helper()
		var k client.Key
		if err := json.Unmarshal([]byte(f.must("", append([]string{"kms", "key", "restore", "orders", "--output", "json"}, args...)...)), &k); err != nil {
			t.Fatal(err)
		}
		return k.Description
	}
	const head = `{"metadata":{"collectionType":"application/vnd.ibm.kms.key+json","collectionTotal":1},"resources":[{"payload":"MDEyMzQ1Njc4OWFiY2RlZg=="`
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, ""},
		{[]string{"--import", material}, head + `}]}`},
		{[]string{"--import", material, "--ciphertext", ciphertext, "--aad", "a,b"}, head + `,"ciphertext":"eyJ9","aad":["a,b"]}]}`},
	} {
		if got := asked(test.args...); got != test.want {
			t.Errorf("%q asks for\n%s\nwant\n%s", test.args, got, test.want)
		}
	}
	for says, args := range map[string][]string{
		"--ciphertext goes with --import": {"--ciphertext", ciphertext},
		"both from standard input":        {"--import", "-", "--ciphertext", "-"},
		"is empty":                        {"--import", "-"},
	} {
		if code, _, errs := f.run(t.Context(), "", append([]string{"kms", "key", "restore", "orders"}, args...)...); code != command.ExitUsage || !strings.Contains(errs, says) {
			t.Errorf("%q: exit code %d: %s", args, code, errs)
		}
	}
}

func TestImportTakesBytesFromAFileOrStandardInput(t *testing.T) {
	f := newFakeNode(t)
	f.kms()
	out := f.must("0123456789abcdef", "kms", "key", "create", "--name", "legacy", "--import", "-", "--output", "json")
	if !strings.Contains(out, `"imported": true`) || strings.Contains(out, "payload") {
		t.Error(out)
	}
}

func TestWhatIsWrappedUnwraps(t *testing.T) {
	f := newFakeNode(t)
	f.kms()
	dir := t.TempDir()
	plain, random, opened := filepath.Join(dir, "plain"), filepath.Join(dir, "random"), filepath.Join(dir, "opened")
	secret := []byte("bytes \x00\xff that are no text\n")
	if err := os.WriteFile(plain, secret, 0o600); err != nil {
		t.Fatal(err)
	}
	// An additional text may hold a comma.
	wrapped := f.must("", "kms", "key", "wrap", "orders", "--in", plain, "--aad", "a,b", "--aad", "c")
	if got := f.must(wrapped, "kms", "key", "unwrap", "orders", "--aad", "a,b", "--aad", "c"); got != string(secret) {
		t.Errorf("%q", got)
	}
	if code, _, errs := f.run(t.Context(), wrapped, "kms", "key", "unwrap", "orders", "--out", opened); code != command.ExitFailed || !strings.Contains(errs, "does not open") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if _, err := os.Stat(opened); err == nil {
		t.Error("a refused unwrap left a file")
	}
	wrapped = f.must("", "kms", "key", "wrap", "orders", "--random", "--plaintext-out", random)
	f.must(wrapped, "kms", "key", "unwrap", "orders", "--out", opened)
	a, err := os.ReadFile(random)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(opened)
	if err != nil || len(a) != 32 || !bytes.Equal(a, b) {
		t.Errorf("%x %x %v", a, b, err)
	}
	if code, _, errs := f.run(t.Context(), "not base64!", "kms", "key", "unwrap", "orders"); code != command.ExitUsage || !strings.Contains(errs, "is not the base64 that wrap gave") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}
