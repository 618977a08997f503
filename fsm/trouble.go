package fsm

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
)

// unwritable tells whether an error says that the disk is full or cannot be written: nothing that the store does can help.
func unwritable(err error) bool {
	for _, number := range []syscall.Errno{syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EIO, syscall.EACCES, syscall.EPERM} {
		if errors.Is(err, number) {
			return true
		}
	}
	return false
}

// listener stops the node when Pebble cannot write what it holds in memory: it would try again for ever, and the apply
// goroutine would in the end wait for it. Config.Fatal is told directly, since Pebble calls with a lock of its own.
func (s *Store) listener() *pebble.EventListener {
	return &pebble.EventListener{BackgroundError: func(err error) {
		s.config.Logger.Error("the store has trouble in the background", "error", err)
		if told := s.config.Fatal; told != nil && unwritable(err) {
			told(fmt.Errorf("the store in %s cannot be written: %w", s.config.Dir, err))
		}
	}}
}
