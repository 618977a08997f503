package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"tumbler/holdpoint"
)

// Beginning is a cluster of one member that begins with a state instead of an empty log.
type Beginning struct {
	Dir     string // Config.Dir of the member; empty or missing
	Number  uint32
	Address string // host:port at which other nodes will reach it
	Index   uint64 // of the last command in the state
	// Persist hands the state machine's checkpoint over, as raft.FSMSnapshot does.
	Persist func(raft.SnapshotSink) error
	Logger  hclog.Logger // nil: none
}

// beginningTerm is the term of the snapshot that a beginning is. In a log that an election began, no later entry has it: so
// no log of the cluster that the state is from goes on from here.
const beginningTerm = 1

// currentTermKey is where Raft keeps its term.
var currentTermKey = []byte("CurrentTerm")

// Begin makes the member's folder; Open then starts it. The cluster is another one than that which the state is from, even
// if it has the same members: it has an id of its own, and no log.
func Begin(b Beginning) error {
	logger := b.Logger
	if logger == nil {
		logger = hclog.NewNullLogger()
	}
	entries, err := os.ReadDir(b.Dir)
	if err == nil && len(entries) > 0 {
		err = fmt.Errorf("%s is not empty", b.Dir)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	log, err := openLogStore(b.Dir, logger)
	if err != nil {
		return err
	}
	id := newIdentity()
	err = holdpoint.Step("cluster-begin", func() error {
		return errors.Join(log.bolt.Set(identityKey, id[:]), log.bolt.SetUint64(currentTermKey, beginningTerm), log.Close())
	})
	if err != nil {
		return fmt.Errorf("begin the log: %w", err)
	}
	snapshots, err := openSnapshotStore(b.Dir, logger)
	if err != nil {
		return err
	}
	members := raft.Configuration{Servers: []raft.Server{{
		Suffrage: raft.Voter, ID: serverID(b.Number), Address: raft.ServerAddress(b.Address),
	}}}
	sink, err := snapshots.Create(1, b.Index, beginningTerm, members, b.Index, nil)
	if err != nil {
		return err
	}
	if err := b.Persist(sink); err != nil {
		return errors.Join(fmt.Errorf("begin with the state: %w", err), sink.Cancel())
	}
	if err := sink.Close(); err != nil {
		return fmt.Errorf("begin with the state: %w", err)
	}
	return syncFolder(b.Dir)
}

// Unpack writes a stream of a checkpoint folder (see Taken) to an empty folder, and makes it durable.
func Unpack(stream io.Reader, folder string) error {
	if err := readArchive(stream, folder); err != nil {
		return err
	}
	return syncTree(folder)
}
