//go:build !holdpoints

package node

import "tumbler/fsm"

// hold does nothing: hold points are for test builds alone.
func hold(string, uint32) {}

// understood is the feature level that this node reports to its leader.
func understood() uint32 { return fsm.FeatureLevel }
