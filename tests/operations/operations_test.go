// Package operations_test holds what operators do with whole clusters, on bad days too: units come and go, administrators
// and keys are replaced, disks fill, a node differs. Real processes, driven by the command line.
package operations_test

import (
	"os"
	"testing"

	"tumbler/tests/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
