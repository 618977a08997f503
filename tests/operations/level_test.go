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
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 2, 1, func(c *harness.Cluster) {
		for _, n := range c.Nodes {
			n.Env = []string{"TUMBLER_FEATURE_LEVEL=1"}
		}
	})
	c.MustCreateKeys(20)
	c.StartRotation("--hold")
	c.WaitState(client.StateRewrapped)

	level := func() uint32 {
		status, err := c.Admin().Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return status.Cluster.FeatureLevel
	}
	// A node that was just started may hear of no leader, or ask one that has just lost its lead: that is asked again.
	pause := true
	mustRefuse := func(code client.Code, when string) {
		t.Helper()
		c.WaitFor(fmt.Sprintf("a pause to be refused with %s, %s", code, when), func() (bool, string) {
			_, err := c.Admin().Pace(t.Context(), client.PaceRequest{Paused: &pause})
			if err == nil {
				t.Fatalf("a pause was accepted, %s", when)
			}
			return client.HasCode(err, code), err.Error()
		})
	}
	for _, number := range c.All() {
		mustRefuse("feature_level", fmt.Sprintf("before node %d is replaced", number))
		if l := level(); l != 1 {
			t.Fatalf("before node %d is replaced the level is %d", number, l)
		}
		c.Stop(number)
		c.Node(number).Env = nil
		c.Start(number)
	}
	c.WaitFor("the feature level to rise", func() (bool, string) {
		l := level()
		return l == 5, fmt.Sprint(l)
	})
	mustRefuse("not_rewrapping", "after the last node was replaced") // it is understood, and too late
	c.MustRun("tke", "rotation", "activate", "--keynum", "1")
	c.WaitState(client.StateComplete)
	c.MustAgree()
}
