package cluster

import (
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// recover makes the log whole again after a crash: it drops a log that a received snapshot replaced, removes tables that no
// entry names, and checks every table that is still to be applied. The snapshot's index and term are 0 without one.
func (s *logStore) recover(snapshotIndex, snapshotTerm uint64) error {
	if err := s.dropReplaced(snapshotIndex, snapshotTerm); err != nil {
		return fmt.Errorf("drop the log that a snapshot replaced: %w", err)
	}
	err := s.removeTables(func(index, term uint64) bool {
		entry, table, err := s.stub(index)
		if err == nil && entry.Term == term && table.size > 0 && table.small == nil {
			return false
		}
		return err == nil || errors.Is(err, raft.ErrLogNotFound)
	})
	if err != nil {
		return err
	}
	return s.check(snapshotIndex)
}

// dropReplaced deletes the log if it ends before the snapshot or went another way: the crash came between the end of the
// snapshot's reception and the log's deletion.
func (s *logStore) dropReplaced(snapshotIndex, snapshotTerm uint64) error {
	first, err := s.bolt.FirstIndex()
	if err != nil {
		return err
	}
	last, err := s.bolt.LastIndex()
	if err != nil || snapshotIndex == 0 || last == 0 || first > snapshotIndex {
		return err
	}
	entry, _, err := s.stub(snapshotIndex)
	if err == nil && entry.Term == snapshotTerm {
		return nil
	}
	if err != nil && !errors.Is(err, raft.ErrLogNotFound) {
		return err
	}
	s.logger.Warn("the snapshot replaces this log", "first", first, "last", last, "snapshot", snapshotIndex)
	return s.DeleteRange(first, last)
}

// check reads every entry above the snapshot, which is what Raft is about to read, so that damage is an error and no panic.
func (s *logStore) check(snapshotIndex uint64) error {
	first, err := s.bolt.FirstIndex()
	if err != nil {
		return err
	}
	last, err := s.bolt.LastIndex()
	if err != nil || last == 0 {
		return err
	}
	if first > snapshotIndex+1 {
		return fmt.Errorf("%w: the log in %s starts at entry %d, and no snapshot has those before it; %s", ErrDamaged, s.dir, first, damageHint)
	}
	for index := max(first, snapshotIndex+1); index <= last; index++ {
		entry, table, err := s.stub(index)
		if err == nil && table.size > 0 {
			_, err = readTable(TablePath(s.dir, index, entry.Term), table)
		}
		if err != nil {
			return fmt.Errorf("%w: entry %d of the log in %s: %w; %s", ErrDamaged, index, s.dir, err, damageHint)
		}
		s.sizes.add(index, entryBytes(len(entry.Data), table.size))
	}
	return nil
}

const damageHint = "remove this node from the cluster, empty its folder and join it again"

// LogEntry is an entry of this node's own log.
type LogEntry struct {
	Index, Term     uint64
	Type            string // command, noop, barrier, configuration
	Data            []byte
	ExtensionSize   int64    // bytes of the table beside the log; 0 without one
	ExtensionDigest [32]byte // SHA-256 of the table
	AppendedAt      time.Time
}

// entries reads this log for display: stubs, not tables.
func (s *logStore) entries(from uint64, limit int) ([]LogEntry, error) {
	first, err := s.bolt.FirstIndex()
	if err != nil {
		return nil, err
	}
	last, err := s.bolt.LastIndex()
	if err != nil || last == 0 {
		return nil, err
	}
	var out []LogEntry
	for index := max(from, first); index <= last && len(out) < limit; index++ {
		entry, table, err := s.stub(index)
		if errors.Is(err, raft.ErrLogNotFound) { // cut meanwhile
			continue
		}
		if err != nil {
			return out, err
		}
		out = append(out, LogEntry{
			Index: index, Term: entry.Term, Type: typeName(entry.Type), Data: entry.Data,
			ExtensionSize: table.size, ExtensionDigest: table.digest, AppendedAt: entry.AppendedAt,
		})
	}
	return out, nil
}

func typeName(t raft.LogType) string {
	switch t {
	case raft.LogCommand:
		return "command"
	case raft.LogNoop:
		return "noop"
	case raft.LogBarrier:
		return "barrier"
	case raft.LogConfiguration:
		return "configuration"
	case raft.LogAddPeerDeprecated, raft.LogRemovePeerDeprecated:
	}
	return fmt.Sprintf("type %d", t)
}
