package command

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// Result prints what a command found: the value as JSON, or what the function writes for people.
func (i *Invocation) Result(value any, people func(w io.Writer)) error {
	if !i.JSON {
		people(i.Streams.Out)
		return nil
	}
	return writeJSON(i.Streams.Out, value)
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// Say prints a line for people; with --output json there is none.
func (i *Invocation) Say(format string, args ...any) {
	if !i.JSON {
		_, _ = fmt.Fprintf(i.Streams.Out, format+"\n", args...)
	}
}

// Done is the result of commands that have nothing else to tell.
func (i *Invocation) Done(value any, lines ...string) error {
	return i.Result(value, func(w io.Writer) {
		_, _ = fmt.Fprintln(w, "OK")
		for _, l := range lines {
			_, _ = fmt.Fprintln(w, l)
		}
	})
}

// table is a list for people: every column is padded to its width plus 3 spaces.
type Table struct {
	head []string
	rows [][]string
}

// NewTable begins a table with the names of its columns.
func NewTable(head ...string) *Table { return &Table{head: head} }

// Row adds a row.
func (t *Table) Row(cells ...any) {
	row := make([]string, len(cells))
	for n, c := range cells {
		row[n] = fmt.Sprint(c)
	}
	t.rows = append(t.rows, row)
}

// Print prints it, columns side by side.
func (t *Table) Print(w io.Writer) {
	widths := make([]int, len(t.head))
	all := append([][]string{t.head}, t.rows...)
	for _, row := range all {
		for n, cell := range row {
			widths[n] = max(widths[n], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range all {
		var b strings.Builder
		for n, cell := range row {
			b.WriteString(cell)
			b.WriteString(strings.Repeat(" ", widths[n]-utf8.RuneCountInString(cell)+3))
		}
		_, _ = fmt.Fprintln(w, b.String())
	}
}

// Line writes a line for people.
func Line(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

// When is a time as people read it.
func When(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

// Dash is what an empty cell shows.
func Dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// YesNo is a bool in words.
func YesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// PatternLines gives a pattern as lists show it: two lines of 32 hex digits; zeros for none.
func PatternLines(pattern string) (string, string) {
	if len(pattern) != 64 {
		pattern = strings.Repeat("0", 64)
	}
	return pattern[:32], pattern[32:]
}

// Plural gives "1 key", "2 keys".
func Plural[T int | uint64 | uint32](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%s %ss", Thousands(uint64(n)), noun)
}

// Thousands groups digits by commas.
func Thousands(n uint64) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// Mebibytes is a number of bytes in MiB.
func Mebibytes(n uint64) string { return Thousands(n>>20) + " MiB" }

// Numbers lists numbers: 1, 2, 3.
func Numbers[T int | uint32](list []T) string {
	texts := make([]string, len(list))
	for n, v := range list {
		texts[n] = fmt.Sprint(v)
	}
	return strings.Join(texts, ", ")
}
