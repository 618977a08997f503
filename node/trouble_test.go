package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestASecondProcessOnOneFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	first, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = lock(dir)
	if !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "process "+strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a second one: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := lock(dir)
	if err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

func TestTroubleWithTheDiskIsExplained(t *testing.T) {
	c := Config{DataDir: "/var/lib/tumbler"}
	file := func(path string, number syscall.Errno) error {
		return fmt.Errorf("write the log: %w", &fs.PathError{Op: "write", Path: path, Err: number})
	}
	for _, tc := range []struct {
		name string
		err  error
		says string // "": it is no trouble with the disk
	}{
		{"full", file("/var/lib/tumbler/raft/log.bolt", syscall.ENOSPC), "Make room on the disk of /var/lib/tumbler"},
		{"read only", syscall.EROFS, "look at the disk"},
		{"another's file", file("/var/lib/tumbler/unit/unit.sealed.tmp", syscall.EACCES), "look at the disk and at who owns"},
		{"another's port", fmt.Errorf("listen: %w", syscall.EACCES), ""},
		{"another's file elsewhere", file("/etc/tumbler/node.key", syscall.EACCES), ""},
		{"something else", errors.New("no leader"), ""},
	} {
		got := c.explained(tc.err)
		if errors.Is(got, ErrDisk) != (tc.says != "") || !strings.Contains(got.Error(), tc.says) || !errors.Is(got, tc.err) {
			t.Errorf("%s: %v", tc.name, got)
		}
	}
}
