package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tumbler/holdpoint"
)

// ErrDisk: the disk of data_dir is full or cannot be written. What is on it is whole.
var ErrDisk = errors.New("the disk of data_dir cannot be written")

// explained adds what to do to an error that the disk is the cause of.
func (c Config) explained(err error) error {
	if err == nil || errors.Is(err, ErrDisk) {
		return err
	}
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%w: it is full. Make room on the disk of %s, then start the node again: it goes on where it was. The cluster goes on without it while a majority runs: %w", ErrDisk, c.DataDir, err)
	case errors.Is(err, syscall.EROFS) || errors.Is(err, syscall.EIO) || (errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM)) && c.ours(err):
		return c.unwritable(err)
	}
	return err
}

// ours tells whether an error names a file in data_dir: a port may be forbidden too.
func (c Config) ours(err error) bool {
	var path *fs.PathError
	var link *os.LinkError
	return errors.As(err, &path) && strings.HasPrefix(path.Path, c.DataDir) || errors.As(err, &link) && strings.HasPrefix(link.New, c.DataDir)
}

// troubled ends the node if its crypto unit's file cannot be written: the unit states nothing that the file does not hold, so
// it could only stand still.
func (n *Node) troubled(err error) {
	explained := n.config.explained(err)
	if !errors.Is(explained, ErrDisk) && n.config.ours(err) {
		explained = n.config.unwritable(err)
	}
	if errors.Is(explained, ErrDisk) {
		n.fail(explained)
	}
}

func (c Config) unwritable(err error) error {
	return fmt.Errorf("%w: look at the disk and at who owns %s, then start the node again: %w", ErrDisk, c.DataDir, err)
}

// closeTime bounds how long an ending node waits for what may hang on a broken disk.
const closeTime = 15 * time.Second

// closeAfter closes what is open. Where the disk is the trouble, a part may wait for it for ever, and is left to the end of
// the process.
func (n *Node) closeAfter(why error) error {
	if !errors.Is(why, ErrDisk) {
		return n.close()
	}
	closed := make(chan error, 1)
	go func() { closed <- n.close() }()
	select {
	case err := <-closed:
		return err
	case <-time.After(closeTime):
		n.log.Warn("the disk keeps a part of the node from closing; it is left to the end of the process")
		return nil
	}
}

// lockName is the file in data_dir that a running node locks.
const lockName = "lock"

// ErrInUse: another process has locked data_dir.
var ErrInUse = errors.New("another process uses data_dir")

// lock takes a data folder for this process; the lock goes with the process, however that ends.
func lock(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data_dir: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		by, _ := os.ReadFile(path) // for people; the lock itself is what counts
		return nil, errors.Join(fmt.Errorf("%w: %s is locked by process %s: stop it, or give this node a folder of its own", ErrInUse, dir, strings.TrimSpace(string(by))), file.Close())
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("data_dir: locking %s: %w", path, err), file.Close())
	}
	if err := file.Truncate(0); err == nil { // on a full disk nobody is told who has it
		_, _ = file.WriteString(strconv.Itoa(os.Getpid()) + "\n")
	}
	return file, nil
}

// syncFolder makes what a folder names durable.
func syncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(holdpoint.Step("data-folder-sync", dir.Sync), dir.Close())
}
