package main

import (
	"bytes"
	"io/fs"
	"maps"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// folder is a unit's folder on a disk that forgets: a name that was not synced may be gone after a crash, and with it what was
// written under it. It is a cryptounit.Folder.
type folder struct {
	names   map[string][]byte // as the process sees them
	durable map[string][]byte // as they are after a power cut
	pending []func(map[string][]byte)
	former  [][]byte // earlier contents of the unit's file, oldest first
	writes  int      // finished ones
	step    func()   // is called before and after each durable step; it may end the process
}

const unitFile = "unit.sealed"

func newFolder() *folder {
	return &folder{names: map[string][]byte{}, durable: map[string][]byte{}, step: func() {}}
}

// clone is the same disk, in another world.
func (f *folder) clone() *folder {
	return &folder{names: maps.Clone(f.durable), durable: maps.Clone(f.durable), step: func() {}}
}

// Read implements cryptounit.Folder.
func (f *folder) Read(name string, most int) ([]byte, error) {
	content, is := f.names[name]
	if !is {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(content[:min(len(content), most)]), nil
}

// Write implements cryptounit.Folder.
func (f *folder) Write(name string, content []byte) error {
	f.step()
	content = bytes.Clone(content)
	f.change(func(names map[string][]byte) { names[name] = content })
	f.step()
	return nil
}

// Rename implements cryptounit.Folder.
func (f *folder) Rename(from, to string) error {
	f.step()
	f.change(func(names map[string][]byte) {
		if content, is := names[from]; is {
			names[to] = content
			delete(names, from)
		}
	})
	f.step()
	return nil
}

// Sync implements cryptounit.Folder.
func (f *folder) Sync() error {
	f.step()
	if was, is := f.durable[unitFile]; is && !bytes.Equal(was, f.names[unitFile]) {
		f.former = append(f.former, was)
	}
	f.durable, f.pending = maps.Clone(f.names), nil
	f.writes++
	f.step()
	return nil
}

func (f *folder) change(do func(map[string][]byte)) {
	do(f.names)
	f.pending = append(f.pending, do)
}

// crash leaves what was synced, and the first of the changes after it, as many as kept says.
func (f *folder) crash(kept uint64) {
	for _, do := range f.pending[:kept%uint64(len(f.pending)+1)] {
		do(f.durable)
	}
	f.names, f.pending = maps.Clone(f.durable), nil
}

// rollBack puts an earlier file back, and gives the newest one; nil: there is no earlier one.
func (f *folder) rollBack(which uint64) (newest []byte) {
	if len(f.former) == 0 {
		return nil
	}
	newest = f.durable[unitFile]
	f.put(f.former[which%uint64(len(f.former))])
	return newest
}

// put puts a file in place, durably.
func (f *folder) put(content []byte) {
	f.durable[unitFile] = slices.Clone(content)
	f.names, f.pending = maps.Clone(f.durable), nil
}

// newFiles is an empty disk for a store, whose folder is there.
func newFiles() *vfs.MemFS {
	files := vfs.NewCrashableMem()
	_ = files.MkdirAll("store", 0o700) // in memory nothing fails
	if root, err := files.OpenDir(""); err == nil {
		_ = root.Sync()
		_ = root.Close()
	}
	return files
}
