package admin

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/fsm"
)

// ask makes one request by hand and decodes the refusal, if it is one.
func ask(t *testing.T, c *http.Client, method, url, contentType, body string) (int, client.Error, http.Header) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	answer, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if got := answer.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("answers %s: %s", got, text)
	}
	var wire client.ErrorBody
	if err := json.Unmarshal(text, &wire); err != nil {
		t.Errorf("%s is not JSON: %v", text, err)
	}
	return answer.StatusCode, wire.Error, answer.Header
}

func TestNobodyIsHeardWithoutAnAdministratorsCertificate(t *testing.T) {
	f := &fake{}
	ca, address := served(t, f)
	for name, c := range map[string]struct {
		uri    string
		status int
		code   client.Code
	}{
		"no certificate":        {"", 401, client.CodeUnauthenticated},
		"a node's":              {"tumbler://node/1", 403, client.CodeForbidden},
		"an empty name":         {"tumbler://client/", 403, client.CodeForbidden},
		"a name with a slash":   {"tumbler://client/a/b", 403, client.CodeForbidden},
		"a name with a newline": {"tumbler://client/a%0Ab", 403, client.CodeForbidden},
		"another scheme":        {"spiffe://client/alice", 403, client.CodeForbidden},
		"a very long name":      {"tumbler://client/" + strings.Repeat("a", 65), 403, client.CodeForbidden},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"/admin/v1/cluster/leave", "/admin/v1/nothing"} {
				status, refusal, _ := ask(t, ca.raw(c.uri), "POST", "https://"+address+path, "application/json", "{}")
				if status != c.status || refusal.Code != c.code || refusal.Hint == "" {
					t.Errorf("%s: got %d %+v", path, status, refusal)
				}
			}
		})
	}
	if f.called() != "" {
		t.Errorf("something was done: %s", f.called())
	}
	if !strings.Contains(f.log.lines()[0], `"client":"-"`) {
		t.Errorf("the log does not tell of the refusal: %s", f.log.lines()[0])
	}
}

func TestACertificateThatTLSDidNotVerifyIsNone(t *testing.T) {
	ca := newCA(t)
	handler, f := New((&fake{}).backend()), httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/admin/v1/members", nil)
	r.TLS = &tls.ConnectionState{PeerCertificates: []*x509.Certificate{ca.Certificate}}
	handler.ServeHTTP(f, r)
	if f.Code != 401 {
		t.Errorf("got %d", f.Code)
	}
	r.TLS = nil
	f = httptest.NewRecorder()
	if handler.ServeHTTP(f, r); f.Code != 401 {
		t.Errorf("without TLS: got %d", f.Code)
	}
}

