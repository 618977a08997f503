//go:build !holdpoints

package node

import "tumbler/fsm"

// understood is the feature level that this node reports to its leader.
func understood() uint32 { return fsm.FeatureLevel }
