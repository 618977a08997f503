package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tumbler/tests/harness"
)

// patience is how long all transcripts may take; a command that waits for ever fails there.
const patience = 5 * time.Minute

// The transcripts of testdata, in the order of their names, on one cluster: each leaves it as the next one needs it.
func TestTranscripts(t *testing.T) {
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 3, 2, harness.Uninitialised)
	w := &world{cluster: c, bin: t.TempDir(), held: map[string][]func(){}}
	if err := os.Symlink(c.Binary(), filepath.Join(w.bin, "tumbler")); err != nil {
		t.Fatal(err)
	}
	testscript.RunT(serial{t}, testscript.Params{
		Dir: "testdata", RequireExplicitExec: true, Deadline: time.Now().Add(patience), UpdateScripts: os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			if t.Failed() {
				return errors.New("an earlier transcript failed, and left the cluster as it was")
			}
			for _, setting := range append(c.Environment(), "GORACE=atexit_sleep_ms=0",
				"TUMBLER_SIGKEY_PASSWORD=a test needs no secret 7", "TUMBLER_KEYPART_PASSWORD=nor does a key part 8") {
				name, value, _ := strings.Cut(setting, "=")
				env.Setenv(name, value)
			}
			env.Setenv("PATH", w.bin+string(os.PathListSeparator)+env.Getenv("PATH"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"failed": w.failed, "misused": w.misused, "refused": w.refused, "for-each": forEach, "keep": keep, "node": w.node, "spoil": spoil, "changed": changed, "deliver": w.deliver,
		},
	})
}

// serial runs one transcript after the other: they share a cluster.
type serial struct{ *testing.T }

func (serial) Parallel()     {}
func (serial) Verbose() bool { return testing.Verbose() }

func (s serial) Run(name string, f func(testscript.T)) {
	s.T.Run(name, func(t *testing.T) { f(serial{t}) })
}

// world is what the commands of transcripts act on.
type world struct {
	cluster *harness.Cluster
	bin     string
	held    map[string][]func() // by hold point
}

// run runs tumbler, and wants that exit code, with FAILED first.
func (w *world) run(ts *testscript.TestScript, not bool, code int, args []string) (said string) {
	if not || len(args) == 0 {
		ts.Fatalf("it needs the arguments of tumbler, and has no opposite")
	}
	err := ts.Exec("tumbler", args...)
	said = ts.ReadFile("stderr")
	var ended *exec.ExitError
	if !errors.As(err, &ended) || ended.ExitCode() != code || !strings.HasPrefix(said, "FAILED\n") {
		ts.Fatalf("it was to end with %d and to say FAILED: %v", code, err)
	}
	return said
}

// failed is `failed ARGUMENTS`: tumbler fails, without a return code of the crypto module.
func (w *world) failed(ts *testscript.TestScript, not bool, args []string) {
	if strings.Contains(w.run(ts, not, 1, args), "Return code:") {
		ts.Fatalf("it gives a return code: say `refused RETURN/REASON`")
	}
}

// misused is `misused ARGUMENTS`: tumbler was called wrongly.
func (w *world) misused(ts *testscript.TestScript, not bool, args []string) { w.run(ts, not, 2, args) }

// refused is `refused RETURN/REASON ARGUMENTS`: tumbler fails with these codes of the crypto module.
func (w *world) refused(ts *testscript.TestScript, not bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("refused RETURN/REASON ARGUMENTS")
	}
	ret, reason, _ := strings.Cut(args[0], "/")
	said := w.run(ts, not, 1, args[1:])
	want := fmt.Sprintf("FAILED\nError reported by EP11 crypto module.\nReturn code: %s\nReason code: %s\nError message: ", ret, reason)
	if !strings.HasPrefix(said, want) {
		ts.Fatalf("it was to say\n%s", want)
	}
}

// forEach is `for-each NAME VALUE... -- ARGUMENTS`: tumbler is run for each value, which stands where @NAME is in the arguments.
func forEach(ts *testscript.TestScript, not bool, args []string) {
	end := slices.Index(args, "--")
	if not || end < 2 {
		ts.Fatalf("for-each NAME VALUE... -- ARGUMENTS")
	}
	for _, value := range args[1:end] {
		each := slices.Clone(args[end+1:])
		for n := range each {
			each[n] = strings.ReplaceAll(each[n], "@"+args[0], value)
		}
		if err := ts.Exec("tumbler", each...); err != nil {
			ts.Fatalf("%v: %v\n%s", each, err, ts.ReadFile("stderr"))
		}
	}
}

// keep is `keep NAME REGEXP`: what the first group of the expression matches in the last standard output becomes $NAME.
func keep(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) != 2 {
		ts.Fatalf("keep NAME REGEXP")
	}
	found := regexp.MustCompile("(?m)" + args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(found) != 2 {
		ts.Fatalf("nothing in the output is as %s", args[1])
	}
	ts.Setenv(args[0], found[1])
}

// node is `node DO NUMBER...`, or `node hold POINT NUMBER...` and `node release POINT`.
func (w *world) node(ts *testscript.TestScript, not bool, args []string) {
	if not || len(args) < 2 {
		ts.Fatalf("node DO NUMBER...")
	}
	do, point := args[0], args[1]
	if do == "release" {
		for _, release := range w.held[point] {
			release()
		}
		delete(w.held, point)
		return
	}
	texts := args[1:]
	if do == "hold" {
		texts = args[2:]
	}
	var numbers []uint32
	for _, text := range texts {
		n, err := strconv.ParseUint(text, 10, 32)
		ts.Check(err)
		numbers = append(numbers, uint32(n))
	}
	switch do {
	case "hold":
		for _, n := range numbers {
			w.held[point] = append(w.held[point], w.cluster.Hold(point, n))
		}
	case "kill":
		w.cluster.Kill(numbers...)
	case "start":
		w.cluster.Start(numbers...)
	case "removed": // it ends by itself, and comes back as another one
		for _, n := range numbers {
			w.cluster.MustEndSaying(n, "crypto unit was removed from its instance")
			w.cluster.Part(n)
			w.cluster.Admit(n)
		}
	default:
		ts.Fatalf("a node does not %s", do)
	}
	for _, setting := range w.cluster.Environment() {
		if address, ok := strings.CutPrefix(setting, "TUMBLER_ADDRESS="); ok {
			ts.Setenv("TUMBLER_ADDRESS", address)
		}
	}
}