func TestRequestsThatAreNotWhatTheyShouldBe(t *testing.T) {
	f := &fake{}
	ca, address := served(t, f)
	c := ca.raw("tumbler://client/alice")
	const isJSON = "application/json"
	for name, q := range map[string]struct {
		method, path, contentType, body string
		status                          int
		code                            client.Code
	}{
		"a path that is not":      {"GET", "/nothing", "", "", 404, client.CodeNotFound},
		"a path above":            {"GET", "/../v2/members", "", "", 404, client.CodeNotFound},
		"another method":          {"PUT", "/members", isJSON, "{}", 405, client.CodeMethodNotAllowed},
		"no content type":         {"POST", "/cluster/remove", "", `{"number":2}`, 415, client.CodeUnsupportedType},
		"a form":                  {"POST", "/cluster/remove", "application/x-www-form-urlencoded", "number=2", 415, client.CodeUnsupportedType},
		"no body":                 {"POST", "/cluster/remove", isJSON, "", 400, client.CodeInvalidRequest},
		"an array":                {"POST", "/cluster/remove", isJSON, `[{"number":2}]`, 400, client.CodeInvalidRequest},
		"null":                    {"POST", "/cluster/remove", isJSON, `null`, 400, client.CodeInvalidRequest},
		"cut short":               {"POST", "/cluster/remove", isJSON, `{"number":2`, 400, client.CodeInvalidRequest},
		"two objects":             {"POST", "/cluster/remove", isJSON, `{"number":2}{"number":3}`, 400, client.CodeInvalidRequest},
		"an unknown field":        {"POST", "/cluster/remove", isJSON, `{"number":2,"force":true}`, 400, client.CodeInvalidRequest},
		"a field of another":      {"POST", "/cluster/leave", isJSON, `{"number":2}`, 400, client.CodeInvalidRequest},
		"a wrong type":            {"POST", "/cluster/remove", isJSON, `{"number":"2"}`, 400, client.CodeInvalidRequest},
		"a number out of range":   {"POST", "/cluster/remove", isJSON, `{"number":-2}`, 400, client.CodeInvalidRequest},
		"no number":               {"POST", "/cluster/remove", isJSON, `{}`, 400, client.CodeInvalidRequest},
		"too large":               {"POST", "/cluster/remove", isJSON, `{"number":` + strings.Repeat(" ", MaxBody) + `2}`, 413, client.CodeTooLarge},
		"a body where none is":    {"GET", "/members", isJSON, "{}", 400, client.CodeInvalidRequest},
		"a join to nowhere":       {"POST", "/cluster/join", isJSON, `{"address":"nowhere","token":"t"}`, 400, client.CodeInvalidRequest},
		"a join without a token":  {"POST", "/cluster/join", isJSON, `{"address":"h:1"}`, 400, client.CodeInvalidRequest},
		"a log from no number":    {"GET", "/cluster/log?from=x", "", "", 400, client.CodeInvalidRequest},
		"a log of too much":       {"GET", "/cluster/log?limit=1001", "", "", 400, client.CodeInvalidRequest},
		"a log of nothing":        {"GET", "/cluster/log?limit=0", "", "", 400, client.CodeInvalidRequest},
		"an eternal wait":         {"GET", "/rotation?wait=24h", "", "", 400, client.CodeInvalidRequest},
		"a wait that is none":     {"GET", "/rotation?wait=soon", "", "", 400, client.CodeInvalidRequest},
		"a version that is none":  {"GET", "/rotation?version=-1", "", "", 400, client.CodeInvalidRequest},
		"a token for ever":        {"POST", "/cluster/tokens", isJSON, `{"ttl_seconds":2592001}`, 400, client.CodeInvalidRequest},
		"a token of the past":     {"POST", "/cluster/tokens", isJSON, `{"ttl_seconds":-1}`, 400, client.CodeInvalidRequest},
		"a token id that is none": {"DELETE", "/cluster/tokens/x", "", "", 404, client.CodeNotFound},
		"an API key's role":       {"POST", "/apikeys", isJSON, `{"name":"orders","role":"Owner"}`, 400, client.CodeInvalidRequest},
		"an API key's name":       {"POST", "/apikeys", isJSON, `{"name":"o","role":"Reader"}`, 400, client.CodeInvalidRequest},
		"a name with a control":   {"POST", "/apikeys", isJSON, `{"name":"a\nb","role":"Reader"}`, 400, client.CodeInvalidRequest},
		"an API key id":           {"DELETE", "/apikeys/x", "", "", 404, client.CodeNotFound},
		"an order that is none":   {"POST", "/orders", isJSON, `{"order":"AAAA"}`, 400, client.CodeInvalidOrder},
		"an empty order":          {"POST", "/orders", isJSON, `{}`, 400, client.CodeInvalidOrder},
		"order not base64":        {"POST", "/orders", isJSON, `{"order":"%"}`, 400, client.CodeInvalidRequest},
		"an approval of nothing":  {"POST", "/orders/xyz/approvals", isJSON, `{"approval":"AAAA"}`, 400, client.CodeInvalidRequest},
		"a bad approval":          {"POST", "/orders/" + strings.Repeat("ab", 32) + "/approvals", isJSON, `{"approval":"AAAA"}`, 400, client.CodeInvalidOrder},
		"a receipt of nothing":    {"GET", "/rotations/12/receipt", "", "", 400, client.CodeInvalidRequest},
		"a unit that is none":     {"POST", "/units/x/administrators", isJSON, `{}`, 400, client.CodeInvalidRequest},
		"unit 0":                  {"POST", "/units/0/administrators", isJSON, `{}`, 400, client.CodeInvalidRequest},
		"a bad list":              {"POST", "/units/1/administrators", isJSON, `{"administrators":"AAAA","signatures":[]}`, 400, client.CodeInvalidOrder},
	} {
		t.Run(name, func(t *testing.T) {
			status, refusal, header := ask(t, c, q.method, "https://"+address+client.Prefix+q.path, q.contentType, q.body)
			if status != q.status || refusal.Code != q.code || refusal.Message == "" {
				t.Errorf("got %d %+v", status, refusal)
			}
			if status == 405 && header.Get("Allow") != "GET" {
				t.Errorf("allows %q", header.Get("Allow"))
			}
		})
	}
	if f.called() != "" {
		t.Errorf("something was done: %s", f.called())
	}
}

