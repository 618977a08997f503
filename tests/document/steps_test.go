package document

import (
	"strings"
	"testing"
)

// What is said is looked for in what was printed, line by line and in order, whatever the numbers.
func TestWhatIsMissingIsFound(t *testing.T) {
	const printed = "OK\nKeys:     31 of 0d18-aa\nDone in 2.5 s\n"
	for said, want := range map[string]string{
		"OK\nDone in 7.1 s":        "",
		"…\nKeys: 5 of 0c2f-bb":    "",
		"Done in 2.5 s\nOK":        "OK",
		"FAILED":                   "FAILED",
		"Keys:  31 of 0d18-aa fit": "Keys:  31 of 0d18-aa fit",
	} {
		if got := Missing(strings.Split(said, "\n"), printed); got != want {
			t.Errorf("%q: %q is missing, not %q", said, got, want)
		}
	}
}
