package order_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"tumbler/cryptounit/order"
)

// TestRefusedEncodings reads one refusal a line:
//
//	golden file | edit [path [argument]] | what the message says
//
// The edits are those of edited.
func TestRefusedEncodings(t *testing.T) {
	for n, line := range refusals(t) {
		t.Run(fmt.Sprintf("%d %s %s", n+1, line.vector, line.edit), func(t *testing.T) {
			der := edited(t, readGolden(t, line.vector), line.edit)
			v, err := decoders()[formatOf(t, line.vector)](der)
			if err == nil {
				t.Fatalf("decodes to %+v", v)
			}
			if !errors.Is(err, order.ErrMalformed) || !strings.Contains(err.Error(), line.says) {
				t.Errorf("says %q, not %q", err, line.says)
			}
		})
	}
}

// TestEveryTruncationIsRefused cuts every vector at every length.
func TestEveryTruncationIsRefused(t *testing.T) {
	for _, v := range vectors(t) {
		der := must(v.value.Encode())(t)
		for n := range der {
			if len(der) > 2000 && n%7 != 0 {
				continue
			}
			if _, err := decoders()[v.format](der[:n]); !errors.Is(err, order.ErrMalformed) {
				t.Errorf("%s: %d of %d bytes: %v", v.file(), n, len(der), err)
			}
		}
	}
}

// TestEveryFormatRefusesTheGeneral: trailing bytes, lengths written longer
// than they must be, and more than a mebibyte.
func TestEveryFormatRefusesTheGeneral(t *testing.T) {
	for _, v := range vectors(t) {
		der := must(v.value.Encode())(t)
		for _, edit := range []string{"trailing 00", "longer", "oversize", "longer 0"} {
			if _, err := decoders()[v.format](edited(t, der, strings.Fields(edit))); !errors.Is(err, order.ErrMalformed) {
				t.Errorf("%s: %s: %v", v.file(), edit, err)
			}
		}
	}
}

// TestOutOfRangeIsNotEncoded: what could not be read again is not written.
func TestOutOfRangeIsNotEncoded(t *testing.T) {
	const over = 1 << 63
	crowd := newOrder(t, order.Enrol)
	for n := range uint32(order.MaxUnits) {
		crowd.Units = append(crowd.Units, units(6+n)...)
	}
	edit := func(kind order.StatementKind, change func(*order.Statement)) encoder {
		s := newStatement(t, kind, 2)
		change(s)
		return s
	}
	rotate := newOrder(t, order.Rotate)
	rotate.Number = over
	cancel := newOrder(t, order.Cancel)
	cancel.Subject.OrderNumber = over
	zeroize := newApproval(t, order.StepZeroize)
	zeroize.Generation = over
	envelope := newEnvelope(t)
	envelope.Sealed = make([]byte, order.MaxSealed+1)
	evidence := completeEvidence(t)
	evidence.Last = over
	for name, v := range map[string]encoder{
		"order number":         rotate,
		"units":                crowd,
		"subject number":       cancel,
		"approval generation":  zeroize,
		"envelope":             envelope,
		"evidence last":        evidence,
		"statement generation": edit(order.Loaded, func(s *order.Statement) { s.Generation = over }),
		"incarnation":          edit(order.Loaded, func(s *order.Statement) { s.Incarnation = over }),
		"report last order":    edit(order.Ready, func(s *order.Statement) { s.Report.LastOrder = over }),
		"report role":          edit(order.Ready, func(s *order.Statement) { s.Report.Role = 3 }),
		"report registers":     edit(order.Ready, func(s *order.Statement) { s.Report.Registers.NewPattern = keyB }),
		"importer key":         edit(order.Ready, func(s *order.Statement) { s.Importer = s.Importer[1:] }),
		"verified count":       edit(order.Verified, func(s *order.Statement) { s.Verification.Counts[1] = over }),
		"blob class":           edit(order.CannotOpen, func(s *order.Statement) { s.Blob.Class = 0 }),
		"blob number":          edit(order.CannotOpen, func(s *order.Statement) { s.Blob.Number = 0 }),
		"a field of another":   edit(order.Loaded, func(s *order.Statement) { s.Importer = importerKey(2) }),
		"a kind":               edit(order.Loaded, func(s *order.Statement) { s.Kind = 10 }),
		"no unit":              edit(order.Loaded, func(s *order.Statement) { s.Unit = 0 }),
		"no order":             edit(order.Loaded, func(s *order.Statement) { s.Order = order.Digest{} }),
	} {
		if der, err := v.Encode(); err == nil {
			t.Errorf("%s: encodes to %x", name, der)
		}
	}
}

type refusal struct {
	vector string
	edit   []string
	says   string
}