func TestCallsReachTheBackendAndLeaveALine(t *testing.T) {
	f := &fake{members: []client.Member{{Number: 1, Leader: true}}}
	ca, address := served(t, f)
	c := ca.mustClient("alice", address)
	ctx := t.Context()
	for name, call := range map[string]func() error{
		"members":   func() error { _, err := c.Members(ctx); return err },
		"bootstrap": func() error { _, err := c.Bootstrap(ctx); return err },
		"join":      func() error { _, err := c.Join(ctx, "h:1", "t"); return err },
		"leave":     func() error { _, err := c.Leave(ctx); return err },
		"remove":    func() error { _, err := c.Remove(ctx, 2); return err },
		"transfer":  func() error { _, err := c.TransferLeader(ctx, 2); return err },
		"digest":    func() error { _, err := c.Digest(ctx); return err },
		"log":       func() error { _, err := c.Log(ctx, 5, 10); return err },
	} {
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, want := range []string{"bootstrap:alice", "join:h:1:t", "leave", "remove", "transfer", "digest", "log"} {
		if !strings.Contains(f.called(), want) {
			t.Errorf("no %s in %s", want, f.called())
		}
	}
	lines := f.log.lines()
	if len(lines) != 8 {
		t.Fatalf("%d lines in the log: %q", len(lines), lines)
	}
	for _, line := range lines {
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		if fields["client"] != "alice" || fields["result"] != "ok" || fields["path"] == nil || fields["method"] == nil || fields["remote"] == nil {
			t.Errorf("the line does not say who, what, result: %s", line)
		}
	}
}

func TestErrorsAreMappedInOnePlace(t *testing.T) {
	lower := errors.New("the raft log is at /secret/place")
	known := errors.New("the last voter cannot leave")
	for name, c := range map[string]struct {
		err    error
		status int
		code   client.Code
		ret    int
		reason int
	}{
		"no leader":          {ErrNoLeader, 503, client.CodeNoLeader, 0, 0},
		"not ready":          {fmt.Errorf("%w: catching up", ErrNotReady), 503, client.CodeNotReady, 0, 0},
		"outcome unknown":    {ErrOutcomeUnknown, 503, client.CodeOutcomeUnknown, 0, 0},
		"no such":            {ErrNotFound, 404, client.CodeNotFound, 0, 0},
		"not bootstrapped":   {fsm.ErrNotBootstrapped, 503, client.CodeNotReady, 0, 0},
		"bootstrapped":       {fsm.ErrAlreadyBootstrapped, 409, "already_bootstrapped", 0, 0},
		"an open order":      {fmt.Errorf("proposing: %w", fsm.ErrOrderOpen), 409, client.CodeRotationOpen, 0, 0},
		"the counter":        {fsm.ErrOrderNumber, 409, "order_number", 163, 0},
		"the pattern":        {fsm.ErrApproval, 409, client.CodePatternMismatch, 101, 48},
		"imprint mode":       {fsm.ErrUnitImprint, 409, client.CodeImprintMode, 179, 0},
		"a node's refusal":   {fsm.ErrStaleLease, 409, "refused_61", 0, 0},
		"its own":            {&client.Error{Code: client.CodeTooFewSignatures, Message: "m"}, 403, client.CodeTooFewSignatures, 208, 0},
		"with its own codes": {&client.Error{Code: "threshold", Message: "m", ReturnCode: 209, ReasonCode: 58}, 400, "threshold", 209, 58},
		"one that node maps": {fmt.Errorf("leaving: %w", known), 409, "last_voter", 0, 0},
		"one nobody knows":   {lower, 500, client.CodeInternal, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fake{err: c.err}
			b := f.backend()
			b.Errors = []ErrorCode{{known, "last_voter", "add a member first"}}
			ca := newCA(t)
			_, err := ca.mustClient("alice", ca.serve(New(b))).Leave(t.Context())
			var got *client.Error
			if !errors.As(err, &got) {
				t.Fatalf("got %v", err)
			}
			if got.Status != c.status || got.Code != c.code || got.ReturnCode != c.ret || got.ReasonCode != c.reason || got.Message == "" {
				t.Errorf("got %+v", *got)
			}
			if strings.Contains(got.Error(), "/secret/place") {
				t.Error("the cause of an internal error went out")
			}
			if line := f.log.lines()[0]; !strings.Contains(line, string(c.code)) || c.err == lower && !strings.Contains(line, "/secret/place") {
				t.Errorf("the log says %s", line)
			}
		})
	}
}

