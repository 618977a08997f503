package document

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

// Shell is one bash that runs the commands in a folder that looks like the project's.
type Shell struct {
	t     *testing.T
	dir   string
	shift int // from the document's ports to those of this cluster
	in    io.Writer
	out   *bufio.Reader
}

// documented is the port of which documents count.
const documented = 8433

const ended = "the command has ended with "

// NewShell starts it, with ports of its own for that many units, and the programs: files of the folder with the environment that they
// set for the program of harness.Main.
func NewShell(t *testing.T, units int, programs map[string]string) *Shell {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	base, err := harness.FreeBase(units)
	if err != nil {
		t.Fatal(err)
	}
	s := &Shell{t: t, dir: t.TempDir(), shift: base - documented}
	for name, env := range programs {
		if err := os.MkdirAll(filepath.Join(s.dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		script := fmt.Sprintf("#!/bin/sh\n%s exec '%s' \"$@\"\n", env, os.Getenv("TUMBLER_BINARY"))
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

// Follow runs every command of the document, which has at least so many, and compares what it prints.
func (s *Shell) Follow(path string, least int) {
	s.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		s.t.Fatal(err)
	}
	steps := Steps(string(text))
	if len(steps) < least {
		s.t.Fatalf("%s has %d commands: it is not read rightly", path, len(steps))
	}
	for _, step := range steps {
		printed, code := s.run(step.Command)
		s.t.Logf("$ %s\n%s", step.Command, printed)
		if code != 0 {
			s.t.Fatalf("%s:%d: it ends with %d", path, step.Line, code)
		}
		if missing := Missing(step.Prints, printed); missing != "" {
			s.t.Errorf("%s:%d: it does not print %q here", path, step.Line, missing)
		}
	}
}

// run gives what a command prints on both outputs, and its exit code.
func (s *Shell) run(command string) (printed string, code int) {
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
func (s *Shell) end() {
	logs, _ := filepath.Glob(filepath.Join(s.dir, ".dev-cluster", "node-*", "log"))
	if down, err := exec.Command(filepath.Join(s.dir, "scripts/dev-cluster.sh"), "down", "--dir", filepath.Join(s.dir, ".dev-cluster")).CombinedOutput(); err != nil {
		s.t.Errorf("the cluster does not end: %v\n%s", err, down)
	}
	for _, log := range logs {
		content, err := os.ReadFile(log)
		if err != nil {
			s.t.Fatal(err)
		}
		text := string(content)
		if strings.Contains(text, "WARNING: DATA RACE") {
			s.t.Errorf("%s has a data race", log)
		}
		if lines := strings.Split(text, "\n"); s.t.Failed() {
			s.t.Logf("%s ends so:\n%s", log, strings.Join(lines[max(len(lines)-40, 0):], "\n"))
		}
	}
}
