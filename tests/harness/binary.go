package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// These name programs that are built already, as `make test` does for all packages; Main sets them for the tests that it runs.
const (
	binaryEnv = "TUMBLER_BINARY"
	plainEnv  = "TUMBLER_BINARY_WITHOUT_RACE_DETECTOR"
)

// Main runs a package's tests with a program that is built once, with the race detector if the tests have it. It is for
// TestMain.
func Main(m *testing.M) int {
	// A program with the race detector waits for a second before it ends, unless it is told not to.
	if os.Getenv("GORACE") == "" {
		if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
			fmt.Fprintln(os.Stderr, "harness:", err)
			return 1
		}
	}
	if os.Getenv(binaryEnv) != "" {
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "tumbler-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	err = provide(binaryEnv, filepath.Join(dir, "tumbler"), raceDetector)
	if err == nil && raceDetector {
		err = provide(plainEnv, filepath.Join(dir, "tumbler-plain"), false)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 1
	}
	return m.Run()
}

// provide builds a program, and names it to the tests.
func provide(name, binary string, race bool) error {
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return fmt.Errorf("go env GOMOD: %w", err)
	}
	args, env := []string{"build", "-tags", "hashicorpmetrics,holdpoints", "-o", binary}, append(os.Environ(), "GOFLAGS=-buildvcs=false")
	switch {
	case race:
		args = append(args, "-race")
	case raceDetector:
		env = append(env, "CGO_ENABLED=0")
	}
	command := exec.Command("go", append(args, "./cli/tumbler")...)
	command.Dir, command.Env = filepath.Dir(strings.TrimSpace(string(module))), env
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return os.Setenv(name, binary)
}

// WithoutRaceDetector has the processes of a long test run without it, several times as fast, where other tests of the package
// have theirs do much the same with it.
func WithoutRaceDetector(t *testing.T) {
	t.Helper()
	if raceDetector {
		t.Setenv(binaryEnv, os.Getenv(plainEnv))
	}
}

// LeftTo skips a test that takes long under the race detector: a target of the Makefile runs it without, and a shorter one that
// does much the same runs with it.
func LeftTo(t *testing.T, target string) {
	t.Helper()
	if raceDetector {
		t.Skipf("`make %s` runs it, without the race detector", target)
	}
}
