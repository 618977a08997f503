// Package ways_test replaces the master key of five real processes in each of the ways there are: a recovery unit generates it,
// custodians bring parts of it in files, or on smart cards; with recovery units and without. Every key is opened after each.
package ways_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/tests/harness"
)

var keyCount = flag.Int("keys", 300, "root keys that are imported, each with a data key that is unwrapped after every rotation")

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(harness.Main(m))
}

// Three operational units and two recovery units: all ways, in turn.
func TestWithRecoveryUnits(t *testing.T) {
	harness.LeftTo(t, "ways")
	c := harness.NewCluster(t, 3, 2, harness.Administrators("Alice", "Bob", "Carol"))
	i := begin(t, c, "3 operational, 2 recovery units")
	i.rotate("recovery units", func(*testing.T) { c.StartRotation() })
	i.rotate("2 key parts in files", i.partsTogether(2))
	i.rotate("3 key parts in files", i.partsTogether(3))
	i.byCards(order.SuiteECDH, "dora", "erin")
	i.rotate("recovery units, again", func(*testing.T) { c.StartRotation("--policy", "online") })
}

// Five operational units: their first master key comes in parts too, since nobody generates one.
func TestWithoutRecoveryUnits(t *testing.T) {
	c := harness.NewCluster(t, 5, 0, harness.Uninitialised)
	mustRefuse(t, c, "Return code: 179", "tke", "cryptounit-mk-load", "--parts", "2", "--part", "1", "--mk", c.MustAddParts(1)[0], "--yes")
	c.MustInstall("Alice", "Bob", "Carol")
	first := drawParts(t, c, 2)
	c.MustLoad(first.keyNums, "--keynum", "1,2")
	c.MustCommit()
	c.MustRun("tke", "cryptounit-mk-setimm", "--keynum", "3", "--yes")
	c.MustHold(first.pattern)
	c.MustVerify()
	mustRefuse(t, c, "recovery", "tke", "auto-mk-rotate")

	i := begin(t, c, "5 operational units")
	i.rotate("2 key parts in files", i.partsTogether(2))
	i.rotate("3 key parts, one by one", i.partsOneByOne)
	i.byCards(order.SuiteRSA, "dora", "erin", "faye")
}

// instance is one cluster, its keys, and what it is when no rotation is under way.
type instance struct {
	t     *testing.T
	c     *harness.Cluster
	shape string
	keys  *harness.Keys
}

func begin(t *testing.T, c *harness.Cluster, shape string) *instance {
	t.Helper()
	began := time.Now()
	i := &instance{t, c, shape, c.MustImportKeys(*keyCount)}
	fmt.Printf("%s: %d keys imported, and a data key wrapped under each, in %.1f s\n", shape, *keyCount, time.Since(began).Seconds())
	return i
}

// rotate replaces the master key by one way, which returns when nothing is left to be signed, and looks at everything.
func (i *instance) rotate(way string, by func(t *testing.T)) {
	i.c.Sub(strings.ReplaceAll(way, " ", "-"), func(t *testing.T) {
		i.c.MustAgree() // every node has applied what there is
		before := i.status(t)
		pattern := i.pattern(t)
		by(t)
		done := i.c.WaitState(client.StateComplete)
		rewrap := done.Times[len(done.Times)-1].At.Sub(entered(t, done, client.StateRewrapping)).Seconds()
		if done.PatternBefore != pattern || done.PatternAfter == pattern {
			t.Errorf("the pattern was %s; the rotation says from %s to %s", pattern, done.PatternBefore, done.PatternAfter)
		}
		if k, all := done.Keys, before.Blobs.Total(); k.Total != all || k.Rewrapped != all || k.Verified != all || all < uint64(*keyCount) {
			t.Errorf("the census was %+v; of %d keys %d were rewrapped and %d verified", before.Blobs, k.Total, k.Rewrapped, k.Verified)
		}
		if after := i.status(t); after.Blobs != before.Blobs {
			t.Errorf("the census was %+v, and is %+v", before.Blobs, after.Blobs)
		}
		i.c.MustHold(done.PatternAfter)
		if out := i.c.MustRun("tke", "cryptounit-compare"); !strings.Contains(out, "==> All crypto units are configured the same. <==") {
			t.Errorf("the units differ:\n%s", out)
		}
		if audit := i.c.MustVerify(); !strings.Contains(audit, done.PatternAfter) || !strings.Contains(audit, done.Order.Digest) {
			t.Errorf("the auditor reads\n%s", audit)
		}
		began := time.Now()
		i.keys.MustOpenAll()
		unwrap := time.Since(began).Seconds()
		i.c.MustAgree()
		fmt.Printf("%-32s %-26s %6d keys in %5.1f s, %6.0f keys/s; none lost (each unwrapped and compared, %.1f s)\n",
			i.shape, way, done.Keys.Total, rewrap, float64(done.Keys.Total)/rewrap, unwrap)
	})
}

func (i *instance) status(t *testing.T) client.ClusterStatus {
	t.Helper()
	status, err := i.c.Admin().Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return status.Cluster
}

// pattern is that of the master key.
func (i *instance) pattern(t *testing.T) string {
	t.Helper()
	known, err := i.c.Admin().OrderContext(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return known.CurrentPattern
}

func entered(t *testing.T, s client.RotationStatus, state string) time.Time {
	t.Helper()
	at, ok := harness.Entered(s, state)
	if !ok {
		t.Fatalf("the rotation was never %s: %+v", state, s.Times)
	}
	return at
}

// mustRefuse: the command fails, and says so.
func mustRefuse(t *testing.T, c *harness.Cluster, says string, args ...string) {
	t.Helper()
	if out, err := c.Run(args...); err == nil || !strings.Contains(out, says) {
		t.Fatalf("tumbler %s is to be refused, saying %q: %v\n%s", strings.Join(args, " "), says, err, out)
	}
}
