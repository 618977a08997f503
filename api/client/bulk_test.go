package client

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// TestABulkCallWhoseAnswerIsLostIsMadeAgain: with the same ids, so that it cannot make a key twice.
func TestABulkCallWhoseAnswerIsLostIsMadeAgain(t *testing.T) {
	const exists = `{"resources":[{"errorMsg":"Conflict","reasons":[{"code":"KEY_ID_NOT_UNIQUE_ERR","message":"there","status":409}]}]}`
	lose := func(w http.ResponseWriter) { panic(http.ErrAbortHandler) }
	refuse := func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusConflict)
		_, _ = io.WriteString(w, exists)
	}
	make := func(w http.ResponseWriter) {
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"resources":[]}`)
	}
	for name, tc := range map[string]struct {
		answers []func(http.ResponseWriter)
		ok      bool
		unknown bool
	}{
		"done at once":                {[]func(http.ResponseWriter){make}, true, false},
		"done, and its answer lost":   {[]func(http.ResponseWriter){lose, refuse}, true, false},
		"lost, and then done":         {[]func(http.ResponseWriter){lose, make}, true, false},
		"lost twice":                  {[]func(http.ResponseWriter){lose, lose}, false, true},
		"somebody else has these ids": {[]func(http.ResponseWriter){refuse}, false, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeKMS{}
			f.reply = func(w http.ResponseWriter, _ *http.Request) {
				next := tc.answers[0]
				if len(tc.answers) > 1 {
					tc.answers = tc.answers[1:]
				}
				next(w)
			}
			k := mustKMS(t, f, "secret")
			ids, err := k.CreateMany(t.Context(), []BulkKey{{CreateKeyRequest: CreateKeyRequest{Name: "a"}}, {ID: "mine", CreateKeyRequest: CreateKeyRequest{Name: "b"}}})
			if (err == nil) != tc.ok || errors.Is(err, ErrOutcomeUnknown) != tc.unknown {
				t.Fatalf("%v, %v", ids, err)
			}
			if tc.ok && (len(ids) != 2 || ids[1] != "mine") {
				t.Errorf("the ids are %v", ids)
			}
			var first string
			for _, call := range f.seen {
				body := strings.TrimPrefix(call, "POST /api/v2/bulk/keys ")
				var sent bulkKeyCollection
				if err := json.Unmarshal([]byte(body), &sent); err != nil || len(sent.Resources) != 2 {
					t.Fatalf("%v: %s", err, call)
				}
				if first == "" {
					first = body
				}
				if body != first {
					t.Errorf("it was sent again with other ids: %s and %s", first, body)
				}
			}
		})
	}
}
