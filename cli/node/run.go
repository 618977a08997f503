package node

import (
	"context"
	"errors"

	"tumbler/node"
)

// runNode and snapshotRestore are the command line's only uses of the node package.
func runNode(ctx context.Context, i *invocation, path string) error {
	config, err := node.LoadConfig(path)
	if err != nil {
		return err
	}
	if err := config.CheckFiles(); err != nil {
		return err
	}
	if i.Flag("check") {
		return i.Done(map[string]string{"config": path}, "The configuration is valid: "+path)
	}
	config.StandBy = i.Flag("stand-by")
	err = node.Run(ctx, config)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // a signal asked for the end
	}
	return err
}
