package operations_test

import (
	"encoding/json"
	"strings"
	"testing"

	"tumbler/api/client"
	"tumbler/tests/harness"
)

// An administrator whose key is lost is replaced, and former master keys are destroyed, by orders of those who are left; a
// unit that was down comes to both when it is back.
func TestAdministratorsAndRetiredKeys(t *testing.T) {
	harness.WithoutRaceDetector(t)
	c := harness.NewCluster(t, 2, 2)
	keys := c.MustCreateKeys(30)
	first := t.TempDir() + "/first"

	c.Sub("AdministratorIsReplaced", func(t *testing.T) {
		c.MustRun("tke", "rotation", "receipt", "--out", first)
		c.MustRun("tke", "sigkey-add", "--name", "Carol")
		c.Kill(2)
		out := c.MustRun("tke", "cryptounit-admin-add", "--administrator", "3", "--keynum", "1,2")
		if !strings.Contains(out, "crypto unit 2 has not carried the order out yet") {
			t.Errorf("unit 2 is down, and it says\n%s", out)
		}
		c.Start(2)
		mustObey(t, c, "Alice", "Bob", "Carol")

		// Bob's key is lost.
		c.MustRun("tke", "cryptounit-admin-rm", "--administrator", "Bob", "--keynum", "1,3", "--yes")
		mustObey(t, c, "Alice", "Carol")
		mustFail(t, c, "is not an administrator", "tke", "auto-mk-rotate", "--keynum", "1,2")
		mustFail(t, c, "Reason code: 66", "tke", "cryptounit-admin-rm", "--administrator", "Carol", "--keynum", "1,3", "--yes")

		c.StartRotation("--hold", "--keynum", "1,3")
		mustFail(t, c, "is under way", "tke", "cryptounit-thrhld-set", "--signature-threshold", "1", "--revocation-threshold", "1", "--keynum", "1,3")
		c.MustComplete(keys)
		mustFail(t, c, "another list of administrators", "tke", "rotation", "receipt", "--verify", first)
	})
	c.Sub("RetiredKeyIsDestroyed", func(t *testing.T) {
		kept := retired(t, c)
		if len(kept) != 1 || len(kept[0].Units) != 2 {
			t.Fatalf("after one rotation recovery units keep %+v", kept)
		}
		c.Kill(4)
		if out := c.MustRun("tke", "retired", "destroy", kept[0].Pattern[:16], "--keynum", "1,3", "--yes"); !strings.Contains(out, "crypto unit 4 has not carried the order out yet") {
			t.Errorf("unit 4 is down, and it says\n%s", out)
		}
		if left := retired(t, c); len(left) != 1 || len(left[0].Units) != 1 || left[0].DestroyedBy == 0 {
			t.Errorf("unit 4 is down, and what is kept is %+v", left)
		}
		c.Start(4)
		c.WaitFor("unit 4 to destroy its copy", func() (bool, string) {
			left := retired(t, c)
			return len(left) == 0, strings.TrimSpace(c.MustRun("tke", "retired", "list"))
		})
		units, err := c.Admin().Units(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range units.Units {
			if u.Retired != 0 {
				t.Errorf("unit %d itself keeps %d retired keys", u.Number, u.Retired)
			}
		}
		c.StartRotation("--hold", "--keynum", "1,3", "--retire", "destroy")
		c.MustComplete(keys)
		if left := retired(t, c); len(left) != 0 {
			t.Errorf("nothing was to be kept, and kept is %+v", left)
		}
	})
}

// mustObey waits until every unit has these administrators.
func mustObey(t *testing.T, c *harness.Cluster, names ...string) {
	t.Helper()
	c.WaitFor("every unit to obey "+strings.Join(names, ", "), func() (bool, string) {
		units, err := c.Admin().Units(t.Context())
		if err != nil {
			return false, err.Error()
		}
		seen := ""
		all := len(units.Units) == len(c.Nodes)
		for _, u := range units.Units {
			var has []string
			for _, a := range u.Administrators.List {
				has = append(has, a.Name)
			}
			seen += strings.Join(has, ", ") + "; "
			all = all && strings.Join(has, " ") == strings.Join(names, " ") && u.Error == ""
		}
		return all, seen
	})
}

func retired(t *testing.T, c *harness.Cluster) []client.RetiredKey {
	t.Helper()
	var list struct {
		Retired []client.RetiredKey `json:"retired"`
	}
	if out := c.MustRun("tke", "retired", "list", "--output", "json"); json.Unmarshal([]byte(out), &list) != nil {
		t.Fatalf("no list of retired keys: %s", out)
	}
	return list.Retired
}