func refusals(t testing.TB) (all []refusal) {
	t.Helper()
	file, err := os.Open("testdata/refused.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := lines.Text(); line != "" && !strings.HasPrefix(line, "#") {
			columns := strings.Split(line, "|")
			if len(columns) != 3 {
				t.Fatalf("%q has no three columns", line)
			}
			all = append(all, refusal{strings.TrimSpace(columns[0]), strings.Fields(columns[1]), strings.TrimSpace(columns[2])})
		}
	}
	if err := lines.Err(); err != nil || len(all) == 0 {
		t.Fatalf("%d refusals, %v", len(all), err)
	}
	return all
}

// formatOf returns the longest format name that a golden file begins with.
func formatOf(t testing.TB, vector string) (format string) {
	t.Helper()
	for f := range decoders() {
		if (vector == f || strings.HasPrefix(vector, f+"-")) && len(f) > len(format) {
			format = f
		}
	}
	if format == "" {
		t.Fatalf("%q is of no format", vector)
	}
	return format
}

// edited returns der with one edit:
//
//	trailing HEX     bytes after the end
//	longer [PATH]    the length of an element in one byte more than it needs
//	oversize         padded to more than a mebibyte
//	set PATH HEX     an element replaced by others, or by none
//	integer PATH N   an INTEGER replaced
//	copy PATH        an element that stands twice
//	same PATH PATH   an element replaced by another one's copy
//	grow PATH        an element with a zero byte more
//	swell PATH       an element with a mebibyte more
//
// A path is the index of each element on the way, as in 7.0.1.
func edited(t testing.TB, der []byte, edit []string) []byte {
	t.Helper()
	arg := func(i int) string {
		if i < len(edit) {
			return edit[i]
		}
		return ""
	}
	root, rest := parseElement(t, der)
	if len(rest) > 0 {
		t.Fatal("the vector has trailing bytes")
	}
	find := func(path string) *element {
		at := root
		for index := range strings.SplitSeq(path, ".") {
			var i int
			scan(t, index, &i)
			if i >= len(at.children) {
				t.Fatalf("%v: there is no %s", edit, index)
			}
			at = at.children[i]
		}
		return at
	}
	at := root
	if arg(1) != "" && edit[0] != "trailing" {
		at = find(arg(1))
	}
	switch edit[0] {
	case "trailing":
		return append(root.bytes(), must(hex.DecodeString(arg(1)))(t)...)
	case "oversize":
		return append(root.bytes(), make([]byte, order.MaxEncoded)...)
	case "longer":
		at.longer = true
	case "set":
		at.raw = must(hex.DecodeString(arg(2)))(t)
		at.replaced = true
	case "integer":
		var n int64
		scan(t, arg(2), &n)
		at.value, at.children = integer(n), nil
	case "copy":
		at.twice = true
	case "same":
		*at = *find(arg(2))
	case "swell":
		at.value = append(at.value, make([]byte, order.MaxEncoded)...)
	case "grow":
		at.value = append(at.value, 0)
	default:
		t.Fatalf("there is no edit %q", edit[0])
	}
	return root.bytes()
}

func integer(n int64) []byte {
	b := []byte{byte(n)}
	for n < -128 || n > 127 {
		n >>= 8
		b = append([]byte{byte(n)}, b...)
	}
	return b
}

// element is one element of a DER encoding.
type element struct {
	tag      byte
	value    []byte
	children []*element
	longer   bool
	twice    bool
	replaced bool
	raw      []byte
}

func parseElement(t testing.TB, der []byte) (*element, []byte) {
	t.Helper()
	e := &element{tag: der[0]}
	n, at := int(der[1]), 2
	if n >= 0x80 {
		size := n & 0x7f
		n = 0
		for range size {
			n = n<<8 | int(der[at])
			at++
		}
	}
	e.value = append([]byte{}, der[at:at+n]...)
	if e.tag == 0x30 {
		for inner := e.value; len(inner) > 0; {
			var child *element
			child, inner = parseElement(t, inner)
			e.children = append(e.children, child)
		}
		e.value = nil
	}
	return e, der[at+n:]
}

func (e *element) bytes() []byte {
	if e.replaced {
		return e.raw
	}
	value := append([]byte{}, e.value...)
	if e.tag == 0x30 {
		value = nil
		for _, child := range e.children {
			value = append(value, child.bytes()...)
		}
		value = append(value, e.value...)
	}
	length := []byte{byte(len(value))}
	if len(value) > 127 || e.longer {
		length = nil
		for n := len(value); n > 0; n >>= 8 {
			length = append([]byte{byte(n)}, length...)
		}
		if len(value) > 127 && e.longer {
			length = append([]byte{0}, length...)
		}
		length = append([]byte{0x80 | byte(len(length))}, length...)
	}
	whole := append(append([]byte{e.tag}, length...), value...)
	if e.twice {
		return append(whole, whole...)
	}
	return whole
}
