package node

import (
	"context"
	"slices"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
)

// Command is `tumbler node`.
func Command(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "node",
		Usage: "run a node",
		Subcommands: []*urfave.Command{{
			Name:  "run",
			Usage: "run a node in the foreground until SIGTERM or SIGINT",
			Description: "The configuration names the unit, its ports, certificates and data folder; configs/ explains every key.\n" +
				"A new node serves nothing until `cluster bootstrap` or `cluster join` makes it a member.\n\n" +
				"Example:\n   tumbler node run --config /etc/tumbler/node.yaml",
			Flags: slices.Concat([]urfave.Flag{
				command.TextFlag("config", "configuration `FILE`"),
				&urfave.BoolFlag{Name: "check", Usage: "look at the configuration and its files, and run nothing"},
				&urfave.BoolFlag{Name: "stand-by", Usage: "follow the cluster and answer for the crypto unit, and nothing else: so that one that was rolled back can be zeroized"},
			}, command.OutputFlags()),
			Action: action(s, nodeRun),
		}},
	}
}

func nodeRun(ctx context.Context, i *invocation) error {
	if _, err := i.Arguments(); err != nil {
		return err
	}
	path := i.Text("config", "TUMBLER_CONFIG")
	if path == "" {
		return i.Usage("--config is missing")
	}
	return runNode(ctx, i, path)
}
