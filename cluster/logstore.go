package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"
	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sync/errgroup"

	"tumbler/holdpoint"
)

// logStore is Raft's log: entries in Bolt, and an entry's table in a file beside it, unless it is small. Such a table is durable before the entry
// that names it, and goes after it: so a file without an entry is rubbish, and an entry without its file is damage.
type logStore struct {
	bolt   *raftboltdb.BoltStore
	dir    string // Config.Dir
	logger hclog.Logger
	sizes  logSizes

	// covered is the index of the newest snapshot: entries up to it can be had from there.
	covered func() uint64

	// damaged is told of an entry that neither the log nor a snapshot can give.
	damaged func(error)

	// room waits until another table may be taken, see backlog.
	room func(index uint64, bytes int64)

	// digests are those of the newest tables.
	digests digests

	// grown is called after entries were stored.
	grown func()
}

func openLogStore(dir string, logger hclog.Logger) (*logStore, error) {
	if err := os.MkdirAll(filepath.Join(dir, tablesFolder), 0o700); err != nil {
		return nil, &ConfigError{Key: "dir", Value: dir, Err: err, Hint: "give the process a folder that it may write to"}
	}
	path := filepath.Join(dir, "log.bolt")
	if err := whole(path); err != nil {
		return nil, err
	}
	bolt, err := raftboltdb.New(raftboltdb.Options{
		Path: path,
		BoltOptions: &bbolt.Options{
			Timeout:        time.Second,
			NoFreelistSync: true, // a start scans for free pages; every commit is spared writing them
			FreelistType:   bbolt.FreelistMapType,
		},
		MsgpackUseNewTimeFormat: true,
	})
	if err != nil {
		hint := "if the disk or the file is at fault, remove this node from the cluster, empty its folder and join it again"
		if errors.Is(err, bolterrors.ErrTimeout) {
			hint = "another process uses this folder: stop it, or give this node its own"
		}
		return nil, &ConfigError{Key: "dir", Value: path, Err: err, Hint: hint}
	}
	return &logStore{
		bolt: bolt, dir: dir, logger: logger,
		covered: func() uint64 { return 0 }, damaged: func(error) {}, room: func(uint64, int64) {}, grown: func() {},
	}, nil
}

func (s *logStore) Close() error { return s.bolt.Close() }

// IsMonotonic has Raft drop the whole old log after it installed a snapshot: otherwise entries that never were committed
// could stay below it, and be sent to others later.
func (s *logStore) IsMonotonic() bool { return true }

func (s *logStore) FirstIndex() (uint64, error) { return s.bolt.FirstIndex() }

func (s *logStore) LastIndex() (uint64, error) { return s.bolt.LastIndex() }

func (s *logStore) StoreLog(entry *raft.Log) error { return s.StoreLogs([]*raft.Log{entry}) }

func (s *logStore) StoreLogs(entries []*raft.Log) error {
	stubs := make([]*raft.Log, len(entries))
	var group errgroup.Group
	group.SetLimit(4)
	tables := 0
	for i, entry := range entries {
		if len(entry.Extensions) == 0 {
			stubs[i] = entry
			continue
		}
		if len(entry.Extensions) > maxTable {
			return fmt.Errorf("the table of entry %d has %d bytes, above the limit of %d", entry.Index, len(entry.Extensions), maxTable)
		}
		s.room(entry.Index, int64(len(entry.Extensions)))
		short := *entry // the entry itself belongs to Raft and its cache
		stubs[i] = &short
		stand := func() {
			table := stubOf(entry.Extensions)
			s.digests.note(entry.Index, entry.Term, table.digest)
			short.Extensions = table.encode()
		}
		if len(entry.Extensions) < SmallTable {
			stand()
			continue
		}
		tables++
		group.Go(func() error {
			stand()
			return writeTable(TablePath(s.dir, entry.Index, entry.Term), entry.Extensions)
		})
	}
	if err := group.Wait(); err != nil {
		return fmt.Errorf("write a table beside the log: %w", err)
	}
	if tables > 0 {
		if err := syncFolder(filepath.Join(s.dir, tablesFolder)); err != nil {
			return fmt.Errorf("write a table beside the log: %w", err)
		}
	}
	if err := holdpoint.Step("log-store", func() error { return s.bolt.StoreLogs(stubs) }); err != nil {
		return err
	}
	for _, entry := range entries {
		s.sizes.add(entry.Index, entryBytes(len(entry.Data), int64(len(entry.Extensions))))
	}
	s.grown()
	return nil
}

// entryBytes is what an entry takes on disk, roughly.
func entryBytes(data int, table int64) int64 { return int64(data) + table + 100 }

// stub reads an entry as Bolt has it.
func (s *logStore) stub(index uint64) (entry raft.Log, table stub, err error) {
	if err := s.bolt.GetLog(index, &entry); err != nil {
		return raft.Log{}, stub{}, err
	}
	if len(entry.Extensions) == 0 {
		return entry, stub{}, nil
	}
	table, err = decodeStub(entry.Extensions)
	if err != nil {
		return raft.Log{}, stub{}, fmt.Errorf("%w: entry %d: %w", ErrDamaged, index, err)
	}
	return entry, table, nil
}

func (s *logStore) GetLog(index uint64, entry *raft.Log) error {
	var got raft.Log
	err := s.bolt.GetLog(index, &got)
	if err == nil {
		got.Extensions, err = Table(s.dir, &got)
	}
	if errors.Is(err, ErrDamaged) {
		if index <= s.covered() {
			s.logger.Error("an old entry is damaged; members that need it get the snapshot", "index", index, "error", err)
			return raft.ErrLogNotFound
		}
		s.damaged(fmt.Errorf("entry %d of the log: %w", index, err))
	}
	if err != nil {
		return err
	}
	*entry = got
	return nil
}

// deleteChunk bounds how long a deletion keeps entries from being stored.
const deleteChunk = 4096

// DeleteRange deletes stubs first, then their tables. What is left after a crash has no hole: a head is deleted upwards, a
// tail downwards.
func (s *logStore) DeleteRange(from, to uint64) error {
	first, err := s.bolt.FirstIndex()
	if err != nil {
		return err
	}
	for low, high := from, to; low <= high; {
		if high-low < deleteChunk {
			err = s.deleteStubs(low, high)
		} else if from <= first {
			err = s.deleteStubs(low, low+deleteChunk-1)
			low += deleteChunk
			if err == nil {
				continue
			}
		} else {
			err = s.deleteStubs(high-deleteChunk+1, high)
			high -= deleteChunk
			if err == nil {
				continue
			}
		}
		break
	}
	if err != nil {
		return err
	}
	s.sizes.cut(from, to)
	holdpoint.At("before-log-table-removal")
	return s.removeTables(func(index, _ uint64) bool { return from <= index && index <= to })
}

func (s *logStore) deleteStubs(from, to uint64) error {
	return holdpoint.Step("log-delete", func() error { return s.bolt.DeleteRange(from, to) })
}

// removeTables removes the files of entries that are gone. A file that cannot be removed is left for the next start.
func (s *logStore) removeTables(gone func(index, term uint64) bool) error {
	folder := filepath.Join(s.dir, tablesFolder)
	names, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		index, term, ok := parseTableName(name.Name())
		if !ok || !gone(index, term) {
			continue
		}
		if err := os.Remove(filepath.Join(folder, name.Name())); err != nil {
			s.logger.Warn("cannot remove a table that the log no longer names", "error", err)
		}
	}
	return nil
}
