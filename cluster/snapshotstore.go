package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"

	"tumbler/holdpoint"
)

// snapshotStore keeps the newest snapshot: a folder with the state machine's checkpoint and a meta file, complete from the
// moment it has its name. Older ones go when nobody reads them any more.
type snapshotStore struct {
	dir    string
	logger hclog.Logger

	mu      sync.Mutex
	readers map[string]int // open readers by snapshot
	newest  uint64         // index of the newest snapshot
}

const (
	checkpointName  = "checkpoint"
	metaName        = "meta"
	unfinishedInfix = ".unfinished-"
	maxMetaFile     = 1 << 20
)

func openSnapshotStore(dir string, logger hclog.Logger) (*snapshotStore, error) {
	s := &snapshotStore{dir: filepath.Join(dir, "snapshots"), logger: logger, readers: map[string]int{}}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return nil, &ConfigError{Key: "dir", Value: dir, Err: err, Hint: "give the process a folder that it may write to"}
	}
	unfinished, err := filepath.Glob(filepath.Join(s.dir, "*"+unfinishedInfix+"*"))
	if err != nil {
		return nil, err
	}
	for _, path := range unfinished {
		if err := os.RemoveAll(path); err != nil {
			return nil, err
		}
	}
	metas, err := s.List()
	if err != nil {
		return nil, err
	}
	if len(metas) > 0 {
		s.newest = metas[0].Index
	}
	s.reap()
	return s, nil
}

// newestIndex is the index of the newest snapshot, or 0.
func (s *snapshotStore) newestIndex() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.newest
}

// checkpoint is where a snapshot's checkpoint lies.
func (s *snapshotStore) checkpoint(id string) string { return filepath.Join(s.dir, id, checkpointName) }

// Create implements raft.SnapshotStore. The sink is a FolderSink.
func (s *snapshotStore) Create(version raft.SnapshotVersion, index, term uint64, configuration raft.Configuration, configurationIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	if version != 1 {
		return nil, fmt.Errorf("unsupported snapshot version %d", version)
	}
	base := fmt.Sprintf("%020d-%020d", index, term)
	unfinished, err := os.MkdirTemp(s.dir, base+unfinishedInfix+"*")
	if err != nil {
		return nil, fmt.Errorf("make a folder for the snapshot: %w", err)
	}
	meta := raft.SnapshotMeta{
		Version: version, ID: s.freeID(base), Index: index, Term: term,
		Configuration: configuration, ConfigurationIndex: configurationIndex,
	}
	return &snapshotSink{store: s, meta: meta, folder: unfinished}, nil
}

// freeID is an id that no snapshot has: the same index may be taken twice.
func (s *snapshotStore) freeID(base string) string {
	for n := 1; ; n++ {
		id := fmt.Sprintf("%s-%06d", base, n)
		if _, err := os.Stat(filepath.Join(s.dir, id)); errors.Is(err, os.ErrNotExist) {
			return id
		}
	}
}

// List implements raft.SnapshotStore: the newest first.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var metas []*raft.SnapshotMeta
	for _, entry := range entries {
		if strings.Contains(entry.Name(), unfinishedInfix) {
			continue
		}
		meta, err := s.meta(entry.Name())
		if errors.Is(err, os.ErrNotExist) && !s.exists(entry.Name()) {
			continue // reaped meanwhile
		}
		if err != nil {
			return nil, err
		}
		metas = append(metas, meta)
	}
	sort.Slice(metas, func(i, j int) bool { return metas[i].ID > metas[j].ID })
	return metas, nil
}

func (s *snapshotStore) exists(id string) bool {
	_, err := os.Stat(filepath.Join(s.dir, id))
	return err == nil
}

func (s *snapshotStore) meta(id string) (*raft.SnapshotMeta, error) {
	path := filepath.Join(s.dir, id, metaName)
	damage := func(err error) error {
		return fmt.Errorf("%w: snapshot %s: %w; %s", ErrDamaged, path, err, damageHint)
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, damage(err)
	}
	if info.Size() > maxMetaFile {
		return nil, damage(fmt.Errorf("%w: %d bytes", errMeta, info.Size()))
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, damage(err)
	}
	meta, err := decodeMeta(b)
	if err == nil && meta.ID != id {
		err = fmt.Errorf("%w: it is of snapshot %s", errMeta, meta.ID)
	}
	if err != nil {
		return nil, damage(err)
	}
	return meta, nil
}

// Open implements raft.SnapshotStore: the checkpoint as a stream.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.hold(id, 1)
	meta, err := s.meta(id)
	if err == nil {
		var size int64
		size, err = archiveSize(s.checkpoint(id))
		if err == nil && size != meta.Size {
			err = fmt.Errorf("%w: snapshot %s has %d bytes, not %d; %s", ErrDamaged, id, size, meta.Size, damageHint)
		}
	}
	if err != nil {
		s.hold(id, -1)
		return nil, nil, err
	}
	reader, writer := io.Pipe()
	out := &snapshotReader{PipeReader: reader, store: s, id: id, done: make(chan struct{})}
	go func() {
		defer close(out.done)
		writer.CloseWithError(writeArchive(writer, out.Folder()))
	}()
	return meta, out, nil
}

func (s *snapshotStore) hold(id string, n int) {
	s.mu.Lock()
	s.readers[id] += n
	if s.readers[id] == 0 {
		delete(s.readers, id)
	}
	s.mu.Unlock()
}

// reap removes all snapshots but the newest, unless they are being read.
func (s *snapshotStore) reap() {
	metas, err := s.List()
	if err != nil {
		s.logger.Warn("cannot look for old snapshots", "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, meta := range metas {
		if i == 0 || s.readers[meta.ID] > 0 {
			continue
		}
		// First it loses its name, so that a crash leaves no half of it.
		path := filepath.Join(s.dir, meta.ID)
		if err := holdpoint.Step("snapshot-former-rename", func() error { return os.Rename(path, path+unfinishedInfix+"old") }); err == nil {
			err = os.RemoveAll(path + unfinishedInfix + "old")
			if err != nil {
				s.logger.Warn("cannot remove an old snapshot", "id", meta.ID, "error", err)
			}
		}
	}
}

// snapshotReader streams a checkpoint, and keeps it from being reaped meanwhile.
type snapshotReader struct {
	*io.PipeReader
	store *snapshotStore
	id    string
	done  chan struct{}
	once  sync.Once
}

// Folder is the checkpoint itself, for a state machine that rather links than copies.
func (r *snapshotReader) Folder() string { return r.store.checkpoint(r.id) }

func (r *snapshotReader) Close() error {
	r.once.Do(func() {
		r.PipeReader.Close()
		<-r.done
		r.store.hold(r.id, -1)
		r.store.reap()
	})
	return nil
}
