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
			signing.Commands(s),
			registers.KeyPartCommands(s),
			units.Commands(s),
			administrators.Commands(s),
			registers.Commands(s),
			[]*urfave.Command{auto.InitCommand(s), auto.RotateCommand(s), auto.RecoverCommand(s), units.EnrolCommand(s), units.UnenrolCommand(s), units.ZeroizeCommand(s),
				rotation.Command(s), registers.RetiredCommand(s), orders.Command(s)},
		),
	}
}
