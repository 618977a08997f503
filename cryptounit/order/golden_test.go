package order_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"tumbler/cryptounit/order"
)

var update = flag.Bool("update", false, "write the golden files anew")

// encoder is what every format of the package is.
type encoder interface{ Encode() ([]byte, error) }

// decoder reads one format and gives a value that encodes again.
type decoder func([]byte) (encoder, error)

func decoderOf[T encoder](decode func([]byte) (T, error)) decoder {
	return func(der []byte) (encoder, error) {
		v, err := decode(der)
		if err != nil {
			return nil, err
		}
		return v, nil
	}
}

// decoders are all of the package, by the name of their golden files.
func decoders() map[string]decoder {
	return map[string]decoder{
		"order":             decoderOf(order.DecodeOrder),
		"signed-order":      decoderOf(order.DecodeSignedOrder),
		"administrators":    decoderOf(order.DecodeAdministrators),
		"part-reply":        decoderOf(order.DecodePartReply),
		"signed-part-reply": decoderOf(order.DecodeSignedPartReply),
		"approval":          decoderOf(order.DecodeApproval),
		"signed-approval":   decoderOf(order.DecodeSignedApproval),
		"statement":         decoderOf(order.DecodeStatement),
		"signed-statement":  decoderOf(order.DecodeSignedStatement),
		"envelope":          decoderOf(order.DecodeEnvelope),
		"evidence":          decoderOf(order.DecodeEvidence),
		"signature":         decoderOf(order.DecodeSignature),
	}
}

// vector is one value with what its golden file shows beside the DER.
type vector struct {
	format string
	name   string
	value  encoder
	digest func() (order.Digest, error)
}

func (v vector) file() string {
	if v.name == "" {
		return v.format
	}
	return v.format + "-" + v.name
}

func vectors(t testing.TB) []vector {
	t.Helper()
	admins := people(t)
	rotate := signedOrder(t, newOrder(t, order.Rotate), admins[0], admins[1])
	list := board(t, 3, 2, 2)
	list.List[2].Name = strings.Repeat("é", order.MaxName)
	last := newPartReply(t)
	last.Waiting = nil
	vs := []vector{
		{"signed-order", "rotate", rotate, func() (order.Digest, error) { return rotate.Digest(), nil }},
		{"administrators", "", list, list.Digest},
		{"administrators", "imprint", &order.Administrators{}, (&order.Administrators{}).Digest},
		{"signed-approval", "commit", signedApproval(t, newApproval(t, order.StepCommit), admins[0], admins[1]), nil},
		{"envelope", "", newEnvelope(t), newEnvelope(t).Digest},
		{"envelope", "part", newPart(t), newPart(t).Digest},
		{"evidence", "rotate", completeEvidence(t), nil},
		{"evidence", "cancelled", cancelledEvidence(t), nil},
		{"signature", "", &rotate.Signatures[0], nil},
		{"part-reply", "", newPartReply(t), nil},
		{"part-reply", "last", last, nil},
		{"signed-part-reply", "", signedPartReply(t, newPartReply(t)), nil},
	}
	for _, kind := range kinds() {
		o := newOrder(t, kind)
		s := signedOrder(t, o)
		vs = append(vs, vector{"order", kind.String(), o, func() (order.Digest, error) { return s.Digest(), nil }})
	}
	parts := newOrder(t, order.Init)
	parts.Generator, parts.Parts, parts.Commit, parts.Activate = 0, 3, order.Signed, order.Signed
	vs = append(vs, vector{"order", "init-parts", parts, nil})
	for _, suite := range []order.Suite{order.SuiteRSA, order.SuiteECDH} {
		o := *parts
		o.Suite = suite
		ready := newStatement(t, order.Ready, 2)
		ready.Importer = ready.Importer[:suite.ImporterKeySize()]
		part := newCardPart(t, suite)
		vs = append(vs, vector{"order", "init-parts-" + suite.String(), &o, nil}, vector{"statement", "ready-" + suite.String(), ready, nil},
			vector{"envelope", "part-" + suite.String(), part, part.Digest})
	}
	for _, kind := range statementKinds() {
		s := newStatement(t, kind, 2)
		if kind == order.Generated {
			s.Unit = 4
		}
		vs = append(vs, vector{"statement", kind.String(), s, nil}, vector{"signed-statement", kind.String(), signedStatement(t, s), nil})
	}
	for _, step := range []order.Step{order.StepCommit, order.StepActivate, order.StepSetImmediate, order.StepClearCurrent, order.StepZeroize} {
		vs = append(vs, vector{"approval", step.String(), newApproval(t, step), nil})
	}
	return vs
}

