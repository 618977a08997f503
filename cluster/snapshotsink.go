package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/hashicorp/raft"

	"tumbler/holdpoint"
)

// snapshotSink takes one snapshot in: a folder of this node's state machine, or the stream of another node's.
type snapshotSink struct {
	store  *snapshotStore
	meta   raft.SnapshotMeta
	folder string // unfinished
	done   bool

	adopted  bool
	pipe     *io.PipeWriter // of a stream
	unpacked chan error
	received int64
}

var errSink = errors.New("the snapshot is already complete or cancelled")

func (s *snapshotSink) ID() string { return s.meta.ID }

func (s *snapshotSink) checkpoint() string { return filepath.Join(s.folder, checkpointName) }

// AdoptFolder implements FolderSink.
func (s *snapshotSink) AdoptFolder(path string) error {
	if s.done || s.adopted || s.pipe != nil {
		return errors.Join(errSink, os.RemoveAll(path))
	}
	if err := holdpoint.Step("snapshot-adoption", func() error { return os.Rename(path, s.checkpoint()) }); err != nil {
		return errors.Join(fmt.Errorf("take over the checkpoint (it must be on the disk of %s): %w", s.store.dir, err), os.RemoveAll(path))
	}
	s.adopted = true
	return nil
}

// Write takes the stream of a snapshot.
func (s *snapshotSink) Write(b []byte) (int, error) {
	if s.done || s.adopted {
		return 0, errSink
	}
	if s.pipe == nil {
		if err := os.Mkdir(s.checkpoint(), 0o700); err != nil {
			return 0, err
		}
		reader, writer := io.Pipe()
		s.pipe, s.unpacked = writer, make(chan error, 1)
		go func() {
			err := readArchive(reader, s.checkpoint())
			reader.CloseWithError(err)
			s.unpacked <- err
		}()
	}
	n, err := s.pipe.Write(b)
	s.received += int64(n)
	return n, err
}

// Close puts the snapshot in place.
func (s *snapshotSink) Close() error {
	if s.done {
		return nil
	}
	if err := s.finish(); err != nil {
		return errors.Join(fmt.Errorf("complete snapshot %s: %w", s.meta.ID, err), s.Cancel())
	}
	s.done = true
	s.store.mu.Lock()
	s.store.newest = max(s.store.newest, s.meta.Index)
	s.store.mu.Unlock()
	s.store.reap()
	return nil
}

func (s *snapshotSink) finish() error {
	if s.pipe != nil {
		s.pipe.Close()
		if err := <-s.unpacked; err != nil {
			s.unpacked <- err // for Cancel
			return fmt.Errorf("%w: unpack: %w", ErrDamaged, err)
		}
		s.unpacked <- nil
	}
	if !s.adopted && s.pipe == nil {
		return errors.New("nothing was written to it")
	}
	if err := syncTree(s.checkpoint()); err != nil {
		return err
	}
	size, err := archiveSize(s.checkpoint())
	if err != nil {
		return err
	}
	if s.pipe != nil && size != s.received {
		return fmt.Errorf("%w: %d bytes came, and it has %d", ErrDamaged, s.received, size)
	}
	s.meta.Size = size
	meta, err := encodeMeta(&s.meta)
	if err != nil {
		return err
	}
	if err := writeTable(filepath.Join(s.folder, metaName), meta); err != nil {
		return err
	}
	if err := syncFolder(s.folder); err != nil {
		return err
	}
	if err := holdpoint.Step("snapshot-rename", func() error { return os.Rename(s.folder, filepath.Join(s.store.dir, s.meta.ID)) }); err != nil {
		return err
	}
	return syncFolder(s.store.dir)
}

// Cancel removes what was written.
func (s *snapshotSink) Cancel() error {
	if s.done {
		return nil
	}
	s.done = true
	if s.pipe != nil {
		s.pipe.CloseWithError(errors.New("cancelled"))
		<-s.unpacked //nolint:errcheck // it says that it was cancelled
	}
	return os.RemoveAll(s.folder)
}
