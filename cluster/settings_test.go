package cluster

import (
	"reflect"
	"testing"

	"github.com/hashicorp/go-hclog"
	"go.etcd.io/bbolt"
)

// TestTheLibrariesAreSetAsTheyMustBe: what is promised of disk and memory hangs on settings that no other test would miss.
func TestTheLibrariesAreSetAsTheyMustBe(t *testing.T) {
	dir := t.TempDir()
	config, err := Config{
		Number: 1, Dir: dir, Address: "127.0.0.1:0", FSM: newTally(t.TempDir()), Gossip: Gossip{Address: "127.0.0.1:0", Keyring: [][]byte{make([]byte, 32)}},
	}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	c := &Cluster{cfg: config, log: openLog(t, dir)}

	bolt := reflect.ValueOf(c.log.bolt).Elem().FieldByName("conn").Elem()
	if bolt.FieldByName("NoSync").Bool() {
		t.Error("Bolt syncs nothing: an entry that was acknowledged may be lost")
	}
	if !bolt.FieldByName("NoFreelistSync").Bool() || bolt.FieldByName("FreelistType").String() != string(bbolt.FreelistMapType) {
		t.Error("Bolt writes its list of free pages at every commit, or searches it one by one")
	}
	cached, err := c.cachedLog()
	if err != nil {
		t.Fatal(err)
	}
	if n := reflect.ValueOf(cached).Elem().FieldByName("cache").Len(); n < 32 || n > 64 {
		t.Errorf("%d entries of the log are kept in memory, not 32 to 64", n)
	}
	conf := c.raftConfig(hclog.NewNullLogger())
	if n := conf.MaxAppendEntries; n != 32 { // Raft holds 128 groups of that many tables for a follower that catches up
		t.Errorf("%d entries go in one message", n)
	}
	if !conf.NoSnapshotRestoreOnStart {
		t.Error("Raft restores the newest snapshot at every start, over a store that is ahead of it")
	}
}
