// Package operations_test holds what operators do with whole clusters, on bad days too: units come and go, administrators
// and keys are replaced, disks fill, a node differs. Real processes, driven by the command line.
package operations_test

import (
	"flag"
	"os"
	"testing"

	"tumbler/tests/harness"
)

var every = flag.Bool("every", false, "kill a restore at every step, and not only at the few that `make test` has time for")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(harness.Main(m))
}
