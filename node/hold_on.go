//go:build holdpoints

package node

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"tumbler/fsm"
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

// understood lets a test have a node report the feature level of an older release, $TUMBLER_FEATURE_LEVEL.
func understood() uint32 {
	if level, err := strconv.ParseUint(os.Getenv("TUMBLER_FEATURE_LEVEL"), 10, 32); err == nil {
		return uint32(level)
	}
	return fsm.FeatureLevel
}
