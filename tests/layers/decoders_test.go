package layers_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tumbler/tests/layers"
)

// TestEveryDecoderIsFuzzed holds the list of what reads bytes from elsewhere: whoever adds a decoder adds its fuzz test, or says why
// it needs none. That a fuzz test reaches what it stands for is for its reader to see.
func TestEveryDecoderIsFuzzed(t *testing.T) {
	text, err := os.ReadFile("testdata/decoders.txt")
	if err != nil {
		t.Fatal(err)
	}
	decoders, err := layers.Decoders(root)
	if err != nil {
		t.Fatal(err)
	}
	if len(decoders) < 50 {
		t.Fatalf("%d decoders: the sources are not read rightly", len(decoders))
	}
	for _, wrong := range wrongDecoders(decoders, listed(string(text))) {
		t.Error(wrong)
	}
}

// TestDecodersWithoutAFuzzTestAreFound plants one of each kind.
func TestDecodersWithoutAFuzzTestAreFound(t *testing.T) {
	tree := t.TempDir()
	const source = `package low
func A() { json.Unmarshal(nil, nil) }
func (x *X) B() { _ = func() { n := binary.BigEndian.Uint32(x.b) } }
func C() { base64.StdEncoding.Strict().DecodeString("") }
func D() { json.Marshal(nil); x.Decode(); binary.BigEndian.PutUint32(nil, 0) }`
	if err := os.MkdirAll(filepath.Join(tree, "low"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"low.go", "low_test.go"} {
		if err := os.WriteFile(filepath.Join(tree, "low", name), []byte(source), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	decoders, err := layers.Decoders(tree)
	if want := []string{"low A", "low C", "low X.B"}; err != nil || !slices.Equal(decoders, want) {
		t.Errorf("found %q, %v, not %q", decoders, err, want)
	}
	got := wrongDecoders([]string{"fsm Decode", "fsm Unlisted", "fsm Bare", "kms ParseID"},
		listed("# a comment\n\nfsm Decode | FuzzDecode FuzzNoSuch\nfsm Bare |\nfsm Gone | FuzzDecode\nkms ParseID | - it is small\n"))
	want := []string{
		"fsm Bare: neither a fuzz test nor why there is none",
		"fsm Decode: fsm has no FuzzNoSuch",
		"fsm Gone: there is no such decoder",
		"fsm Unlisted: it reads bytes from elsewhere: write a fuzz test, and a line in decoders.txt",
	}
	if !slices.Equal(got, want) {
		t.Errorf("found\n%s\nnot\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// listed gives what stands behind each decoder of the list.
func listed(text string) map[string]string {
	lines := map[string]string{}
	for line := range strings.Lines(text) {
		if decoder, by, ok := strings.Cut(line, "|"); ok && !strings.HasPrefix(line, "#") {
			lines[strings.TrimSpace(decoder)] = strings.TrimSpace(by)
		}
	}
	return lines
}

func wrongDecoders(decoders []string, list map[string]string) (wrong []string) {
	for _, decoder := range decoders {
		if _, known := list[decoder]; !known {
			wrong = append(wrong, decoder+": it reads bytes from elsewhere: write a fuzz test, and a line in decoders.txt")
		}
	}
	for _, decoder := range slices.Sorted(maps.Keys(list)) {
		folder, _, _ := strings.Cut(decoder, " ")
		by := list[decoder]
		switch {
		case !slices.Contains(decoders, decoder):
			wrong = append(wrong, decoder+": there is no such decoder")
		case strings.TrimLeft(by, "- ") == "":
			wrong = append(wrong, decoder+": neither a fuzz test nor why there is none")
		case !strings.HasPrefix(by, "-"):
			for name := range strings.FieldsSeq(by) {
				if !has(testFiles(folder), "func "+name+"(") {
					wrong = append(wrong, decoder+": "+folder+" has no "+name)
				}
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}
