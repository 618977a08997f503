package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/cli/command"
)

// bulk makes the node take bulk calls, and refuse one that holds the name.
func (f *fakeNode) bulk(refused string) (calls *[]int) {
	calls = new([]int)
	f.mux.HandleFunc("POST /api/v2/bulk/keys", func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			Resources []struct {
				ID, Name string
				Payload  []byte
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			f.t.Error(err)
		}
		for _, k := range body.Resources {
			if k.Name == refused {
				w.WriteHeader(http.StatusConflict)
				_, _ = fmt.Fprint(w, `{"resources":[{"errorMsg":"Conflict: another key has that alias","reasons":[{"code":"KEY_ALIAS_NOT_UNIQUE_ERR","status":409}]}]}`)
				return
			}
		}
		*calls = append(*calls, len(body.Resources))
		w.WriteHeader(http.StatusCreated)
		_, _ = fmt.Fprint(w, `{"resources":[]}`)
	})
	return calls
}

func bulkFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "keys.jsonl")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestBulkImportGoesAThousandAtATime(t *testing.T) {
	f := newFakeNode(t)
	f.kms()
	calls := f.bulk("none")
	lines := make([]string, 2500)
	for n := range lines {
		lines[n] = fmt.Sprintf(`{"name":"key-%d"}`, n)
	}
	ids := filepath.Join(t.TempDir(), "made.jsonl")
	code, out, errs := f.run(t.Context(), "", "kms", "import", "--bulk", bulkFile(t, lines...), "--ids", ids)
	if code != command.ExitDone || errs != "" || !strings.Contains(out, "2,500 keys made.") || !strings.Contains(out, " 80%   Importing keys: 2,000 of 2,500") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	if fmt.Sprint(*calls) != "[1000 1000 500]" {
		t.Errorf("calls of %v keys", *calls)
	}
	made, err := os.ReadFile(ids)
	if err != nil || strings.Count(string(made), "\n") != 2500 || !strings.HasPrefix(string(made), `{"name":"key-0","id":"`) {
		t.Errorf("the ids: %v, %.80s", err, made)
	}
	if code, _, errs := f.run(t.Context(), "", "kms", "import", "--bulk", bulkFile(t, lines...), "--ids", ids); code != command.ExitFailed || !strings.Contains(errs, "does not exist yet") {
		t.Errorf("the ids of the first import were overwritten: %d, %s", code, errs)
	}
}

func TestBulkImportTellsWhereToGoOn(t *testing.T) {
	f := newFakeNode(t)
	f.kms()
	calls := f.bulk("key-1500")
	lines := make([]string, 2500)
	for n := range lines {
		lines[n] = fmt.Sprintf(`{"name":"key-%d"}`, n)
	}
	code, _, errs := f.run(t.Context(), "", "kms", "import", "--bulk", bulkFile(t, lines...))
	if code != command.ExitFailed || !strings.Contains(errs, "lines 1001 to 2000") || !strings.Contains(errs, "--from 1001") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	lines[1500] = `{"name":"mended"}`
	if code, _, errs := f.run(t.Context(), "", "kms", "import", "--bulk", bulkFile(t, lines...), "--from", "1001"); code != command.ExitDone {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if fmt.Sprint(*calls) != "[1000 1000 500]" {
		t.Errorf("calls of %v keys", *calls)
	}
}

func TestABulkFileIsCheckedBeforeAnythingIsSent(t *testing.T) {
	f := newFakeNode(t)
	f.kms()
	calls := f.bulk("none")
	for name, tc := range map[string]struct {
		lines []string
		says  string
	}{
		"not JSON":         {[]string{`{"name":"one"}`, `two`}, "line 2"},
		"an unknown field": {[]string{`{"name":"one","title":"x"}`}, `unknown field "title"`},
		"no name":          {[]string{`{"name":"one"}`, `{"payload":"AAAA"}`}, "line 2"},
		"not base64":       {[]string{`{"name":"one","payload":"*"}`}, "line 1"},
		"two on a line":    {[]string{`{"name":"one"}{"name":"two"}`}, "more than one"},
		"an endless line":  {[]string{`{"name":"one"}`, `{"name":"` + strings.Repeat("x", 100<<10) + `"}`}, "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			code, _, errs := f.run(t.Context(), "", "kms", "import", "--bulk", bulkFile(t, tc.lines...))
			if code != command.ExitFailed || !strings.Contains(errs, tc.says) || !strings.Contains(errs, "nothing was sent") {
				t.Errorf("exit code %d: %s", code, errs)
			}
		})
	}
	if code, _, errs := f.run(t.Context(), "", "kms", "import"); code != command.ExitUsage || !strings.Contains(errs, "--bulk is missing") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if len(*calls) != 0 {
		t.Errorf("something was sent: %v", *calls)
	}
}
