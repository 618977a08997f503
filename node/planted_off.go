//go:build !plantedkeys

package node

import (
	"context"

	"tumbler/cluster"
)

// standStill does nothing, and logSizes are the defaults: what they do in builds for the leak test is in planted_on.go.
func (*Node) standStill(context.Context) {}

func logSizes() cluster.Sizes { return cluster.Sizes{} }
