package harness

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"tumbler/api/client"
)

// Rotation gives the rotation under way, or the last one, as the first running node sees it.
func (c *Cluster) Rotation() (status client.RotationStatus) {
	c.t.Helper()
	admin := c.Admin()
	c.WaitFor("the rotation's status", func() (bool, string) {
		var err error
		status, err = admin.Rotation(c.t.Context())
		return err == nil, fmt.Sprint(err)
	})
	return status
}

// StartRotation signs and hands in a rotation, and returns as soon as it is accepted. From then on it is the one that is
// waited for.
func (c *Cluster) StartRotation(flags ...string) {
	c.t.Helper()
	out := c.MustRun(append([]string{"tke", "auto-mk-rotate", "--detach", "--output", "json"}, flags...)...)
	var accepted struct {
		Digest string `json:"digest"`
	}
	if err := json.Unmarshal([]byte(out[max(strings.Index(out, "{"), 0):]), &accepted); err != nil || accepted.Digest == "" {
		c.t.Fatalf("a rotation was handed in, and this is no digest of it: %s", out)
	}
	c.order = accepted.Digest
}

// WaitState waits until the rotation is in one of the states, and gives it. A rotation that is over or blocked, and was
// not waited for, fails the test at once.
func (c *Cluster) WaitState(states ...string) (status client.RotationStatus) {
	c.t.Helper()
	return c.watch(c.Admin(), fmt.Sprintf("the rotation to be %v", states), func(s client.RotationStatus) bool {
		for _, state := range states {
			if s.State == state {
				return true
			}
		}
		if s.State == client.StateBlocked || client.Finished(s.State) {
			c.t.Fatalf("the rotation is %s (%s), and was to be %v", s.State, s.Waiting, states)
		}
		return false
	})
}

// WaitRotation waits until the rotation is as asked, told of every change as soon as a node knows it.
func (c *Cluster) WaitRotation(node uint32, what string, holds func(client.RotationStatus) bool) client.RotationStatus {
	c.t.Helper()
	return c.watch(c.Admin(node), what, holds)
}

func (c *Cluster) watch(admin *client.Client, what string, holds func(client.RotationStatus) bool) client.RotationStatus {
	c.t.Helper()
	var version uint64
	var last string
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		status, err := admin.WaitRotation(c.t.Context(), version, time.Second)
		if err != nil {
			last = err.Error()
			<-again.C
			continue
		}
		if status.Order == nil || status.Order.Digest != c.order {
			version, last = status.Version, "another order"
			continue
		}
		if holds(status) {
			return status
		}
		version, last = status.Version, fmt.Sprintf("%s (%s): %d of %d rewrapped, %d verified; %+v", status.State, status.Waiting,
			status.Keys.Rewrapped, status.Keys.Total, status.Keys.Verified, status.Units)
	}
	c.t.Fatalf("waited %v for %s; the last seen: %s", patience, what, last)
	return client.RotationStatus{}
}

// Entered tells when the rotation entered a state.
func Entered(s client.RotationStatus, state string) (time.Time, bool) {
	for _, t := range s.Times {
		if t.State == state {
			return t.At, true
		}
	}
	return time.Time{}, false
}

// MustAgree has every node report its digest of the replicated state at one index; one that differs, or does not answer,
// fails the test.
func (c *Cluster) MustAgree() {
	c.t.Helper()
	report, err := c.Admin().Digest(c.t.Context())
	if err != nil {
		c.t.Fatalf("cluster digest: %v", err)
	}
	for _, n := range report.Nodes {
		if n.Error != "" || n.Differ {
			c.t.Fatalf("node %d and the others do not agree on the state at index %d: %+v", n.Number, report.Index, report.Nodes)
		}
	}
	if !report.Agreed || len(report.Nodes) != len(c.Nodes) {
		c.t.Fatalf("not all nodes agree on the state at index %d: %+v", report.Index, report.Nodes)
	}
}

// MustHold fails the test unless every unit holds the master key of that pattern in its current register, and nothing in its
// new one.
func (c *Cluster) MustHold(pattern string) {
	c.t.Helper()
	units, err := c.Admin().Units(c.t.Context())
	if err != nil {
		c.t.Fatal(err)
	}
	for _, u := range units.Units {
		if u.Registers.Current.Pattern != pattern || u.Registers.New.State != client.RegisterEmpty || u.Fenced || u.Error != "" {
			c.t.Errorf("crypto unit %d is to hold %s alone: %+v %s", u.Number, pattern, u.Registers, u.Error)
		}
	}
	if len(units.Units) != len(c.Nodes) {
		c.t.Errorf("%d crypto units, want %d", len(units.Units), len(c.Nodes))
	}
}

// MustCancel has one administrator cancel the rotation, and waits until it is.
func (c *Cluster) MustCancel() {
	c.t.Helper()
	c.MustRun("tke", "rotation", "cancel", "--keynum", "1", "--yes")
	c.WaitState(client.StateCancelled)
}

// MustComplete lets a rotation that is held go on to its end, and looks at what it left: every unit under the new master
// key alone, a receipt that holds, and every key as it was.
func (c *Cluster) MustComplete(keys *Keys) {
	c.t.Helper()
	c.WaitState(client.StateRewrapped)
	c.MustRun("tke", "rotation", "activate", "--keynum", "1")
	status := c.WaitState(client.StateComplete)
	if status.Keys.Rewrapped != status.Keys.Total || status.Keys.Verified != status.Keys.Total || status.Keys.Total < uint64(keys.Len()) {
		c.t.Fatalf("%d keys were made, and of %d %d were rewrapped and %d verified", keys.Len(), status.Keys.Total, status.Keys.Rewrapped, status.Keys.Verified)
	}
	c.MustHold(status.PatternAfter)
	c.MustVerify()
	keys.MustOpenAll()
	c.MustAgree()
}

// MustVerify takes the receipt of the last order, and has an auditor verify it who has that file and the list of administrators
// alone. It gives what the auditor reads.
func (c *Cluster) MustVerify() string {
	c.t.Helper()
	dir := c.t.TempDir()
	receipt, list := filepath.Join(dir, "receipt"), filepath.Join(dir, "administrators.der")
	c.MustRun("tke", "rotation", "receipt", "--out", receipt)
	if err := os.WriteFile(list, []byte(c.Read("tke/administrators-"+c.Instance+".der")), 0o600); err != nil {
		c.t.Fatal(err)
	}
	audit := exec.CommandContext(c.t.Context(), c.binary, "tke", "rotation", "receipt", "--verify", receipt, "--administrators", list)
	audit.Env, audit.Dir = []string{"PATH=" + os.Getenv("PATH"), "GORACE=" + os.Getenv("GORACE")}, dir
	out, err := audit.CombinedOutput()
	if err != nil {
		c.t.Fatalf("the receipt does not verify: %v\n%s", err, out)
	}
	return string(out)
}

// Partly tells whether some keys are rewrapped, and some are not.
func Partly(s client.RotationStatus) bool {
	return s.State == client.StateRewrapping && s.Keys.Rewrapped > 0 && s.Keys.Rewrapped < s.Keys.Total
}
