package ceremony

import (
	"context"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cli/tke/signing"
)

// Ceremony is a command that takes part in one: it signs, hands in and follows orders.
type Ceremony struct{ *signing.Session }

// Action makes a command's action of a function over a ceremony.
func Action(s command.Streams, do func(context.Context, *Ceremony) error) urfave.ActionFunc {
	return signing.Action(s, func(ctx context.Context, session *signing.Session) error { return do(ctx, &Ceremony{session}) })
}
