package fsm

import (
	"path/filepath"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// checkpointPrefix begins the names of folders in which checkpoints are made.
const checkpointPrefix = "checkpoint-"

// checkpointFS leaves out the disk syncs of checkpoints: entries wait while one is made, and whoever takes it over makes all
// of it durable. Everything else is synced as Pebble asks for it.
type checkpointFS struct{ vfs.FS }

func inCheckpoint(path string) bool {
	return strings.HasPrefix(filepath.Base(path), checkpointPrefix) || strings.HasPrefix(filepath.Base(filepath.Dir(path)), checkpointPrefix)
}

// Create implements vfs.FS.
func (f checkpointFS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return unsynced(name)(f.FS.Create(name, category))
}

// OpenReadWrite implements vfs.FS.
func (f checkpointFS) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return unsynced(name)(f.FS.OpenReadWrite(name, category, opts...))
}

// OpenDir implements vfs.FS.
func (f checkpointFS) OpenDir(name string) (vfs.File, error) {
	return unsynced(name)(f.FS.OpenDir(name))
}

func unsynced(name string) func(vfs.File, error) (vfs.File, error) {
	return func(file vfs.File, err error) (vfs.File, error) {
		if err == nil && inCheckpoint(name) {
			file = unsyncedFile{file}
		}
		return file, err
	}
}

type unsyncedFile struct{ vfs.File }

func (unsyncedFile) Sync() error                { return nil }
func (unsyncedFile) SyncData() error            { return nil }
func (unsyncedFile) SyncTo(int64) (bool, error) { return false, nil }
