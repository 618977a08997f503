package operations_test

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"tumbler/tests/harness"
)

// step is a command of the document, and what it says that the command prints.
type step struct {
	line    int
	command string
	prints  []string
}

// documentSteps reads the `console` blocks: a command is a line that begins with `$ `, and goes on after one that ends with `\`.
func documentSteps(text string) (steps []step) {
	inside := false
	for number, line := range strings.Split(text, "\n") {
		last := len(steps) - 1
		command, begins := strings.CutPrefix(line, "$ ")
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```console"
		case !inside:
		case begins:
			steps = append(steps, step{line: number + 1, command: command})
		case strings.HasSuffix(steps[last].command, "\\"):
			steps[last].command += "\n" + line
		default:
			steps[last].prints = append(steps[last].prints, line)
		}
	}
	return steps
}

// The commands of docs/operations.md, in their order, on a cluster as users have one, which an older release began.
func TestTheOperationsDocumentIsTrue(t *testing.T) {
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	steps := documentSteps(string(text))
	if len(steps) < 30 {
		t.Fatalf("the document has %d commands: it is not read rightly", len(steps))
	}
	s := newShell(t)
	for _, step := range steps {
		printed, code := s.run(step.command)
		t.Logf("$ %s\n%s", step.command, printed)
		if code != 0 {
			t.Fatalf("docs/operations.md:%d: it ends with %d", step.line, code)
		}
		if missing := missingIn(step.prints, printed); missing != "" {
			t.Errorf("docs/operations.md:%d: it does not print %q here", step.line, missing)
		}
	}
}

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
		if got := missingIn(strings.Split(said, "\n"), printed); got != want {
			t.Errorf("%q: %q is missing, not %q", said, got, want)
		}
	}
}

func missingIn(said []string, printed string) string {
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

// shell is one bash that runs the commands in a folder that looks like the project's.
type shell struct {
	t     *testing.T
	dir   string
	shift int // from the document's ports to those of this cluster
	in    io.Writer
	out   *bufio.Reader
}

const ended = "the command has ended with "

func newShell(t *testing.T) *shell {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	base, err := harness.FreeBase(4)
	if err != nil {
		t.Fatal(err)
	}
	s := &shell{t: t, dir: t.TempDir(), shift: base - 8433}
	program := os.Getenv("TUMBLER_BINARY")
	for _, folder := range []string{"bin", "new"} {
		if err := os.Mkdir(filepath.Join(s.dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	older := fmt.Sprintf("#!/bin/sh\nTUMBLER_FEATURE_LEVEL=1 exec '%s' \"$@\"\n", program)
	newer := fmt.Sprintf("#!/bin/sh\nexec '%s' \"$@\"\n", program)
	for name, script := range map[string]string{"bin/tumbler": older, "new/tumbler": newer} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(root, "scripts"), filepath.Join(s.dir, "scripts")); err != nil {
		t.Fatal(err)
	}
	bash := exec.Command("bash")
	bash.Dir = s.dir
	bash.Env = append(os.Environ(), "TUMBLER_DEV_PORT="+strconv.Itoa(base), "TUMBLER_AGE_WORK_FACTOR=10")
	in, err := bash.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := bash.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := bash.Start(); err != nil {
		t.Fatal(err)
	}
	s.in, s.out = in, bufio.NewReader(out)
	t.Cleanup(func() {
		s.end()
		_ = in.Close()
		_ = bash.Wait()
	})
	return s
}

var ports = regexp.MustCompile(`\blocalhost:(84[0-9]{2})\b`)

// run gives what a command prints on both outputs, and its exit code.
func (s *shell) run(command string) (printed string, code int) {
	s.t.Helper()
	command = ports.ReplaceAllStringFunc(command, func(address string) string {
		port, _ := strconv.Atoi(strings.TrimPrefix(address, "localhost:")) // four digits
		return fmt.Sprintf("localhost:%d", port+s.shift)
	})
	fmt.Fprintf(s.in, "{ %s\n} </dev/null 2>&1\nprintf '\\n%s%%d\\n' $?\n", command, ended)
	var b strings.Builder
	for {
		line, err := s.out.ReadString('\n')
		if text, last := strings.CutPrefix(line, ended); last {
			code, err = strconv.Atoi(strings.TrimSpace(text))
			if err == nil {
				return strings.TrimSpace(b.String()), code
			}
		}
		if err != nil {
			s.t.Fatalf("the shell has ended: %v\n%s", err, b.String())
		}
		b.WriteString(line)
	}
}

// end ends the cluster, and tells what a failed test needs.
func (s *shell) end() {
	logs, _ := filepath.Glob(filepath.Join(s.dir, ".dev-cluster", "node-*", "log"))
	if down, err := exec.Command(filepath.Join(s.dir, "scripts/dev-cluster.sh"), "down", "--dir", filepath.Join(s.dir, ".dev-cluster")).CombinedOutput(); err != nil {
		s.t.Errorf("the cluster does not end: %v\n%s", err, down)
	}
	for _, log := range logs {
		text := mustRead(s.t, log)
		if strings.Contains(text, "WARNING: DATA RACE") {
			s.t.Errorf("%s has a data race", log)
		}
		if lines := strings.Split(text, "\n"); s.t.Failed() {
			s.t.Logf("%s ends so:\n%s", log, strings.Join(lines[max(len(lines)-40, 0):], "\n"))
		}
	}
}
