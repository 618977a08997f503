package operations_test

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tumbler/tests/harness"
)

// A restore is killed before and after each of its durable steps. What it leaves is no node, and says so, or a whole one; where it
// is none, the restore is run again, and makes one. The last goes on as a cluster like any other.
func TestARestoreIsKilledAtEachOfItsSteps(t *testing.T) {
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 1, 1)
	keys := c.MustCreateKeys(20)
	r := &restoring{c: c, file: filepath.Join(t.TempDir(), "archive"), points: t.TempDir()}
	c.MustRun("cluster", "snapshot", "save", "--unit", "2", r.file)
	c.Kill(1, 2)
	t.Setenv("TUMBLER_POINTS", r.points)
	passages := r.passages(t)
	if passages["after-restored"] != 1 || passages["before-unit-file-rename"] != 1 || passages["after-cluster-begin"] == 0 {
		t.Fatalf("the steps of a restore are not seen: %v", passages)
	}
	for i, point := range slices.Sorted(maps.Keys(passages)) {
		if !*every && i%6 != 0 {
			continue
		}
		for _, passage := range slices.Compact([]int{1, (passages[point] + 1) / 2}) { // how many there are differs a little
			c.Sub(fmt.Sprintf("%s_%d", point, passage), func(t *testing.T) { r.kill(t, point, passage) })
		}
	}
	c.Start(2)
	c.Replace(1)
	mustBelong(t, c, keys)
}

// restoring makes node 2 of one archive again and again.
type restoring struct {
	c      *harness.Cluster
	file   string
	points string // files that kill its process
}

// again restores into an empty folder, or what was left in it.
func (r *restoring) again() (string, error) {
	return r.c.Run("cluster", "snapshot", "restore", r.file, "--config", filepath.Join(r.c.Node(2).Dir, "node.yaml"), "--yes")
}

// passages is how often a whole restore comes by each point.
func (r *restoring) passages(t *testing.T) map[string]int {
	t.Helper()
	const many = 1 << 30
	names := strings.Fields(mustRead(t, "../chaos/points.txt"))
	for _, name := range names {
		mustWrite(t, filepath.Join(r.points, name), fmt.Sprint("kill ", many))
	}
	r.c.Wipe(2)
	if out, err := r.again(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	passages := map[string]int{}
	for _, name := range names {
		path := filepath.Join(r.points, name)
		left, err := strconv.Atoi(strings.TrimPrefix(mustRead(t, path), "kill "))
		if err == nil {
			err = os.Remove(path)
		}
		if err != nil {
			t.Fatal(err)
		}
		if left < many {
			passages[name] = many - left
		}
	}
	return passages
}

// kill kills a restore at a passage of a point. What it has left is no node, does not start, and another restore makes one of it;
// or it is one, which another restore leaves alone.
func (r *restoring) kill(t *testing.T, point string, passage int) {
	r.c.Wipe(2)
	mustWrite(t, filepath.Join(r.points, point), fmt.Sprint("kill ", passage))
	if out, err := r.again(); err == nil || err.Error() != "signal: killed" {
		t.Fatalf("it was to be killed: %v\n%s", err, out)
	}
	begun, unfinished := r.has(t, "unit", "raft", "state"), r.has(t, "restoring")
	if unfinished {
		r.c.Launch(2)
		r.c.MustEndSaying(2, "a restore into data_dir did not finish: run `tumbler cluster snapshot restore` again")
	}
	out, err := r.again()
	if whole := begun && !unfinished; whole && (err == nil || !strings.Contains(out, "is not empty")) || !whole && err != nil {
		t.Fatalf("left was a node: %v; and another restore says %v\n%s", whole, err, out)
	}
	if r.has(t, "restoring") {
		t.Error("the second has ended, and has not finished")
	}
	if strings.HasPrefix(point, "before-") {
		return // what it left is what the point before it left, or nearly so
	}
	r.c.Start(2)
	if seen, err := r.c.Admin(2).DryRun(t.Context()); err != nil || seen.Opened == 0 || len(seen.Unopenable) > 0 {
		t.Errorf("of the keys of the node %+v open, %v", seen, err)
	}
	r.c.Kill(2)
}

// has tells whether some of these are in the data folder.
func (r *restoring) has(t *testing.T, names ...string) bool {
	t.Helper()
	return slices.ContainsFunc(names, func(name string) bool {
		_, err := os.Lstat(filepath.Join(r.c.Node(2).DataDir(), name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return err == nil
	})
}
