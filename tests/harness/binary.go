package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// binaryEnv names a program that is built already; Main sets it for the tests that it runs.
const binaryEnv = "TUMBLER_BINARY"

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
	// Every command would sleep for a second under the race detector before it ends.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 1
	}
	dir, err := os.MkdirTemp("", "tumbler-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary, err := build(dir)
	if err == nil {
		err = os.Setenv(binaryEnv, binary)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "harness:", err)
		return 1
	}
	return m.Run()
}

func build(dir string) (string, error) {
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("go env GOMOD: %w", err)
	}
	binary := filepath.Join(dir, "tumbler")
	args := []string{"build", "-tags", "hashicorpmetrics,holdpoints", "-o", binary}
	if raceDetector {
		args = append(args, "-race")
	}
	command := exec.Command("go", append(args, "./cli/tumbler")...)
	command.Dir = filepath.Dir(strings.TrimSpace(string(module)))
	command.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false")
	if out, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the program: %w\n%s", err, out)
	}
	return binary, nil
}

// LeftTo skips a test that takes long under the race detector: a target of the Makefile runs it without, and a shorter one that
// does much the same runs with it.
func LeftTo(t *testing.T, target string) {
	t.Helper()
	if raceDetector {
		t.Skipf("`make %s` runs it, without the race detector", target)
	}
}
