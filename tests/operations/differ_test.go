package operations_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tumbler/tests/harness"
)

// A node whose store was changed by hand is found by a comparison, looks for itself, ends, and does not start with that store
// again; the others go on, and it comes back with a fresh one.
func TestANodeThatDiffersStops(t *testing.T) {
	harness.WithoutRaceDetector(t)
	const odd = 3
	c := harness.NewCluster(t, 3, 1)
	keys := c.MustCreateKeys(20)
	c.MustAgree()
	c.Lead(1)
	c.Stop(odd)
	c.Tamper(odd, []byte("aforged-alias"), bytes.Repeat([]byte{7}, 16))
	c.Start(odd)

	out, err := c.Run("cluster", "digest")
	if err == nil || !strings.Contains(out, "DIFFERS, STOPS") || !strings.Contains(out, "differs on node 3, which stops: take it out") {
		t.Errorf("%v\n%s", err, out)
	}
	for range 2 { // as it ends, and when it is started again
		if code, log := c.Ended(odd), c.Node(odd).Log(t); code != 1 || !strings.Contains(log, "state differs from the majority's, as compared at index") ||
			!strings.Contains(log, "remove raft/ and state/ in "+c.Node(odd).DataDir()) {
			t.Errorf("the node ended with %d, and did not say what to do", code)
		}
		c.Launch(odd)
	}
	c.Ended(odd)
	keys.MustOpenAll()
	if err := keys.Add("while one node is out"); err != nil {
		t.Fatal(err)
	}

	c.MustRun("cluster", "leave", "--number", "3", "--yes")
	for _, folder := range []string{"raft", "state"} {
		if err := os.RemoveAll(filepath.Join(c.Node(odd).DataDir(), folder)); err != nil {
			t.Fatal(err)
		}
	}
	c.Launch(odd)
	c.Join(odd)
	c.MustAgree()
	keys.MustOpenAll()
}
