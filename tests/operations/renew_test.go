package operations_test

import (
	"fmt"
	"strings"
	"testing"

	"tumbler/tests/harness"
)

// Certificates, the gossip key and a sealing key are renewed under running nodes; what cannot be used is refused by its name,
// and the former stays in force.
func TestRenewalWithoutAStop(t *testing.T) {
	c := harness.NewCluster(t, 2, 1)
	keys := c.MustCreateKeys(20)
	said := func(number uint32, words string) {
		t.Helper()
		c.WaitFor(fmt.Sprintf("node %d to say %q", number, words), func() (bool, string) {
			return strings.Contains(c.Node(number).Log(t), words), "it has not"
		})
	}
	shown := func(number uint32, toNodes bool) string {
		t.Helper()
		serial, err := c.Node(number).Shown(toNodes)
		if err != nil {
			t.Fatal(err)
		}
		return serial
	}

	c.Sub("Certificates", func(t *testing.T) {
		for _, toNodes := range []bool{false, true} {
			before := shown(1, toNodes)
			c.Renew(1)
			c.WaitFor("the renewed certificate to be shown", func() (bool, string) { s := shown(1, toNodes); return s != before, s })
		}
		good, now := c.Read("pki/node-1.pem"), shown(1, false)
		c.Write("pki/node-1.pem", "no certificate\n")
		said(1, "tumbler.api: changed certificate files cannot be used, the former stay in force")
		if shown(1, false) != now || shown(1, true) != now {
			t.Error("a file that is no certificate took the former out of force")
		}
		said(1, "tumbler.cluster.cluster: changed certificate files cannot be used, the former stay in force")
		c.Write("pki/node-1.pem", good)
		keys.MustOpenAll()
	})
	c.Sub("GossipKey", func(t *testing.T) {
		old, fresh := c.Read("gossip.key"), harness.NewKey()
		c.Write("gossip.key", "no key\n")
		said(1, `changed keys cannot be used, the former stay in force: unit=1 key=gossip.key_file`)
		for i, content := range []string{old + fresh, fresh + old, fresh} {
			c.Write("gossip.key", content)
			c.Hangup(c.All()...)
			for _, number := range c.All() {
				c.WaitFor(fmt.Sprintf("node %d to read the keys for the time %d", number, i+1), func() (bool, string) {
					read := strings.Count(c.Node(number).Log(t), fmt.Sprintf("keys were read again: unit=%d key=gossip.key_file", number))
					return read >= i+1, fmt.Sprint(read)
				})
			}
		}
		c.Stop(3)
		waitAlive(t, c, 3, false)
		c.Start(3) // it has the new key alone
		waitAlive(t, c, 3, true)
	})
	c.Sub("SealingKey", func(t *testing.T) {
		old, fresh := c.Read("node-2/sealing.key"), harness.NewKey()
		c.Write("node-2/sealing.key", fresh)
		said(2, "keep the key that sealed the unit's file as a second line")
		c.Write("node-2/sealing.key", fresh+old)
		c.Hangup(2)
		said(2, "the crypto unit's file is sealed under the first key of sealing.key_file")
		c.Write("node-2/sealing.key", fresh)
		c.Kill(2)
		c.Start(2)
		keys.MustOpenAll()

		// While the node is down, too: it seals its file anew before the old line goes.
		c.Stop(2)
		another := harness.NewKey()
		c.Write("node-2/sealing.key", another+fresh)
		c.Start(2)
		c.WaitFor("the file to be sealed anew", func() (bool, string) {
			sealed := strings.Count(c.Node(2).Log(t), "the crypto unit's file is sealed under the first key")
			return sealed >= 2, fmt.Sprint(sealed)
		})
		c.Stop(2)
		c.Write("node-2/sealing.key", another)
		c.Start(2)
		keys.MustOpenAll()
		c.MustAgree()
	})
}

// waitAlive waits until gossip at node 1 says so.
func waitAlive(t *testing.T, c *harness.Cluster, number uint32, alive bool) {
	t.Helper()
	c.WaitFor(fmt.Sprintf("node 1 to hear whether node %d is alive: %v", number, alive), func() (bool, string) {
		members, err := c.Admin(1).Members(t.Context())
		if err != nil {
			return false, err.Error()
		}
		for _, m := range members.Members {
			if m.Number == number {
				return m.Alive == alive, fmt.Sprintf("%+v", m)
			}
		}
		return false, "no such member"
	})
}
