package document

import (
	"regexp"
	"strings"
)

// Step is a command of a document, and what it says that the command prints.
type Step struct {
	Line    int
	Command string
	Prints  []string
}

// Steps reads the `console` blocks: a command is a line that begins with `$ `, and goes on after one that ends with `\`.
func Steps(text string) (steps []Step) {
	inside := false
	for number, line := range strings.Split(text, "\n") {
		last := len(steps) - 1
		command, begins := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case begins:
			steps = append(steps, Step{Line: number + 1, Command: command})
		case strings.HasSuffix(steps[last].Command, "\\"):
			steps[last].Command += "\n" + line
		default:
			steps[last].Prints = append(steps[last].Prints, line)
		}
	}
	return steps
}

// Missing gives the first line of what is said that was not printed: all are looked for line by line and in order, whatever the
// numbers. A line `…` stands for any.
func Missing(said []string, printed string) string {
	rest := strings.Split(printed, "\n")
	for _, line := range said {
		if line == "…" || strings.TrimSpace(line) == "" {
			continue
		}
		for len(rest) > 0 && shape(rest[0]) != shape(line) {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return line
		}
		rest = rest[1:]
	}
	return ""
}

var (
	blanks = regexp.MustCompile(`\s+`)
	varies = regexp.MustCompile(`\b[0-9a-f]*[0-9][0-9a-f]*([-.:,T]?[0-9a-f]+)*Z?\b`)
)

// shape is a line without what differs from run to run: numbers, ids, times.
func shape(line string) string {
	return varies.ReplaceAllString(strings.TrimSpace(blanks.ReplaceAllString(line, " ")), "#")
}
