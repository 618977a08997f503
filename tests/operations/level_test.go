package operations_test

import (
	"fmt"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

// A cluster of an older release is brought to this one node by node: what the older one does not know is refused until the
// last of them understands it, and then the level rises by itself.
func TestTheFeatureLevelRisesWithTheLastNode(t *testing.T) {
	c := harness.NewCluster(t, 2, 1, func(c *harness.Cluster) {
		for _, n := range c.Nodes {
			n.Env = []string{"TUMBLER_FEATURE_LEVEL=1"}
		}
	})
	c.MustCreateKeys(20)
	c.StartRotation("--hold")
	c.WaitState(client.StateRewrapped)

	pause := true
	ask := func() error {
		_, err := c.Admin().Pace(t.Context(), client.PaceRequest{Paused: &pause})
		return err
	}
	level := func() uint32 {
		status, err := c.Admin().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.Cluster.FeatureLevel
	}
	for _, number := range c.All() {
		if l, err := level(), ask(); l != 1 || !client.HasCode(err, "feature_level") {
			t.Fatalf("before node %d was replaced the level is %d, and the answer %v", number, l, err)
		}
		c.Stop(number)
		c.Node(number).Env = nil
		c.Start(number)
	}
	c.WaitFor("the feature level to rise", func() (bool, string) {
		l := level()
		return l == 3, fmt.Sprint(l)
	})
	if err := ask(); !client.HasCode(err, "not_rewrapping") { // it is understood, and too late
		t.Errorf("after the last node was replaced the answer is %v", err)
	}
	c.MustRun("tke", "rotation", "activate", "--keynum", "1")
	c.WaitState(client.StateComplete)
	c.MustAgree()
}
