package tke

import (
	"slices"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cli/tke/administrators"
	"tumbler/cli/tke/auto"
	"tumbler/cli/tke/orders"
	"tumbler/cli/tke/registers"
	"tumbler/cli/tke/rotation"
	"tumbler/cli/tke/signing"
	"tumbler/cli/tke/units"
)

// Command is `tumbler tke`.
func Command(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "tke",
		Usage: "Trusted Key Entry: administrators, crypto units and their master keys",
		Description: "CLOUDTKEFILES names the folder on this workstation for signature keys, key parts, the selection of units, and the\n" +
			"identities of units that were seen before.",
		Subcommands: slices.Concat(
			group("signature keys", signing.Commands(s)...),
			group("key parts", registers.KeyPartCommands(s)...),
			group("crypto units", append(units.Commands(s), units.EnrolCommand(s), units.UnenrolCommand(s), units.ZeroizeCommand(s))...),
			group("administrators", administrators.Commands(s)...),
			group("master key registers", append(registers.Commands(s), registers.RetiredCommand(s))...),
			group("by recovery crypto units", auto.InitCommand(s), auto.RotateCommand(s), auto.RecoverCommand(s)),
			group("orders and rotations", orders.Command(s), rotation.Command(s)),
		),
	}
}

// group puts commands under one heading of the help.
func group(heading string, commands ...*urfave.Command) []*urfave.Command {
	for _, c := range commands {
		c.Category = heading
	}
	return commands
}
