package node

import (
	"encoding/base64"
	"path/filepath"
	"testing"
	"time"

	"tumbler/fsm"
	"tumbler/kms"
)

func TestWaits(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	pass := func(d time.Duration) { now = now.Add(d) }
	w := newWaits(func() time.Time { return now })
	if got := w.slowest(); got != 0 {
		t.Errorf("nobody called, and one waited %v", got)
	}
	slow, quick := w.begin(), w.begin()
	pass(time.Millisecond)
	quick()
	pass(30 * time.Millisecond)
	slow()
	if got := w.slowest(); got != 31*time.Millisecond {
		t.Errorf("the slowest waited %v", got)
	}
	pass(waitsSpan)
	w.begin()()
	if got := w.slowest(); got != 31*time.Millisecond {
		t.Errorf("it is forgotten within a span: %v", got)
	}
	pass(waitsSpan)
	if got := w.slowest(); got != 0 {
		t.Errorf("after two spans one still waits %v", got)
	}
	end := w.begin()
	pass(10 * waitsSpan)
	end()
	if got := w.slowest(); got != 10*waitsSpan {
		t.Errorf("a wait over many spans is %v", got)
	}
}

// TestWhatClientsWaitForIsTold: a client's read and its commit are waits, and nodes that rewrap hear of them; a bulk takes
// long however idle the cluster is, and is none.
func TestWhatClientsWaitForIsTold(t *testing.T) {
	n := alone(t)
	at := time.Now()
	n.waits.now = func() time.Time { at = at.Add(time.Millisecond); return at }
	ctx := t.Context()
	if err := n.cluster.Bootstrap(ctx); err != nil {
		t.Fatal(err)
	}
	propose := newKeyProposer(n.replica, n.disk, n.waits).Propose
	for _, c := range []struct {
		what  string
		call  func() error
		waits bool
	}{
		{"a read", func() error { _, err := n.keys.IssueToken(ctx, "no API key", kms.Caller{}); return err }, true},
		{"a bulk", func() error { _, err := propose(ctx, &fsm.CreateKeys{}); return err }, false},
		{"a commit", func() error { _, err := propose(ctx, &fsm.DeleteAPIKey{}); return err }, true},
	} {
		n.waits.before, n.waits.lately = 0, 0
		if err := c.call(); err == nil {
			t.Errorf("%s: an empty state does not refuse it", c.what)
		}
		if waited := n.waits.slowest() > 0; waited != c.waits {
			t.Errorf("%s is a wait: %t", c.what, waited)
		}
	}
	if load, err := n.cluster.Load(ctx); err != nil || load.Delay == 0 {
		t.Errorf("nodes that rewrap are told %+v, %v", load, err)
	}
}

// alone is a node without interfaces, of no cluster yet.
func alone(t *testing.T) *Node {
	t.Helper()
	keys := filepath.Join(t.TempDir(), "keys")
	write(t, keys, base64.StdEncoding.EncodeToString(make([]byte, 32))+"\n", 0o600)
	n, err := start(Config{
		Number: 1, Role: RoleOperational, DataDir: t.TempDir(), Listen: Listen{Host: "127.0.0.1", Advertise: "127.0.0.1"}, TLS: certified(t),
		Gossip: Gossip{KeyFile: keys}, Sealing: Sealing{KeyFile: keys}, Disk: Disk{Low: 2, Reserve: 1}, Log: Log{Level: "error"},
	}, make(chan error, 1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.close(); err != nil {
			t.Error(err)
		}
	})
	return n
}
