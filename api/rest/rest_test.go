package rest_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"tumbler/kms"
)

const good = `{"metadata":{"collectionType":"application/vnd.ibm.kms.key+json","collectionTotal":1},"resources":[{"type":"application/vnd.ibm.kms.key+json","name":"root","extractable":false}]}`

func createBody(t *testing.T, fields string) string {
	t.Helper()
	return strings.Replace(good, `"name":"root"`, fields, 1)
}

func TestBadRequests(t *testing.T) {
	s := newServer(t)
	var made struct{ Resources []struct{ ID string } }
	if err := json.Unmarshal(s.as(kms.RoleManager, "POST", "/api/v2/keys", good).body, &made); err != nil {
		t.Fatal(err)
	}
	key := "/api/v2/keys/" + made.Resources[0].ID
	for name, test := range map[string]struct {
		method, path, body string
		status             int
		reason             kms.Code
	}{
		"empty body":            {"POST", "/api/v2/keys", "", 400, kms.ErrBody.Code},
		"not JSON":              {"POST", "/api/v2/keys", "{", 400, kms.ErrBody.Code},
		"another type":          {"POST", "/api/v2/keys", `{"resources":7}`, 400, kms.ErrBody.Code},
		"unknown field":         {"POST", "/api/v2/keys", `{"colour":1}`, 400, kms.ErrBody.Code},
		"more than one value":   {"POST", "/api/v2/keys", good + good, 400, kms.ErrBody.Code},
		"no key":                {"POST", "/api/v2/keys", `{"resources":[]}`, 400, kms.ErrBody.Code},
		"wrong collection":      {"POST", "/api/v2/keys", `{"resources":[{"name":"root"}]}`, 400, kms.ErrBody.Code},
		"short name":            {"POST", "/api/v2/keys", createBody(t, `"name":"r"`), 400, kms.ErrField.Code},
		"payload not base64":    {"POST", "/api/v2/keys", createBody(t, `"name":"root","payload":"%%"`), 400, kms.ErrField.Code},
		"payload with a break":  {"POST", "/api/v2/keys", createBody(t, `"name":"root","payload":"AA\nAA"`), 400, kms.ErrField.Code},
		"payload not a string":  {"POST", "/api/v2/keys", createBody(t, `"name":"root","payload":7`), 400, kms.ErrField.Code},
		"payload of 3 bytes":    {"POST", "/api/v2/keys", createBody(t, `"name":"root","payload":"AAAA"`), 400, kms.ErrField.Code},
		"import token":          {"POST", "/api/v2/keys", createBody(t, `"name":"root","iv":"AAAA"`), 501, kms.ErrUnhandled.Code},
		"too large":             {"POST", "/api/v2/keys", createBody(t, `"name":"`+strings.Repeat("n", 128<<10)+`"`), 413, kms.ErrTooLarge.Code},
		"bad limit":             {"GET", "/api/v2/keys?limit=5001", "", 400, kms.ErrQuery.Code},
		"limit 0":               {"GET", "/api/v2/keys?limit=0", "", 400, kms.ErrQuery.Code},
		"negative offset":       {"GET", "/api/v2/keys?offset=-1", "", 400, kms.ErrQuery.Code},
		"bad state":             {"GET", "/api/v2/keys?state=4", "", 400, kms.ErrQuery.Code},
		"bad extractable":       {"GET", "/api/v2/keys?extractable=yes", "", 400, kms.ErrQuery.Code},
		"filter is not heeded":  {"GET", "/api/v2/keys?filter=state%3D1", "", 400, kms.ErrQuery.Code},
		"parameter twice":       {"GET", "/api/v2/keys?limit=1&limit=2", "", 400, kms.ErrQuery.Code},
		"broken query":          {"GET", "/api/v2/keys?a;b", "", 400, kms.ErrQuery.Code},
		"unwrap without body":   {"POST", key + "/actions/unwrap", "", 400, kms.ErrBody.Code},
		"unwrap of nothing":     {"POST", key + "/actions/unwrap", "{}", 422, kms.ErrCiphertext.Code},
		"unwrap of nonsense":    {"POST", key + "/actions/unwrap", `{"ciphertext":"AAAA"}`, 422, kms.ErrCiphertext.Code},
		"wrap of not base64":    {"POST", key + "/actions/wrap", `{"plaintext":"a"}`, 400, kms.ErrField.Code},
		"wrap under no key":     {"POST", "/api/v2/keys/none/actions/wrap", "{}", 404, kms.ErrKeyNotFound.Code},
		"key with odd letters":  {"GET", "/api/v2/keys/%2e%2e%2fx", "", 404, kms.ErrKeyNotFound.Code},
		"unknown action":        {"POST", key + "/actions/launch", "{}", 404, kms.ErrEndpoint.Code},
		"unknown path":          {"GET", "/api/v2/policies", "", 404, kms.ErrEndpoint.Code},
		"root path":             {"GET", "/", "", 404, kms.ErrEndpoint.Code},
		"method of a key":       {"PUT", key, "{}", 405, kms.ErrMethod.Code},
		"method of an action":   {"GET", key + "/actions/wrap", "", 405, kms.ErrMethod.Code},
		"method of the token":   {"GET", "/identity/token", "", 405, kms.ErrMethod.Code},
		"restore of a live key": {"POST", key + "/restore", "", 409, kms.ErrKeyState.Code},
	} {
		t.Run(name, func(t *testing.T) {
			got := s.as(kms.RoleManager, test.method, test.path, test.body)
			if got.status != test.status || got.reason() != string(test.reason) {
				t.Errorf("got %d %s, want %d %s", got.status, got.reason(), test.status, test.reason)
			}
			if got.header.Get("Correlation-Id") != "cid-1" || got.header.Get("Content-Type") != "application/json" {
				t.Errorf("headers %v", got.header)
			}
			if test.status == 405 && got.header.Get("Allow") == "" {
				t.Error("no Allow header")
			}
		})
	}
	if list := s.as(kms.RoleReader, "GET", "/api/v2/keys", ""); strings.Count(string(list.body), `"id"`) != 2 { // the key's and its version's
		t.Errorf("something was created: %s", list.body)
	}
}

