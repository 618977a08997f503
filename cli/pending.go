package cli

import (
	"context"
	"errors"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/workstation"
)

var errPending = errors.New("not yet")

func readUnits(context.Context, *client.Client, *workstation.Folder, string) ([]unitReading, error) {
	return nil, errPending
}
func autoInitCommand(s Streams) *urfave.Command {
	return &urfave.Command{Name: "auto-init", Usage: "initialise the instance", Description: "Example:\n   tumbler tke auto-init", Flags: adminFlags()}
}
func autoRotateCommand(s Streams) *urfave.Command {
	return &urfave.Command{Name: "auto-mk-rotate", Usage: "rotate the master key", Description: "Example:\n   tumbler tke auto-mk-rotate", Flags: adminFlags()}
}
func rotationActivate(context.Context, *invocation) error { return errPending }
func rotationCancel(context.Context, *invocation) error   { return errPending }
func rotationSettle(context.Context, *invocation) error   { return errPending }
func rotationReceipt(context.Context, *invocation) error  { return errPending }
