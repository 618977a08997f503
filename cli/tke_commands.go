package cli

import (
	urfave "github.com/urfave/cli/v2"
)

func tkeCommands(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "tke",
		Usage: "Trusted Key Entry: administrators, crypto units and their master keys",
		Description: "CLOUDTKEFILES names the folder on this workstation for signature keys, key parts, the selection of units, and the\n" +
			"identities of units that were seen before.",
		Subcommands: join(
			sigKeyCommands(s),
			keyPartCommands(s),
			unitCommands(s),
			administratorCommands(s),
			registerCommands(s),
			[]*urfave.Command{autoInitCommand(s), autoRotateCommand(s), autoRecoverCommand(s), enrolCommand(s), unenrolCommand(s), zeroizeCommand(s),
				rotationCommands(s), retiredCommands(s), orderCommands(s)},
		),
	}
}