func TestHeaders(t *testing.T) {
	s := newServer(t)
	token := "Bearer " + s.token(kms.RoleReader)
	id := kms.FormatID(instance)
	for name, test := range map[string]struct {
		header http.Header
		status int
		reason kms.Code
	}{
		"nothing":          {http.Header{}, 401, kms.ErrUnauthorized.Code},
		"another scheme":   {http.Header{"Authorization": {"Basic YTpi"}}, 401, kms.ErrUnauthorized.Code},
		"no instance":      {http.Header{"Authorization": {token}}, 400, kms.ErrHeader.Code},
		"another instance": {http.Header{"Authorization": {token}, "Bluemix-Instance": {"x"}}, 404, kms.ErrInstance.Code},
		"another key ring": {http.Header{"Authorization": {token}, "Bluemix-Instance": {id}, "X-Kms-Key-Ring": {"x"}}, 404, kms.ErrKeyRing.Code},
	} {
		if got := s.send("GET", "/api/v2/keys", "", test.header); got.status != test.status || got.reason() != string(test.reason) {
			t.Errorf("%s: got %d %s", name, got.status, got.reason())
		}
	}
	got := s.send("GET", "/api/v2/keys", "", http.Header{"Authorization": {"bearer " + s.token(kms.RoleReader)}, "Bluemix-Instance": {id}, "Correlation-Id": {"a b"}})
	if given := got.header.Get("Correlation-Id"); got.status != 200 || given == "a b" || len(given) != 36 {
		t.Errorf("status %d, correlation id %q", got.status, given)
	}
}

func TestTokenForm(t *testing.T) {
	s := newServer(t)
	form := http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}}
	const grant = "grant_type=urn:ibm:params:oauth:grant-type:apikey"
	for name, test := range map[string]struct {
		body   string
		header http.Header
		status int
		code   kms.Code
	}{
		"not a form":    {grant, http.Header{"Content-Type": {"application/json"}}, 400, kms.ErrHeader.Code},
		"no grant":      {"apikey=x", form, 400, kms.ErrBody.Code},
		"another grant": {"grant_type=password&apikey=x", form, 400, kms.ErrBody.Code},
		"no key":        {grant, form, 400, kms.ErrBody.Code},
		"two keys":      {grant + "&apikey=x&apikey=y", form, 400, kms.ErrBody.Code},
		"wrong key":     {grant + "&apikey=x", form, 400, kms.ErrAPIKey.Code},
		"broken form":   {"%zz", form, 400, kms.ErrBody.Code},
		"too large":     {grant + "&apikey=" + strings.Repeat("x", 128<<10), form, 413, kms.ErrTooLarge.Code},
	} {
		got := s.send("POST", "/identity/token", test.body, test.header)
		if got.status != test.status || !strings.Contains(string(got.body), `"errorCode":"`+string(test.code)+`"`) {
			t.Errorf("%s: got %d %s", name, got.status, got.body)
		}
	}
}

// What is never the same twice.
var changing = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT[0-9:.]+Z`)

// The wire forms are golden: a change of one is a change for every client. Set UPDATE_GOLDEN=1 to write them anew.
func TestGoldenAnswers(t *testing.T) {
	s := newServer(t)
	created := s.as(kms.RoleWriter, "POST", "/api/v2/keys", createBody(t, `"name":"golden","aliases":["golden-alias"],"description":"a key","expirationDate":"2199-01-01T00:00:00Z"`))
	var b strings.Builder
	show := func(title string, r reply) {
		b.WriteString("## " + title + "\n" + http.StatusText(r.status) + "\n" + changing.ReplaceAllString(string(r.body), "…") + "\n\n")
	}
	show("create", created)
	show("get", s.as(kms.RoleWriter, "GET", "/api/v2/keys/golden-alias", ""))
	show("list", s.as(kms.RoleReader, "GET", "/api/v2/keys", ""))
	show("versions", s.as(kms.RoleReader, "GET", "/api/v2/keys/golden-alias/versions?totalCount=true", ""))
	show("forbidden", s.as(kms.RoleReader, "POST", "/api/v2/keys", good))
	show("alias taken", s.as(kms.RoleWriter, "POST", "/api/v2/keys", createBody(t, `"name":"golden","aliases":["golden-alias"]`)))
	show("unknown path", s.as(kms.RoleReader, "GET", "/api/v2/nothing", ""))
	show("method", s.as(kms.RoleReader, "PUT", "/api/v2/keys", ""))
	show("delete", s.as(kms.RoleManager, "DELETE", "/api/v2/keys/golden-alias", ""))
	show("get of a deleted key", s.as(kms.RoleWriter, "GET", "/api/v2/keys/golden-alias", ""))
	show("metadata of a deleted key", s.as(kms.RoleReader, "GET", "/api/v2/keys/golden-alias/metadata", ""))
	show("token refused", s.send("POST", "/identity/token", "", http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}))
	path := filepath.Join("testdata", "answers.golden")
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("answers have changed:\n%s", b.String())
	}
}
