package rotation

import (
	"context"
	"io"
	"strconv"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
)

// paceCommands are what an operator asks of every crypto unit that rewraps.
func paceCommands(s command.Streams) []*urfave.Command {
	const bound = "It is kept with the open rotation, through restarts and changes of leader, until it is asked otherwise or the rotation\n" +
		"ends. Any administrator's certificate is enough: it can only stall. Callers are served and refused as before.\n\n"
	return []*urfave.Command{
		{
			Name:  "pause",
			Usage: "have every crypto unit pause rewrapping",
			Description: "Units write no further key within a second, lose nothing for it, and a cancel works as ever. Only the rewrap pauses:\n" +
				"what is written is verified, and where all keys are rewrapped already activation follows (start with --hold to keep\n" +
				"that back). " + bound + "Example:\n   tumbler tke rotation pause",
			Flags:  command.AdminFlags(),
			Action: action(s, pausing(true)),
		},
		{
			Name:        "resume",
			Usage:       "have every crypto unit go on rewrapping, at the rate that was asked for",
			Description: "Example:\n   tumbler tke rotation resume",
			Flags:       command.AdminFlags(),
			Action:      action(s, pausing(false)),
		},
		{
			Name:  "throttle",
			Usage: "limit rewrapping to so many keys a second, of all crypto units together",
			Description: "The units that have keys to write share the RATE evenly; 0 or off ends the limit. It may be asked for before the\n" +
				"rewrap begins, and while it is paused. " + bound + "Examples:\n   tumbler tke rotation throttle 5000\n   tumbler tke rotation throttle off",
			ArgsUsage: "RATE",
			Flags:     command.AdminFlags(),
			Action:    action(s, rotationThrottle),
		},
	}
}

func pausing(pause bool) func(context.Context, *invocation) error {
	return func(ctx context.Context, i *invocation) error {
		if _, err := i.Arguments(); err != nil {
			return err
		}
		return i.askPace(ctx, client.PaceRequest{Paused: &pause})
	}
}

func rotationThrottle(ctx context.Context, i *invocation) error {
	given, err := i.Arguments("RATE")
	if err != nil {
		return err
	}
	var rate uint64
	if given[0] != "off" {
		if rate, err = strconv.ParseUint(given[0], 10, 64); err != nil {
			return i.Usage("RATE %s is not a number of keys a second, nor off", given[0])
		}
	}
	return i.askPace(ctx, client.PaceRequest{KeysPerSecond: &rate})
}

func (i *invocation) askPace(ctx context.Context, ask client.PaceRequest) error {
	admin, err := i.Admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	status, err := admin.Pace(ctx, ask)
	if err != nil {
		return err
	}
	return i.Result(status, func(w io.Writer) {
		command.Line(w, "%s", ceremony.PaceWords(status.Pace))
		command.Line(w, "OK")
	})
}
