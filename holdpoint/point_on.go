//go:build holdpoints

package holdpoint

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// passing is held by one goroutine a time: it reads and writes how many passages are left to a kill.
var passing sync.Mutex

// At is a point. While the file $TUMBLER_POINTS/NAME is there and empty, the process is held; with `kill N` in it, the process
// ends with SIGKILL at the N-th passage from now, and takes the file with it.
func At(name string) {
	dir := os.Getenv("TUMBLER_POINTS")
	if dir == "" {
		return
	}
	path := filepath.Join(dir, name)
	for holds(path) {
		time.Sleep(5 * time.Millisecond) // a file is watched, in a test build
	}
}

// Step is a durable step with a point before it and, once it has succeeded, one after it.
func Step(name string, do func() error) error {
	At("before-" + name)
	err := do()
	if err == nil {
		At("after-" + name)
	}
	return err
}

func holds(path string) bool {
	if _, err := os.Lstat(path); err != nil {
		return false
	}
	passing.Lock()
	defer passing.Unlock()
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	left, kills := strings.CutPrefix(string(text), "kill ")
	n, err := strconv.Atoi(left)
	switch {
	case !kills || err != nil:
		return true
	case n > 1:
		_ = os.WriteFile(path, []byte("kill "+strconv.Itoa(n-1)), 0o600) // else it is one passage more
		return false
	}
	_ = os.Remove(path) // whoever is killed is to start again
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // the signal is on its way
}
