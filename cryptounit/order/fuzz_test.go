package order_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/cryptounit/order"
)

// Whatever a decoder takes is canonical: its re-encoding gives the same
// bytes. The corpora in testdata/fuzz are the vectors and the refusals.

func FuzzOrder(f *testing.F)           { fuzz(f, "order") }
func FuzzSignedOrder(f *testing.F)     { fuzz(f, "signed-order") }
func FuzzAdministrators(f *testing.F)  { fuzz(f, "administrators") }
func FuzzApproval(f *testing.F)        { fuzz(f, "approval") }
func FuzzSignedApproval(f *testing.F)  { fuzz(f, "signed-approval") }
func FuzzStatement(f *testing.F)       { fuzz(f, "statement") }
func FuzzSignedStatement(f *testing.F) { fuzz(f, "signed-statement") }
func FuzzEnvelope(f *testing.F)        { fuzz(f, "envelope") }
func FuzzEvidence(f *testing.F)        { fuzz(f, "evidence") }
func FuzzSignature(f *testing.F)       { fuzz(f, "signature") }
func FuzzPartReply(f *testing.F)       { fuzz(f, "part-reply") }
func FuzzSignedPartReply(f *testing.F) { fuzz(f, "signed-part-reply") }

func fuzz(f *testing.F, format string) {
	decode := decoders()[format]
	f.Fuzz(func(t *testing.T, der []byte) {
		v, err := decode(der)
		if err != nil {
			return
		}
		again, err := v.Encode()
		if err != nil || !bytes.Equal(again, der) {
			t.Fatalf("%x decodes to %+v, which encodes to %x, %v", der, v, again, err)
		}
		// What anyone may hand to a unit never makes it fall.
		list := board(t, 3, 2, 2)
		switch x := v.(type) {
		case *order.SignedOrder:
			_, _ = x.Verify(list)
		case *order.SignedApproval:
			_, _ = x.Verify(list)
		case *order.SignedStatement:
			_, _ = x.Verify(x.Identity)
		case *order.SignedPartReply:
			_, _ = x.Verify(x.Identity)
		case *order.Envelope:
			_ = x.VerifyUnit(nil)
			_ = x.VerifyAdministrator(nil, list)
		case *order.Evidence:
			_, _ = x.Verify(list)
			if r, err := x.Read(); err == nil {
				for _, step := range steps() {
					_ = order.Needs(step, 0, r)
				}
			}
		}
	})
}

// FuzzText: what parses as a name of something prints as it was written.
func FuzzText(f *testing.F) {
	f.Add("c1000000-0000-0000-0000-000000000001")
	f.Add("C1000000-0000-0000-0000-00000000000A")
	f.Add(strings.Repeat("0f", 32))
	f.Add(strings.Repeat("0F", 32))
	f.Add("c10000000000-0000-0000-0000-00000001")
	f.Fuzz(func(t *testing.T, text string) {
		if id, err := order.ParseID(text); err == nil && id.String() != strings.ToLower(text) {
			t.Errorf("%q is the ID %v", text, id)
		}
		var d order.Digest
		var i order.Identity
		var s order.SKI
		for _, v := range []interface {
			UnmarshalText([]byte) error
			String() string
		}{&d, &i, &s} {
			if err := v.UnmarshalText([]byte(text)); err == nil && v.String() != strings.ToLower(text) {
				t.Errorf("%q is %T %v", text, v, v)
			}
		}
	})
}

// TestCorpora holds a corpus for each decoder: run with -update when vectors
// or refusals were added.
func TestCorpora(t *testing.T) {
	corpus := map[string][]byte{}
	for _, v := range vectors(t) {
		corpus[v.format+"/"+v.file()] = must(v.value.Encode())(t)
	}
	for i, r := range refusals(t) {
		if r.edit[0] != "swell" {
			corpus[formatOf(t, r.vector)+fmt.Sprintf("/refused-%02d", i)] = edited(t, readGolden(t, r.vector), r.edit)
		}
	}
	for name, der := range corpus {
		format, file, _ := strings.Cut(name, "/")
		path := filepath.Join("testdata", "fuzz", "Fuzz"+camel(format), file)
		text := fmt.Sprintf("go test fuzz v1\n[]byte(%q)\n", der)
		if *update {
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%s is not what the vector gives: %v", path, err)
		}
	}
}

func camel(format string) (name string) {
	for word := range strings.SplitSeq(format, "-") {
		name += strings.ToUpper(word[:1]) + word[1:]
	}
	return name
}
