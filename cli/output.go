package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"
)

// result prints what a command found: the value as JSON, or what the function writes for people.
func (i *invocation) result(value any, people func(w io.Writer)) error {
	if !i.json {
		people(i.s.Out)
		return nil
	}
	return writeJSON(i.s.Out, value)
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// say prints a line for people; with --output json there is none.
func (i *invocation) say(format string, args ...any) {
	if !i.json {
		_, _ = fmt.Fprintf(i.s.Out, format+"\n", args...)
	}
}

// done is the result of commands that have nothing else to tell.
func (i *invocation) done(value any, lines ...string) error {
	return i.result(value, func(w io.Writer) {
		_, _ = fmt.Fprintln(w, "OK")
		for _, l := range lines {
			_, _ = fmt.Fprintln(w, l)
		}
	})
}

// table is a list for people: every column is padded to its width plus 3 spaces.
type table struct {
	head []string
	rows [][]string
}

func newTable(head ...string) *table { return &table{head: head} }

func (t *table) row(cells ...any) {
	row := make([]string, len(cells))
	for n, c := range cells {
		row[n] = fmt.Sprint(c)
	}
	t.rows = append(t.rows, row)
}

func (t *table) print(w io.Writer) {
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

// line writes a line for people.
func line(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format+"\n", args...) }

func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339)
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// patternLines gives a pattern as lists show it: two lines of 32 hex digits; zeros for none.
func patternLines(pattern string) (string, string) {
	if len(pattern) != 64 {
		pattern = strings.Repeat("0", 64)
	}
	return pattern[:32], pattern[32:]
}

// plural gives "1 key", "2 keys".
func plural[T int | uint64 | uint32](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%s %ss", thousands(uint64(n)), noun)
}

// thousands groups digits by commas.
func thousands(n uint64) string {
	digits := fmt.Sprint(n)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

func mebibytes(n uint64) string { return thousands(n>>20) + " MiB" }
