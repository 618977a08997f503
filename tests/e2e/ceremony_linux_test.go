package e2e

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tumbler/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// stage has ceremony.py do one stage on this cluster, and does something when the driver sees the rotation go on.
func stage(t *testing.T, c *harness.Cluster, name string, watched ...func()) {
	t.Helper()
	began := time.Now()
	driver := exec.CommandContext(t.Context(), "python3", "-B", "ceremony.py", name)
	driver.Env = append(append(os.Environ(), c.Environment()...), "TUMBLER_BINARY="+c.Binary(), "TERM=xterm")
	var problem strings.Builder
	driver.Stderr = &problem
	said, err := driver.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := driver.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(said); lines.Scan(); {
		if lines.Text() == "the rotation is watched" {
			for _, do := range watched {
				do()
			}
		}
	}
	if err := driver.Wait(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, problem.String())
	}
	t.Logf("%s took %v", name, time.Since(began).Round(time.Millisecond))
}

// rotate has the driver leave a rotation by three key parts while it rewraps, and pick it up again. No key is lost.
func rotate(t *testing.T, c *harness.Cluster, keys *harness.Keys) {
	t.Helper()
	stage(t, c, "third-administrator")
	stage(t, c, "load")
	var release []func()
	for _, n := range c.Operational() { // whichever owns a partition
		release = append(release, c.Hold("rewrap", n))
	}
	stage(t, c, "commit")
	stage(t, c, "rotate-and-leave")
	stage(t, c, "rotate", release...)
	keys.MustOpenAll()
	c.MustAgree()
}

func TestByPromptsAfterAutoInit(t *testing.T) {
	c := harness.NewCluster(t, 3, 2, harness.Uninitialised)
	stage(t, c, "auto-init")
	keys := c.MustCreateKeys(60)
	stage(t, c, "parts")
	rotate(t, c, keys)
}

func TestByPromptsFromImprintMode(t *testing.T) {
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 3, 2, harness.Uninitialised)
	stage(t, c, "imprint")
	keys := c.MustCreateKeys(60)
	stage(t, c, "last-part")
	rotate(t, c, keys)
}
