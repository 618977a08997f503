package operations_test

import (
	"testing"

	"tumbler/tests/harness"
)

func TestALostClusterIsRestored(t *testing.T) {
	c := harness.NewCluster(t, 1, 1)
	c.MustCreateKeys(10)
	file := t.TempDir() + "/archive"
	t.Log(c.MustRun("cluster", "snapshot", "save", "--unit", "2", file))
	t.Log(c.MustRun("cluster", "snapshot", "save", file+"2", "--output", "json"))
	mustFail(t, c, "exists already", "cluster", "snapshot", "save", file)
	mustFail(t, c, "name a recovery unit ([2])", "cluster", "snapshot", "save", "--unit", "1", file+"3")
}
