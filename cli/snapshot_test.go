package cli

import (
	"bytes"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/archive"
	"tumbler/cli/command"
)

// archived is an archive as a node sends it.
func archived(t *testing.T, unit bool) []byte {
	t.Helper()
	m := archive.Manifest{
		Made: 1_780_000_000, Release: "0.1.0", Cluster: "11111111-1111-4111-8111-111111111111", Instance: instance, Incarnation: 1, FeatureLevel: 2, Index: 1234,
		Epoch: 3, Patterns: []string{strings.Repeat("ab", 32)}, Keys: archive.Keys{SystemInternal: 1, KMS: 60}, State: archive.Part{Size: 9},
	}
	var file []byte
	if unit {
		file = []byte("sealed")
		m.Unit = &archive.Unit{Number: 4, Role: "recovery", Pattern: m.Patterns[0], Retired: []string{}, File: archive.Part{Size: int64(len(file))}}
	}
	var b bytes.Buffer
	if _, err := archive.Write(&b, m, func(w io.Writer) error { _, err := io.WriteString(w, "the state"); return err }, file); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// sends has a node send a file as an archive, of which it says how long it is.
func (f *fakeNode) sends(asked *string, file func() []byte, size func([]byte) int) {
	f.mux.HandleFunc("GET "+client.Prefix+"/cluster/snapshot", func(w http.ResponseWriter, r *http.Request) {
		*asked = r.URL.RawQuery
		b := file()
		w.Header().Set("Content-Length", strconv.Itoa(size(b)))
		_, _ = w.Write(b)
	})
}

func TestAnArchiveIsSaved(t *testing.T) {
	f := newFakeNode(t)
	var asked string
	unit := true
	f.sends(&asked, func() []byte { return archived(t, unit) }, func(b []byte) int { return len(b) })
	dir := t.TempDir()
	path := filepath.Join(dir, "archive")
	code, out, errs := f.run(t.Context(), "", "cluster", "snapshot", "save", "--unit", "4", path)
	if code != command.ExitDone || asked != "unit=4" {
		t.Fatal(code, asked, errs)
	}
	golden(t, "cluster-snapshot.txt", strings.ReplaceAll(out, dir, "DIR"))
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, archived(t, true)) {
		t.Error("another file was written", err)
	}
	if code, shown, errs := f.run(t.Context(), "", "cluster", "snapshot", "show", path); code != command.ExitDone || !strings.HasPrefix(shown, out) || !strings.Contains(shown, "4 (recovery), with 0 retired keys") {
		t.Error(code, shown, errs)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error(info, err)
	}
	if code, _, errs := f.run(t.Context(), "", "cluster", "snapshot", "save", path); code != command.ExitFailed || !strings.Contains(errs, "exists already") {
		t.Error(code, errs)
	}
	unit = false
	if code, out, errs := f.run(t.Context(), "", "cluster", "snapshot", "save", path+"2"); code != command.ExitDone || !strings.Contains(out, "holds no crypto unit's file") || asked != "" {
		t.Error(code, out, errs)
	}
}

func TestWhatIsNoWholeArchiveIsNotKept(t *testing.T) {
	good := func() []byte { return archived(t, true) }
	whole := func(b []byte) int { return len(b) }
	for name, tc := range map[string]struct {
		file func() []byte
		size func([]byte) int
		says string
	}{
		"it breaks off":    {good, func(b []byte) int { return len(b) + 1 }, "broke off"},
		"it is cut":        {func() []byte { return good()[:40] }, whole, "damaged or cut off"},
		"a bit is changed": {func() []byte { b := good(); b[18] ^= 1; return b }, whole, "damaged or cut off"},
		"it is something":  {func() []byte { return []byte("something") }, whole, "not an archive"},
		"it is of no unit": {func() []byte { return archived(t, false) }, whole, "does not hold the file of crypto unit 4"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeNode(t)
			var asked string
			f.sends(&asked, tc.file, tc.size)
			dir := t.TempDir()
			code, _, errs := f.run(t.Context(), "", "cluster", "snapshot", "save", "--unit", "4", filepath.Join(dir, "archive"))
			if code != command.ExitFailed || !strings.Contains(errs, tc.says) {
				t.Error(code, errs)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Error("something was kept", left, err)
			}
		})
	}
}
