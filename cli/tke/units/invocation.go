package units

import (
	"context"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
)

// invocation is a command of this package that runs.
type invocation struct{ *ceremony.Ceremony }

func action(s command.Streams, do func(context.Context, *invocation) error) urfave.ActionFunc {
	return ceremony.Action(s, func(ctx context.Context, c *ceremony.Ceremony) error { return do(ctx, &invocation{c}) })
}