func TestEveryRefusalOfAnOrderHasACode(t *testing.T) {
	s := New((&fake{}).backend())
	for code := fsm.ErrOrderMalformed.Code; code <= fsm.ErrSettle.Code; code++ {
		if got := s.refusal(&fsm.Refusal{Code: code}); strings.HasPrefix(string(got.Code), "refused_") {
			t.Errorf("refusal %d of the state has no code of its own: add it to errors.go", code)
		}
	}
}

func TestStatusAnswersWithoutAQuorumAndSaysWhatIsMissing(t *testing.T) {
	f := &fake{}
	ca, address := served(t, f)
	c := ca.mustClient("alice", address)
	if _, err := c.Tokens(t.Context()); !client.HasCode(err, client.CodeNoLeader) {
		t.Errorf("got %v", err)
	}
	if _, err := c.CreateToken(t.Context(), client.CreateTokenRequest{}); !client.HasCode(err, client.CodeNoLeader) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Status(t.Context()); !client.HasCode(err, client.CodeInternal) {
		t.Errorf("got %v", err)
	}
}

func TestTokensAreReadAsTheyWereMade(t *testing.T) {
	text, id, hash := NewToken()
	gotID, gotHash, err := ParseToken(" " + text + "\n")
	if err != nil || gotID != id || gotHash != hash {
		t.Errorf("got %x %x %v", gotID, gotHash, err)
	}
	for _, bad := range []string{"", "tumbler-join-", text[1:], text[:len(text)-1], text + "00", strings.Replace(text, "-", "", 1), "tumbler-join-zz-zz"} {
		if _, _, err := ParseToken(bad); !errors.Is(err, ErrBadAddress) {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func FuzzParseToken(f *testing.F) {
	text, _, _ := NewToken()
	f.Add(text)
	f.Add("tumbler-join--")
	f.Add(strings.Replace(strings.ToUpper(text), "TUMBLER-JOIN-", tokenPrefix, 1))
	f.Fuzz(func(t *testing.T, text string) {
		id, _, err := ParseToken(text)
		if err == nil && !regexp.MustCompile(fmt.Sprintf(`^tumbler-join-%x-[0-9a-f]{64}$`, id)).MatchString(strings.TrimSpace(text)) {
			t.Errorf("%q was read as %x", text, id)
		}
	})
}
