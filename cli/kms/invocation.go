package kms

import (
	"context"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
)

// invocation is a command of this package that runs.
type invocation struct{ *command.Invocation }

func action(s command.Streams, do func(context.Context, *invocation) error) urfave.ActionFunc {
	return command.Action(s, func(ctx context.Context, i *command.Invocation) error { return do(ctx, &invocation{i}) })
}
