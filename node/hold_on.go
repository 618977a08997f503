//go:build holdpoints

package node

import (
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// hold lets a test hold a unit in mid-rotation: it returns once $TUMBLER_HOLD/POINT-UNIT does not exist.
func hold(point string, unit uint32) {
	dir := os.Getenv("TUMBLER_HOLD")
	if dir == "" {
		return
	}
	path := filepath.Join(dir, fmt.Sprintf("%s-%d", point, unit))
	for {
		if _, err := os.Stat(path); err != nil {
			return
		}
		time.Sleep(5 * time.Millisecond) // a file is watched, in a test build
	}
}
