package fsm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"tumbler/holdpoint"
)

// Config is what a Store is opened with.
type Config struct {
	// Dir holds the store's folders; made if missing. On the same file system as the log's folder.
	Dir string
	// FS is that file system; nil: this machine's.
	FS vfs.FS
	// TablePath, if set, gives the file of an entry's table beside the log, to be linked instead of written again.
	TablePath func(index, term uint64) string
	// TableDigest, if set, gives the SHA-256 of an entry's table where it is known already, which is most of the cost of
	// checking one.
	TableDigest func(index, term uint64) ([32]byte, bool)
	// Fatal, if set, is told why the store stopped: the node must end. It does not call the store.
	Fatal func(error)
	// SmallTable is the size in bytes from which the table of an entry is ingested. A smaller one is not worth the two disk
	// syncs of that, for which all who read wait: its blobs are written as other records are. The state is the same. Default
	// 256 KiB.
	SmallTable int
	// CacheSize bounds Pebble's block cache, in bytes. Default 64 MiB.
	CacheSize int64
	// Logger; nil: none.
	Logger hclog.Logger
}

// Store is one node's replica of the state. Raft calls ApplyBatch, Snapshot and Restore from one goroutine; everything else
// may be called by many at once.
type Store struct {
	config Config

	// Of the apply goroutine alone.
	control   *control
	results   *results
	applied   uint64
	tables    []*raft.Log // entries of the batch under way whose tables are to be ingested
	checkouts int         // checkpoints made, for their names

	mu        sync.RWMutex
	db        *pebble.DB
	views     *sync.WaitGroup // open on db
	cache     *pebble.Cache
	folder    string
	published published
	changed   chan struct{} // closed when published.control changes
	advanced  chan struct{} // closed when published.index changes
	digests   map[uint64]*digestAt
	stopped   error

	former sync.WaitGroup // stores that were left and are not closed yet
}

// published is what views and waiters see: the state at the last commit.
type published struct {
	control *control
	index   uint64
}

// The pointer file names the folder that is the store; it is replaced by rename.
const (
	pointerName  = "CURRENT"
	folderPrefix = "store-"

	// FirstFolder is the folder in Config.Dir that a new store is opened in: a checkpoint may lie there already.
	FirstFolder = folderPrefix + "0"
)

// Open opens the store of a folder, or an empty one.
func Open(config Config) (*Store, error) {
	if config.CacheSize == 0 {
		config.CacheSize = 64 << 20
	}
	if config.SmallTable == 0 {
		config.SmallTable = 256 << 10
	}
	if config.Logger == nil {
		config.Logger = hclog.NewNullLogger()
	}
	if config.FS == nil {
		config.FS = vfs.Default
	}
	if err := config.FS.MkdirAll(config.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("the store's folder: %w", err)
	}
	folder, err := currentFolder(config.FS, config.Dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		config: config, changed: make(chan struct{}), advanced: make(chan struct{}), digests: map[uint64]*digestAt{},
		cache: pebble.NewCache(config.CacheSize),
	}
	if err := s.openFolder(folder); err != nil {
		s.cache.Unref()
		return nil, err
	}
	return s, nil
}

func currentFolder(files vfs.FS, dir string) (string, error) {
	name, err := readFile(files, filepath.Join(dir, pointerName))
	if errors.Is(err, fs.ErrNotExist) {
		return FirstFolder, setCurrent(files, dir, FirstFolder)
	}
	if err != nil {
		return "", err
	}
	folder := strings.TrimSpace(string(name))
	if !strings.HasPrefix(folder, folderPrefix) || folder != filepath.Base(folder) {
		return "", fmt.Errorf("%s names %q, which is no folder of a store", filepath.Join(dir, pointerName), folder)
	}
	return folder, nil
}

