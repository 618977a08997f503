package fsm

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"tumbler/holdpoint"
)

// Flush makes durable what has been applied, while further entries are: Snapshot, which holds them up, then has little to do.
func (s *Store) Flush() error {
	s.mu.RLock()
	db, open, err := s.db, s.views, s.stopped
	if err == nil {
		open.Add(1)
	}
	s.mu.RUnlock()
	if err != nil {
		return err
	}
	defer open.Done()
	return holdpoint.Step("store-flush", db.Flush)
}

// Snapshot implements raft.FSM: the store is flushed, so that its applied index is durable, and a checkpoint is made, both
// on the apply goroutine, so exactly at the last applied index. Nothing is copied: the files are linked. Whoever takes the
// checkpoint over makes it durable (cluster.FolderSink).
func (s *Store) Snapshot() (raft.FSMSnapshot, error) {
	if err := s.stoppedBy(); err != nil {
		return nil, err
	}
	if err := holdpoint.Step("snapshot-flush", s.db.Flush); err != nil {
		return nil, s.fail(fmt.Errorf("flushing the store: %w", err))
	}
	s.checkouts++
	path := filepath.Join(s.config.Dir, checkpointPrefix+strconv.FormatUint(s.applied, 10)+"-"+strconv.Itoa(s.checkouts))
	if err := s.config.FS.RemoveAll(path); err != nil {
		return nil, err
	}
	if err := holdpoint.Step("snapshot-checkpoint", func() error { return s.db.Checkpoint(path) }); err != nil {
		return nil, fmt.Errorf("making a checkpoint: %w", err)
	}
	return &checkpoint{path, s.config.FS}, nil
}

// checkpoint is a folder that waits to be taken over.
type checkpoint struct {
	path  string
	files vfs.FS
}

// Persist hands the folder to the sink.
func (c *checkpoint) Persist(sink raft.SnapshotSink) error {
	adopter, ok := sink.(interface{ AdoptFolder(path string) error })
	if !ok {
		return errors.Join(fmt.Errorf("a snapshot goes to a sink that takes folders, not to a %T", sink), sink.Cancel())
	}
	if err := adopter.AdoptFolder(c.path); err != nil {
		return errors.Join(err, sink.Cancel())
	}
	return sink.Close()
}

// Release removes a folder that nobody took.
func (c *checkpoint) Release() { _ = c.files.RemoveAll(c.path) } // what stays is removed at the next start

// Restore implements raft.FSM: the snapshot becomes a new folder, complete on disk before the pointer is switched to it.
func (s *Store) Restore(from io.ReadCloser) error {
	defer from.Close()
	if err := s.stoppedBy(); err != nil {
		return err
	}
	return s.replace(func(folder string) error {
		if local, ok := localFolder(from); ok {
			return linkAll(s.config.FS, local, folder)
		}
		return unpack(s.config.FS, from, folder)
	})
}

func localFolder(from io.ReadCloser) (string, bool) {
	for {
		if f, ok := from.(interface{ Folder() string }); ok {
			return f.Folder(), true
		}
		w, ok := from.(raft.ReadCloserWrapper)
		if !ok {
			return "", false
		}
		from = w.WrappedReadCloser()
	}
}

// replace makes another folder the store. fill writes it.
func (s *Store) replace(fill func(folder string) error) error {
	next, err := nextFolder(s.folder)
	if err != nil {
		return err
	}
	path := filepath.Join(s.config.Dir, next)
	files := s.config.FS
	if err := files.RemoveAll(path); err != nil {
		return err
	}
	if err := files.MkdirAll(path, 0o700); err != nil {
		return err
	}
	if err := fill(path); err != nil {
		return fmt.Errorf("restoring the store: %w", err)
	}
	if err := syncDir(files, path); err != nil {
		return err
	}
	if err := s.checkFolder(path); err != nil {
		return err
	}
	if err := setCurrent(files, s.config.Dir, next); err != nil {
		return err
	}
	s.mu.Lock()
	was, old, views := s.db, s.folder, s.views
	s.mu.Unlock()
	if err := s.openFolder(next); err != nil {
		return s.fail(err)
	}
	s.former.Go(func() { s.leave(was, views, filepath.Join(s.config.Dir, old)) })
	return nil
}

// leave closes and removes a former store once no view of it is open. Nothing waits for that but Close: who holds a view open may
// be waiting for an entry, which comes after the restore.
func (s *Store) leave(was *pebble.DB, views *sync.WaitGroup, path string) {
	views.Wait()
	err := was.Close()
	if err == nil {
		err = holdpoint.Step("store-former-removal", func() error { return s.config.FS.RemoveAll(path) })
	}
	if err != nil {
		_ = s.fail(fmt.Errorf("leaving the former store: %w", err))
	}
}

// checkFolder refuses a store that is another cluster's.
func (s *Store) checkFolder(path string) error {
	_, theirs, err := inspect(s.config.FS, path, s.config.Logger)
	if err != nil {
		return err
	}
	return s.sameCluster(&theirs)
}