// TestGoldenVectors holds the bytes of every format: a change here is a
// change of what administrators and units have signed already.
func TestGoldenVectors(t *testing.T) {
	files := map[string]bool{}
	for _, v := range vectors(t) {
		files[v.file()] = true
		t.Run(v.file(), func(t *testing.T) {
			der := must(v.value.Encode())(t)
			text := hexLines(der)
			if v.digest != nil {
				text = "digest " + must(v.digest())(t).String() + "\n" + text
			}
			golden(t, v.file()+".golden", text)
			decoded, err := decoders()[v.format](der)
			if err != nil {
				t.Fatal(err)
			}
			if again := must(decoded.Encode())(t); !bytes.Equal(again, der) {
				t.Errorf("re-encoding gives\n%x\nnot\n%x", again, der)
			}
			if !reflect.DeepEqual(emptyAsNil(decoded), emptyAsNil(v.value)) {
				t.Errorf("decoding gives\n%+v\nnot\n%+v", decoded, v.value)
			}
		})
	}
	matches, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range matches {
		name := strings.TrimSuffix(filepath.Base(m), ".golden")
		if !files[name] && !strings.HasPrefix(name, "signed-bytes") && !strings.HasPrefix(name, "needs") {
			t.Errorf("%s belongs to no vector", m)
		}
	}
}

// TestGoldenSignedBytes holds what has no format of its own: the HPKE info
// of envelopes and the signatures over them and over a first list.
func TestGoldenSignedBytes(t *testing.T) {
	admins := people(t)
	first := &order.SignedAdministrators{Administrators: must(board(t, 3, 2, 2).Encode())(t)}
	for _, p := range admins[:2] {
		if err := first.SignFor(identity(3), p); err != nil {
			t.Fatal(err)
		}
	}
	var b strings.Builder
	add := func(name string, bytes []byte) { fmt.Fprintf(&b, "%s\n%s", name, hexLines(bytes)) }
	add("envelope info", must(envelopeContext(t).Info())(t))
	add("envelope info of a part", must(partContext(t).Info())(t))
	add("envelope signature", newEnvelope(t).Signature)
	add("envelope signature of a part", newPart(t).Signature)
	for i, s := range first.Signatures {
		add("imprint signature of "+admins[i].name, s.Bytes)
	}
	for i := range 5 {
		id := identity(uint32(i + 1))
		add(fmt.Sprintf("identity of unit %d", i+1), id[:])
	}
	golden(t, "signed-bytes.golden", b.String())
}

// TestGoldenSignaturesVerify reads the signatures from the files, so that an
// old receipt goes on to verify whatever this release would sign.
func TestGoldenSignaturesVerify(t *testing.T) {
	list := board(t, 3, 2, 2)
	signed := must(order.DecodeSignedOrder(readGolden(t, "signed-order-rotate")))(t)
	if _, err := signed.Verify(list); err != nil {
		t.Error(err)
	}
	approval := must(order.DecodeSignedApproval(readGolden(t, "signed-approval-commit")))(t)
	if _, err := approval.Verify(list); err != nil {
		t.Error(err)
	}
	for _, kind := range statementKinds() {
		s := must(order.DecodeSignedStatement(readGolden(t, "signed-statement-"+kind.String())))(t)
		if _, err := s.Verify(s.Identity); err != nil {
			t.Error(err)
		}
	}
	reply := must(order.DecodeSignedPartReply(readGolden(t, "signed-part-reply")))(t)
	if _, err := reply.Verify(identity(3)); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"evidence-rotate", "evidence-cancelled"} {
		e := must(order.DecodeEvidence(readGolden(t, name)))(t)
		if _, err := e.Verify(list); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	envelope := must(order.DecodeEnvelope(readGolden(t, "envelope")))(t)
	if err := envelope.VerifyUnit(must(envelopeContext(t).Info())(t)); err != nil {
		t.Error(err)
	}
	part := must(order.DecodeEnvelope(readGolden(t, "envelope-part")))(t)
	if err := part.VerifyAdministrator(must(partContext(t).Info())(t), list); err != nil {
		t.Error(err)
	}
}

func golden(t *testing.T, file, got string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("%s differs; if the change is meant, run go test -update\n got:\n%s\nwant:\n%s", path, got, want)
	}
}

func readGolden(t testing.TB, name string) []byte {
	t.Helper()
	text := string(must(os.ReadFile(filepath.Join("testdata", name+".golden")))(t))
	if strings.HasPrefix(text, "digest ") {
		_, text, _ = strings.Cut(text, "\n")
	}
	return must(hex.DecodeString(strings.ReplaceAll(text, "\n", "")))(t)
}

func hexLines(b []byte) string {
	var s strings.Builder
	for len(b) > 0 {
		n := min(len(b), 40)
		s.WriteString(hex.EncodeToString(b[:n]) + "\n")
		b = b[n:]
	}
	return s.String()
}

// emptyAsNil prints a value with pointers followed, so that an empty slice
// equals a nil one.
func emptyAsNil(v any) string {
	switch x := v.(type) {
	case *order.Statement:
		flat := *x
		flat.Report, flat.Verification, flat.Blob = nil, nil, nil
		return fmt.Sprintf("%+v %+v %+v %+v", flat, deref(x.Report), deref(x.Verification), deref(x.Blob))
	case *order.Evidence:
		flat := *x
		flat.Cancel = nil
		return fmt.Sprintf("%+v %+v", flat, deref(x.Cancel))
	}
	return fmt.Sprintf("%+v", reflect.ValueOf(v).Elem().Interface())
}

func deref[T any](p *T) any {
	if p == nil {
		return nil
	}
	return *p
}
