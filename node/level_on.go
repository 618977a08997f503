//go:build holdpoints

package node

import (
	"os"
	"strconv"

	"tumbler/fsm"
)

// understood lets a test have a node report the feature level of an older release, $TUMBLER_FEATURE_LEVEL.
func understood() uint32 {
	if level, err := strconv.ParseUint(os.Getenv("TUMBLER_FEATURE_LEVEL"), 10, 32); err == nil {
		return uint32(level)
	}
	return fsm.FeatureLevel
}