// setCurrent switches the pointer: a temporary file, fsync, rename, fsync of the folder.
func setCurrent(files vfs.FS, dir, folder string) error {
	path := filepath.Join(dir, pointerName)
	if err := writeSync(files, path+".tmp", strings.NewReader(folder+"\n")); err != nil {
		return err
	}
	if err := holdpoint.Step("store-pointer-rename", func() error { return files.Rename(path+".tmp", path) }); err != nil {
		return err
	}
	return syncDir(files, dir)
}

// openFolder makes one of the folders the store.
func (s *Store) openFolder(folder string) error {
	db, err := pebble.Open(filepath.Join(s.config.Dir, folder), s.options())
	if err != nil {
		return fmt.Errorf("opening the store %s: %w", filepath.Join(s.config.Dir, folder), err)
	}
	control, err := loadControl(db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	applied, err := readApplied(db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	results, err := loadResults(db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	s.control, s.results, s.applied = control, results, applied
	s.mu.Lock()
	defer s.mu.Unlock()
	s.db, s.folder, s.views = db, folder, new(sync.WaitGroup)
	s.publishLocked() // in the same moment: a view never joins one store's records to another's control
	return nil
}

func readApplied(from reader) (uint64, error) {
	value, err := getBytes(from, keyApplied)
	if errors.Is(err, ErrNotFound) {
		return 0, nil
	}
	if err != nil || len(value) != 8 {
		return 0, fmt.Errorf("%w: applied index: %w", ErrUndecodable, err)
	}
	return binary.BigEndian.Uint64(value), nil
}

// publishLocked shows the apply goroutine's state to views and waiters. What it shows is in the store already.
func (s *Store) publishLocked() {
	was := s.published
	s.published = published{s.control, s.applied}
	if was.control == nil || was.control.cluster.Version != s.control.cluster.Version {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	if was.index != s.applied {
		close(s.advanced)
		s.advanced = make(chan struct{})
	}
}

// fail stops the store for good.
func (s *Store) fail(err error) error {
	s.mu.Lock()
	first := s.stopped == nil
	if first {
		s.stopped = fmt.Errorf("%w: %w", ErrStopped, err)
		close(s.advanced)
		s.advanced = make(chan struct{})
	}
	stopped := s.stopped
	s.mu.Unlock()
	if first && s.config.Fatal != nil {
		s.config.Fatal(err)
	}
	return stopped
}

// Close closes the store, once open views are closed; nothing else waits for them. What was not flushed is replayed from the log.
func (s *Store) Close() error {
	s.mu.Lock()
	db, views := s.db, s.views
	s.db = nil
	if s.stopped == nil {
		s.stopped = ErrStopped
	}
	if db != nil {
		close(s.advanced)
		s.advanced = make(chan struct{})
	}
	s.mu.Unlock()
	if db == nil {
		return nil
	}
	views.Wait()
	s.former.Wait()
	err := db.Close()
	s.cache.Unref()
	return err
}

// AppliedIndex is the index of the last command that views show.
func (s *Store) AppliedIndex() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.published.index
}

// WaitApplied returns once AppliedIndex is at least index, or with the context's error, or ErrStopped.
func (s *Store) WaitApplied(ctx context.Context, index uint64) error {
	for {
		s.mu.RLock()
		now, advanced, stopped := s.published.index, s.advanced, s.stopped
		s.mu.RUnlock()
		switch {
		case now >= index:
			return nil
		case stopped != nil:
			return stopped
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-advanced:
		}
	}
}

// Watch gives the version of the control records (cluster, units, rotation) and a channel that closes at their next change.
func (s *Store) Watch() (version uint64, changed <-chan struct{}) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.published.control.cluster.Version, s.changed
}

// View gives the state as it is now. The caller closes it.
func (s *Store) View() (*View, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.stopped != nil {
		return nil, s.stopped
	}
	s.views.Add(1)
	return &View{snap: s.db.NewSnapshot(), control: s.published.control, index: s.published.index, open: s.views}, nil
}
