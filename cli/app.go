package cli

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/cluster"
	"tumbler/cli/command"
	"tumbler/cli/kms"
	"tumbler/cli/node"
	"tumbler/cli/tke"
)

// Main runs a command (args[0] is the program's name) and gives the exit code.
func Main(args []string, s command.Streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, args, s)
}

func run(ctx context.Context, args []string, s command.Streams) int {
	app := newApp(s)
	asJSON := wantsJSON(args, s)
	if args[len(args)-1] != completionFlag {
		args = append(args[:1:1], reorder(app.Commands, app.Flags, args[1:])...)
	}
	err := app.RunContext(ctx, args)
	if err == nil {
		return command.ExitDone
	}
	return command.Fail(s, err, asJSON)
}

func newApp(s command.Streams) *urfave.App {
	app := &urfave.App{
		Name:  "tumbler",
		Usage: "keep keys under a master key, and replace that master key without losing one",
		Description: "A cluster serves keys; an administrator's workstation signs what changes its master key.\n" +
			"Certificates come from `tumbler pki`, signature keys from `tumbler tke sigkey-add`.\n\n" +
			"Examples:\n" +
			"   export TUMBLER_ADDRESS=localhost:8443,localhost:8453 TUMBLER_CA=pki/ca.pem\n" +
			"   export TUMBLER_CERT=pki/client-admin.pem TUMBLER_KEY=pki/client-admin.key CLOUDTKEFILES=~/tke\n" +
			"   tumbler cluster status\n" +
			"   tumbler tke auto-mk-rotate",
		Writer:               s.Out,
		ErrWriter:            s.Err,
		Reader:               s.In,
		HideVersion:          true,
		EnableBashCompletion: true,
		Flags:                slices.Concat(command.OutputFlags(), command.ConnectionFlags(), command.FolderFlags()),
		ExitErrHandler:       func(*urfave.Context, error) {}, // run prints errors and gives the code
		// list splits values itself, so that a value may hold commas where it should.
		DisableSliceFlagSeparator: true,
		Commands: []*urfave.Command{
			node.Command(s),
			cluster.Command(s),
			tke.Command(s),
			kms.Command(s),
			node.PKICommand(s),
			completionCommand(s),
			versionCommand(s),
		},
	}
	app.Action = groupAction
	app.OnUsageError = wrongUsage
	prepare(app.Commands)
	return app
}

// prepare gives every command what all of them have.
func prepare(commands []*urfave.Command) {
	for _, c := range commands {
		c.OnUsageError = wrongUsage
		c.HideHelpCommand = true
		if len(c.Subcommands) > 0 {
			c.Action = groupAction
			prepare(c.Subcommands)
		}
	}
}

func wrongUsage(c *urfave.Context, err error, _ bool) error {
	return &command.UsageError{Problem: err.Error(), Command: command.CommandName(c)}
}

// groupAction is what a command that only groups others does: it shows them.
func groupAction(c *urfave.Context) error {
	if !c.Args().Present() {
		return urfave.ShowSubcommandHelp(c)
	}
	name, known := c.Args().First(), c.App.Commands
	if c.Command != nil && len(c.Command.Subcommands) > 0 {
		known = c.Command.Subcommands
	}
	problem := "there is no command " + strconv.Quote(name)
	if near := nearest(name, known); near != "" {
		problem += " (" + near + ")"
	}
	return &command.UsageError{Problem: problem, Command: command.CommandName(c)}
}

// nearest suggests a command, if one that begins alike is near.
func nearest(name string, commands []*urfave.Command) string {
	alike := slices.DeleteFunc(slices.Clone(commands), func(c *urfave.Command) bool { return c.Name[:1] != name[:1] })
	if len(alike) == 0 {
		return ""
	}
	return urfave.SuggestCommand(alike, name)
}

// reorder lets flags stand anywhere after the command that they belong to: the library takes them before arguments only.
func reorder(commands []*urfave.Command, flags []urfave.Flag, args []string) []string {
	var ahead, rest []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			ahead, rest = append(ahead, arg), append(rest, args[i+1:]...)
			break
		}
		if strings.HasPrefix(arg, "-") && arg != "-" {
			ahead = append(ahead, arg)
			if takesValue(flags, arg) && i+1 < len(args) {
				i++
				ahead = append(ahead, args[i])
			}
			continue
		}
		if len(rest) == 0 {
			for _, c := range commands {
				if c.HasName(arg) {
					return append(append(ahead, arg), reorder(c.Subcommands, c.Flags, args[i+1:])...)
				}
			}
		}
		rest = append(rest, arg)
	}
	return append(ahead, rest...)
}

func takesValue(flags []urfave.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range flags {
		for _, n := range f.Names() {
			if n == name {
				_, isBool := f.(*urfave.BoolFlag)
				return !isBool
			}
		}
	}
	return false
}

// wantsJSON looks for --output json before anything is parsed, so that a usage error is JSON too.
func wantsJSON(args []string, s command.Streams) bool {
	value := s.Env(command.EnvOutput)
	for i, arg := range args {
		if arg == "--" {
			break
		}
		name, given, inline := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if !strings.HasPrefix(arg, "-") || name != command.FlagOutput {
			continue
		}
		if inline {
			value = given
		} else if i+1 < len(args) {
			value = args[i+1]
		}
	}
	return value == command.OutputJSON
}

// completionFlag is what shells ask with; it is the last argument.
const completionFlag = "--generate-bash-completion"
