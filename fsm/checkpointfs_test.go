package fsm

import (
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// syncCounter counts the disk syncs that reach a file system, in checkpoints and elsewhere.
type syncCounter struct {
	vfs.FS
	inside, outside int
}

func (c *syncCounter) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	file, err := c.FS.Create(name, category)
	return &countedFile{file, c, inCheckpoint(name)}, err
}

func (c *syncCounter) OpenDir(name string) (vfs.File, error) {
	file, err := c.FS.OpenDir(name)
	return &countedFile{file, c, inCheckpoint(name)}, err
}

type countedFile struct {
	vfs.File
	counter *syncCounter
	inside  bool
}

func (f *countedFile) Sync() error     { f.count(); return f.File.Sync() }
func (f *countedFile) SyncData() error { f.count(); return f.File.SyncData() }

func (f *countedFile) count() {
	if f.inside {
		f.counter.inside++
	} else {
		f.counter.outside++
	}
}

// A checkpoint costs the entries that wait for it no disk sync of its own files; the store's are synced as ever.
func TestCheckpointsAreMadeWithoutDiskSyncs(t *testing.T) {
	for _, lazy := range []bool{true, false} {
		counter := &syncCounter{FS: vfs.Default}
		options := PebbleOptions(nil)
		options.FS = counter
		if lazy {
			options.FS = checkpointFS{counter}
		}
		dir := t.TempDir()
		db, err := pebble.Open(filepath.Join(dir, "store-0"), options)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Set([]byte("key"), []byte("value"), pebble.NoSync); err != nil {
			t.Fatal(err)
		}
		before := counter.outside
		if err := db.Flush(); err != nil {
			t.Fatal(err)
		}
		if counter.outside == before {
			t.Error("a flush syncs nothing")
		}
		if err := db.Checkpoint(filepath.Join(dir, checkpointPrefix+"1-1")); err != nil {
			t.Fatal(err)
		}
		if none := counter.inside == 0; none != lazy {
			t.Errorf("%d disk syncs in a checkpoint, and they are left out: %t", counter.inside, lazy)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
