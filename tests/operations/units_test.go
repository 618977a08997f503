package operations_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

const saysRemoved = "crypto unit was removed from its instance"

// Units come and go by orders of a quorum, with their nodes, and no key is lost.
func TestUnitsComeAndGo(t *testing.T) {
	c := harness.NewCluster(t, 3, 2)
	keys := c.MustCreateKeys(60)

	c.Sub("RecoveryUnitIsLost", func(t *testing.T) {
		c.Kill(5)
		mustFail(t, c, "crypto unit 5", "tke", "auto-mk-rotate")
		c.MustRun("tke", "unenrol", "--units", "5", "--yes")
		c.Launch(5) // it was down when it was removed, and hears of it from the others
		c.MustEndSaying(5, saysRemoved)
		c.MustRun("tke", "auto-mk-rotate") // goes on without it, to a key that it never had

		c.Replace(5)
		c.Admit(5)
		mustFail(t, c, "`tumbler tke enrol` comes first", "tke", "auto-recover", "--units", "5")
		c.MustRun("tke", "enrol", "--units", "5", "--yes")
		mustFail(t, c, "`tumbler tke auto-recover` gives the master key", "tke", "auto-mk-rotate")
		mustRecover(t, c, 5)
		mustRotate(t, c, keys)
	})
	c.Sub("LeaderDiesWhileItRemoves", func(t *testing.T) {
		added := c.Add("operational")
		c.Admit(added)
		c.MustRun("tke", "enrol", "--yes")
		mustRecover(t, c, added)
		keys.MustOpenAll() // through the new node too

		c.Lead(1)
		release := c.Hold("remove-member", 1) // the order is accepted, and the membership is not changed
		ended := make(chan error, 1)
		go func() {
			out, err := c.Run("tke", "unenrol", "--units", fmt.Sprint(added), "--yes")
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			ended <- err
		}()
		c.WaitFor("the removed node to serve no more", func() (bool, string) {
			status, err := c.Admin(added).Status(t.Context())
			return strings.Contains(status.Node.NotReady, "was removed by order"), fmt.Sprint(status.Node.NotReady, err)
		})
		if !isMember(t, c, added) {
			t.Fatal("the leader was held, and yet the node is no member any more")
		}
		c.Kill(1)
		release()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		c.MustEndSaying(added, saysRemoved)
		c.Start(1)
		if isMember(t, c, added) {
			t.Errorf("node %d is still a member", added)
		}
		c.Forget(added)
		mustRotate(t, c, keys)
	})
	c.Sub("LeaderIsRemovedAndReplaced", func(t *testing.T) {
		c.Lead(3)
		c.MustRun("tke", "unenrol", "--units", "3", "--yes")
		c.MustEndSaying(3, saysRemoved)
		keys.MustOpenAll()
		c.Replace(3)
		c.Admit(3)
		c.MustRun("tke", "enrol", "--units", "3", "--yes")

		// Source and target die while the key is on its way; the command, run again, shows the same recovery and signs nothing.
		release := c.Hold("loading", 3)
		c.MustRun("tke", "auto-recover", "--detach")
		c.WaitFor("the key to be on its way", func() (bool, string) {
			state := c.Rotation().State
			return state == client.StateLoading, state
		})
		c.Kill(3, 4)
		if out := c.MustRun("tke", "auto-recover", "--detach"); !strings.Contains(out, "A recovery is under way (order") {
			t.Errorf("a second run says\n%s", out)
		}
		release()
		c.Launch(3)
		c.Start(4)
		mustRecover(t, c, 3)
		mustRotate(t, c, keys)
	})
	c.Sub("Refused", func(t *testing.T) {
		mustFail(t, c, "too few units would remain", "tke", "unenrol", "--units", "2,3,4,5", "--yes")
		mustFail(t, c, "signatures are needed", "tke", "unenrol", "--units", "5", "--yes", "--keynum", "1")
		c.Kill(4, 5)
		mustFail(t, c, "which is no majority", "tke", "unenrol", "--units", "3", "--yes")
		c.Start(4, 5)
		c.StartRotation("--hold")
		mustFail(t, c, "is under way", "tke", "unenrol", "--units", "5", "--yes")
		c.WaitState(client.StateRewrapped)
		c.MustComplete(keys)
	})
}

// mustFail: the command fails, and says so.
func mustFail(t *testing.T, c *harness.Cluster, says string, args ...string) {
	t.Helper()
	if out, err := c.Run(args...); err == nil || !strings.Contains(out, says) {
		t.Fatalf("tumbler %s: %v, and does not say %q:\n%s", strings.Join(args, " "), err, says, out)
	}
}

func isMember(t *testing.T, c *harness.Cluster, number uint32) bool {
	t.Helper()
	members, err := c.Admin().Members(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(members.Members, func(m client.Member) bool { return m.Number == number })
}

// mustRecover gives a unit the master key, and looks at what that left: the unit serves, the receipt holds, and a second run
// has nothing to do.
func mustRecover(t *testing.T, c *harness.Cluster, number uint32) {
	t.Helper()
	c.MustRun("tke", "auto-recover")
	c.WaitReady()
	receipt := t.TempDir() + "/recover"
	c.MustRun("tke", "rotation", "receipt", "--out", receipt)
	if out := c.MustRun("tke", "rotation", "receipt", "--verify", receipt); !strings.Contains(out, "(recover)") {
		t.Errorf("the receipt of the recovery of crypto unit %d:\n%s", number, out)
	}
	if out := c.MustRun("tke", "auto-recover"); !strings.Contains(out, "there is nothing to recover") {
		t.Errorf("a second run says\n%s", out)
	}
}

// mustRotate rotates, with every unit that there is, and looks at everything.
func mustRotate(t *testing.T, c *harness.Cluster, keys *harness.Keys) {
	t.Helper()
	c.StartRotation("--hold")
	c.MustComplete(keys)
}
