package cryptounit

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"tumbler/cryptounit/order"
)

// TestAFileThatCannotBeSyncedIsNotWritten: Linux syncs neither /dev/null nor the folders of /proc, so whoever has no error there
// did not ask for it.
func TestAFileThatCannotBeSyncedIsNotWritten(t *testing.T) {
	folder := diskFolder(t.TempDir())
	if err := os.Symlink(os.DevNull, filepath.Join(string(folder), "nowhere")); err != nil {
		t.Fatal(err)
	}
	if err := folder.Write("nowhere", []byte("content")); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("a file is written, and was not synced: %v", err)
	}
	if err := diskFolder("/proc").Sync(); !errors.Is(err, syscall.EINVAL) {
		t.Errorf("names are durable, and the folder was not synced: %v", err)
	}
	if err := errors.Join(folder.Write("file", []byte("content")), folder.Sync()); err != nil {
		t.Error(err)
	}
}

// losing is a folder of a machine that loses its power after every step: who opens it finds what was durable, and no more.
type losing struct{ names, durable map[string][]byte }

func (l *losing) Read(name string, _ int) ([]byte, error) {
	l.names = maps.Clone(l.durable)
	content, there := l.names[name]
	if !there {
		return nil, fs.ErrNotExist
	}
	return bytes.Clone(content), nil
}

func (l *losing) Write(name string, content []byte) error {
	if l.names == nil {
		l.names = map[string][]byte{}
	}
	l.names[name] = bytes.Clone(content)
	return nil
}

func (l *losing) Rename(from, to string) error {
	l.names[to] = l.names[from]
	delete(l.names, from)
	return nil
}

func (l *losing) Sync() error {
	l.durable = maps.Clone(l.names)
	return nil
}

// TestAWriteIsDurableBeforeItCounts: what a unit stated is there when it starts again, whenever that is.
func TestAWriteIsDurableBeforeItCounts(t *testing.T) {
	c := unopened(t, 1, 1)
	for n := range c.configs {
		c.configs[n].Folder = new(losing)
		c.open(uint32(n + 1))
		if err := c.units[n].SetAdministrators(c.list, c.imprint(c.units[n], 2)); err != nil {
			t.Fatal(err)
		}
	}
	s := c.begin(order.Init, nil)
	s.crashes = true
	s.accept().generate().load().commit().activate()
	if c.pattern(1) != c.pattern(2) || c.pattern(1).IsZero() {
		t.Errorf("%v and %v", c.pattern(1), c.pattern(2))
	}
}
