package cli

import (
	"context"
	"errors"

	urfave "github.com/urfave/cli/v2"
)

var errPending = errors.New("not yet")

func unitCommands(s Streams) []*urfave.Command            { return nil }
func autoInitCommand(s Streams) *urfave.Command           { return &urfave.Command{Name: "auto-init"} }
func autoRotateCommand(s Streams) *urfave.Command         { return &urfave.Command{Name: "auto-mk-rotate"} }
func rotationActivate(context.Context, *invocation) error { return errPending }
func rotationCancel(context.Context, *invocation) error   { return errPending }
func rotationSettle(context.Context, *invocation) error   { return errPending }
func rotationReceipt(context.Context, *invocation) error  { return errPending }
