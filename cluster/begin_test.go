package cluster

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
)

// TestAnotherClusterBeginsWithAState: a snapshot that was taken, carried away and unpacked is the state of a cluster of one,
// which others join; the cluster that it was taken from goes on as if nothing had been.
func TestAnotherClusterBeginsWithAState(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(2)
	f.propose(nodes[0], "before")
	taken := must(nodes[0].Take(f.ctx()))
	f.propose(nodes[0], "after")
	f.noError(nodes[0].Snapshot(f.ctx())) // what was taken stays until it is closed
	folder := filepath.Join(f.t.TempDir(), "unpacked")
	check(os.Mkdir(folder, 0o700))
	f.noError(Unpack(taken, folder))
	if must(archiveSize(folder)) != taken.Size {
		t.Error("it has another size than was said")
	}
	f.noError(taken.Close())

	state := newTally("")
	f.noError(state.Recover(Durable{Snapshot: folder}))
	config := f.config(3)
	beginning := Beginning{Dir: config.Dir, Number: 3, Address: "127.0.0.1:1", Index: state.index, Persist: func(sink raft.SnapshotSink) error {
		return folderSnapshot(folder).Persist(sink)
	}}
	f.noError(Begin(beginning))
	if err := Begin(beginning); err == nil {
		t.Error("a folder that is not empty was taken")
	}
	third := f.open(config)
	f.waitFor("it to lead", func() bool { leader, ok := third.Leader(); return ok && leader == 3 })
	f.noError(third.ReadIndex(f.ctx()))
	if third.fsm.Count("before") != 1 || third.fsm.Count("after") != 0 {
		t.Error("it has another state than was taken")
	}
	f.propose(third, "elsewhere")
	fourth := f.open(f.config(4))
	f.noError(fourth.Join(f.ctx(), third.Address(), goodToken))
	if fourth.fsm.Count("before") != 1 || fourth.fsm.Count("elsewhere") != 1 {
		t.Error("who joins has another state")
	}
	f.isError(nodes[1].Join(f.ctx(), third.Address(), goodToken), ErrOtherCluster)
	f.propose(nodes[1], "undisturbed")
	if nodes[1].fsm.Count("after") != 1 || nodes[1].fsm.Count("elsewhere") != 0 {
		t.Error("the cluster that it was taken from is another")
	}
}

// TestARestoredMemberIsNoneOfTheClusterThatWas: it has the number and the address of a member of a cluster that runs on, and
// neither cluster hears of the other's log.
func TestARestoredMemberIsNoneOfTheClusterThatWas(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(3)
	f.propose(nodes[0], "before")
	taken := must(nodes[0].Take(f.ctx()))
	folder := filepath.Join(f.t.TempDir(), "unpacked")
	check(os.Mkdir(folder, 0o700))
	f.noError(Unpack(taken, folder))
	f.noError(taken.Close())
	config := nodes[1].config
	f.stop(nodes[1])
	state := newTally("")
	f.noError(state.Recover(Durable{Snapshot: folder}))
	config.Dir = filepath.Join(f.t.TempDir(), "raft")
	f.noError(Begin(Beginning{Dir: config.Dir, Number: 2, Address: config.Address, Index: state.index, Persist: func(sink raft.SnapshotSink) error {
		return folderSnapshot(folder).Persist(sink)
	}}))
	restored := f.open(config)
	f.waitFor("it to lead", func() bool { leader, ok := restored.Leader(); return ok && leader == 2 })
	f.noError(restored.ReadIndex(f.ctx()))
	term := restored.raft.CurrentTerm()
	leader := f.leader(nodes[0], nodes[2])
	f.isError(leader.sameCluster(f.ctx(), 2, restored.Address()), ErrOtherCluster)
	_, err := leader.calls.call(f.ctx(), 2, methodCommitted, leader.commitment().appendTo(nil))
	f.isError(err, ErrOtherCluster)
	for range 50 {
		f.propose(leader, "there")
		f.propose(restored, "here")
	}
	if restored.raft.CurrentTerm() != term || restored.fsm.Count("there") != 0 || leader.fsm.Count("here") != 0 {
		t.Errorf("the clusters met: term %d, then %d", term, restored.raft.CurrentTerm())
	}
	if metas := must(restored.snapshots.List()); len(metas) != 1 || metas[0].Term != beginningTerm {
		t.Errorf("snapshots: %+v", metas)
	}
}
