package registers

import (
	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
)

// Commands are those that load, commit, rotate and clear registers.
func Commands(s command.Streams) []*urfave.Command {
	units := command.TextFlag("units", "CRYPTO UNIT `NUM`s, separated by spaces or commas; else the selected ones")
	return []*urfave.Command{
		registerLoadCommand(s),
		{
			Name:  "cryptounit-mk-commit",
			Usage: "commit the loaded master key in the new register of every crypto unit",
			Description: "A quorum signs its verification pattern, which is shown first. A rotation then rewraps every key by itself.\n\n" +
				"Example:\n   tumbler tke cryptounit-mk-commit --keynum 1,2",
			Flags:  ceremony.OrderFlags(),
			Action: action(s, registerCommit),
		},
		{
			Name:  "cryptounit-mk-rotate",
			Usage: "make the committed master key the current one, when every key is rewrapped",
			Description: "One administrator signs. The cluster carries it out, also without this command; run again, it shows how far that is.\n\n" +
				"Example:\n   tumbler tke cryptounit-mk-rotate --keynum 1 --yes",
			Flags:  ceremony.OrderFlags(command.YesFlag("the master key is rotated"), &urfave.BoolFlag{Name: "detach", Usage: "return as soon as the signature is accepted"}),
			Action: action(s, registerRotate),
		},
		{
			Name:  "cryptounit-mk-setimm",
			Usage: "make the committed first master key the current one, where there was none and no key is lost",
			Description: "One administrator signs. It is refused while a current register holds a key: `cryptounit-mk-rotate` replaces that.\n\n" +
				"Example:\n   tumbler tke cryptounit-mk-setimm --keynum 1 --yes",
			Flags:  ceremony.OrderFlags(command.YesFlag("key storage is ready for the new value")),
			Action: action(s, registerSetImmediate),
		},
		{
			Name:  "cryptounit-mk-clrnew",
			Usage: "clear the new master key registers: the order under way is cancelled, and the current master key stays",
			Description: "One administrator signs. After activation nothing can be cleared.\n\n" +
				"Example:\n   tumbler tke cryptounit-mk-clrnew --keynum 1 --yes",
			Flags:  ceremony.OrderFlags(command.YesFlag("the new registers are cleared"), &urfave.BoolFlag{Name: "detach", Usage: "return as soon as the cancel is accepted"}),
			Action: action(s, registerClearNew),
		},
		{
			Name:  "cryptounit-mk-clrcur",
			Usage: "clear the current master key register of crypto units, while others hold the key",
			Description: "As many administrators sign for each crypto unit as its signature threshold asks for. It is refused while the master key\n" +
				"would be lost. `auto-recover` gives the key back.\n\n" +
				"Example:\n   tumbler tke cryptounit-mk-clrcur --units 3",
			Flags:  ceremony.OrderFlags(units, command.YesFlag("the current registers are cleared")),
			Action: action(s, registerClearCurrent),
		},
	}
}
