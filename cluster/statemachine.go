package cluster

import (
	"context"

	"github.com/hashicorp/raft"
)

// StateMachine is what a cluster replicates. Raft calls ApplyBatch, Snapshot and Restore from one goroutine.
//
// ApplyBatch answers each command with a []byte, which Propose returns, or with an error, which means that this node can no
// longer follow the log: the cluster stops, hands the state machine no further entry, and says so through Failed. After a
// restart Raft repeats entries from its newest snapshot on; the state machine skips those that it holds already. An entry's
// table is in raft.Log.Extensions and, if it is not small, byte for byte in the file at TablePath(dir, index, term), which must
// only be linked or read: it belongs to the log, and goes when the log is cut.
//
// Snapshot makes the checkpoint before it returns, in a folder on the same file system as Config.Dir; the FSMSnapshot's
// Persist hands that folder over:
//
//	sink.(interface{ AdoptFolder(path string) error }).AdoptFolder(folder)
//
// Restore reads a tar of such a folder. The reader's innermost wrapped reader (see raft.ReadCloserWrapper) also has the
// method Folder() string: the same checkpoint, on this machine's own disk, for linking instead of copying; it must not be
// changed, and is not to be relied on after Restore returns.
type StateMachine interface {
	raft.BatchingFSM

	// AppliedIndex is the index of the last command in the state: of entries of type raft.LogCommand alone, so that it is
	// the same number on every member that has applied the same commands. It is what readers can see already.
	AppliedIndex() uint64

	// Flush makes durable what has been applied, while further entries are: so that Snapshot, for which they wait, has
	// little left to do. Any goroutine may call it.
	Flush() error

	// WaitApplied returns once AppliedIndex is at least index, or with the context's error.
	WaitApplied(ctx context.Context, index uint64) error
}

// FolderSink is what a state machine's snapshot is written to: a folder changes owner instead of being copied.
type FolderSink interface {
	raft.SnapshotSink

	// AdoptFolder takes the folder at path over, by rename: the caller no longer owns it, whatever the result. Only
	// regular files and folders may be in it, and Close makes all of them durable. It may be called once, and not together
	// with Write.
	AdoptFolder(path string) error
}

// Durable is what this node's log and snapshots hold before Raft starts, for the state machine to compare itself with.
type Durable struct {
	// Snapshot is the checkpoint folder of the newest snapshot, or "" without one. Link or copy from it, never change it.
	Snapshot string

	// SnapshotIndex is Raft's index of that snapshot, which may be above the last command inside: a barrier raises it.
	SnapshotIndex uint64

	// FirstIndex and LastIndex are the ends of the log, both 0 when it is empty.
	FirstIndex, LastIndex uint64
}