// sameCluster refuses a snapshot of another cluster, or of the same before or after it was restored from an archive: their logs
// have nothing to do with each other.
func (s *Store) sameCluster(theirs *Cluster) error {
	mine := &s.control.cluster
	if mine.ID != (ID{}) && (theirs.ID != mine.ID || theirs.Incarnation != mine.Incarnation) {
		return fmt.Errorf("%w: this node is of cluster %x, incarnation %d, the snapshot of %x, incarnation %d", ErrForeign,
			mine.ID, mine.Incarnation, theirs.ID, theirs.Incarnation)
	}
	return nil
}

// unlocked opens folders that nobody writes to: a checkpoint is sent to others as so many bytes, and a lock would be a file more.
type unlocked struct{ vfs.FS }

func (unlocked) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// Inspect reads the applied index and the cluster's record of a checkpoint folder, and leaves it as it is. The record is empty
// before bootstrap.
func Inspect(path string, logger hclog.Logger) (applied uint64, cluster Cluster, err error) {
	return inspect(vfs.Default, path, logger)
}

func inspect(files vfs.FS, path string, logger hclog.Logger) (applied uint64, cluster Cluster, err error) {
	db, err := pebble.Open(path, &pebble.Options{
		ReadOnly: true, DisableWAL: true, FormatMajorVersion: pebble.FormatColumnarBlocks, FS: unlocked{files},
		Logger: pebbleLogger{&Store{config: Config{Logger: logger}}},
	})
	if err != nil {
		return 0, cluster, fmt.Errorf("the snapshot cannot be read: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if applied, err = readApplied(db); err != nil {
		return 0, cluster, err
	}
	if err := get(db, keyCluster, &cluster); err != nil && !errors.Is(err, ErrNotFound) {
		return 0, cluster, err
	}
	return applied, cluster, nil
}

func nextFolder(folder string) (string, error) {
	n, err := strconv.ParseUint(strings.TrimPrefix(folder, folderPrefix), 10, 64)
	if err != nil {
		return "", fmt.Errorf("the store's folder is named %q", folder)
	}
	return folderPrefix + strconv.FormatUint(n+1, 10), nil
}

// linkAll links a checkpoint's files; those that Pebble changes in place are copied.
func linkAll(files vfs.FS, from, to string) error {
	return walk(files, from, func(relative string, folder bool) error {
		source, target := filepath.Join(from, relative), filepath.Join(to, relative)
		switch {
		case folder:
			return files.MkdirAll(target, 0o700)
		case strings.HasSuffix(relative, ".sst"):
			return holdpoint.Step("store-link", func() error { return vfs.LinkOrCopy(files, source, target) })
		}
		return holdpoint.Step("store-copy", func() error { return vfs.Copy(files, source, target) })
	})
}

// unpack writes a tar's files, each synced.
func unpack(files vfs.FS, from io.Reader, to string) error {
	archive := tar.NewReader(from)
	for {
		head, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(head.Name) {
			return fmt.Errorf("the archive names %q", head.Name)
		}
		target := filepath.Join(to, head.Name)
		switch head.Typeflag {
		case tar.TypeDir:
			err = files.MkdirAll(target, 0o700)
		case tar.TypeReg:
			err = unpackFile(files, archive, target)
		default:
			err = fmt.Errorf("the archive holds %q, which is neither file nor folder", head.Name)
		}
		if err != nil {
			return err
		}
	}
}

func unpackFile(files vfs.FS, from io.Reader, target string) error {
	if err := files.MkdirAll(filepath.Dir(target), 0o700); err != nil {
		return err
	}
	if _, err := files.Stat(target); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(err, fmt.Errorf("the archive holds %s twice", target))
	}
	return writeSync(files, target, from)
}

// Recover compares the store with what log and snapshots hold, before Raft starts: a store behind the newest snapshot (its
// checkpoint folder, "" without one) is restored from it, since Raft never replays below it; one of another cluster, or
// ahead of the last index of both, is refused.
func (s *Store) Recover(checkpoint string, snapshotIndex, lastIndex uint64) error {
	if err := s.removeLeftovers(); err != nil {
		return err
	}
	if s.applied > max(snapshotIndex, lastIndex) {
		return fmt.Errorf("%w: it is at %d, the log ends at %d", ErrAhead, s.applied, max(snapshotIndex, lastIndex))
	}
	if checkpoint == "" {
		return nil
	}
	applied, theirs, err := inspect(s.config.FS, checkpoint, s.config.Logger)
	if err != nil {
		return err
	}
	if err := s.sameCluster(&theirs); err != nil {
		return err
	}
	if s.applied >= applied {
		return nil
	}
	return s.replace(func(folder string) error { return linkAll(s.config.FS, checkpoint, folder) })
}

// removeLeftovers removes what a crash left half done.
func (s *Store) removeLeftovers() error {
	names, err := s.config.FS.List(s.config.Dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		if name != pointerName && name != s.folder {
			if err := s.config.FS.RemoveAll(filepath.Join(s.config.Dir, name)); err != nil {
				return err
			}
		}
	}
	return nil
}
