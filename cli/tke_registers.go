package cli

import (
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
)

func registerCommands(s Streams) []*urfave.Command {
	units := text("units", "CRYPTO UNIT `NUM`s, separated by spaces or commas; else the selected ones")
	return []*urfave.Command{
		{
			Name:        "cryptounit-mk",
			Usage:       "list the master key registers of the selected crypto units",
			Description: "Example:\n   tumbler tke cryptounit-mk",
			Flags:       join(adminFlags(), folderFlags()),
			Action:      action(s, compared(showRegistersAlone)),
		},
		registerLoadCommand(s),
		{
			Name:  "cryptounit-mk-commit",
			Usage: "commit the loaded master key in the new register of every crypto unit",
			Description: "A quorum signs its verification pattern, which is shown first. A rotation then rewraps every key by itself.\n\n" +
				"Example:\n   tumbler tke cryptounit-mk-commit --keynum 1,2",
			Flags:  orderFlags(),
			Action: action(s, registerCommit),
		},
		{
			Name:  "cryptounit-mk-rotate",
			Usage: "make the committed master key the current one, when every key is rewrapped",
			Description: "One administrator signs. The cluster carries it out, also without this command; run again, it shows how far that is.\n\n" +
				"Example:\n   tumbler tke cryptounit-mk-rotate --keynum 1 --yes",
			Flags:  orderFlags(yesFlag("the master key is rotated"), &urfave.BoolFlag{Name: "detach", Usage: "return as soon as the signature is accepted"}),
			Action: action(s, registerRotate),
		},
		{
			Name:  "cryptounit-mk-setimm",
			Usage: "make the committed first master key the current one, where there was none and no key is lost",
			Description: "One administrator signs. It is refused while a current register holds a key: `cryptounit-mk-rotate` replaces that.\n\n" +
				"Example:\n   tumbler tke cryptounit-mk-setimm --keynum 1 --yes",
			Flags:  orderFlags(yesFlag("key storage is ready for the new value")),
			Action: action(s, registerSetImmediate),
		},
		{
			Name:  "cryptounit-mk-clrnew",
			Usage: "clear the new master key registers: the order under way is cancelled, and the current master key stays",
			Description: "One administrator signs. After activation nothing can be cleared.\n\n" +
				"Example:\n   tumbler tke cryptounit-mk-clrnew --keynum 1 --yes",
			Flags:  orderFlags(yesFlag("the new registers are cleared"), &urfave.BoolFlag{Name: "detach", Usage: "return as soon as the cancel is accepted"}),
			Action: action(s, registerClearNew),
		},
		{
			Name:  "cryptounit-mk-clrcur",
			Usage: "clear the current master key register of crypto units, while others hold the key",
			Description: "As many administrators sign for each crypto unit as its signature threshold asks for. It is refused while the master key\n" +
				"would be lost. `auto-recover` gives the key back.\n\n" +
				"Example:\n   tumbler tke cryptounit-mk-clrcur --units 3",
			Flags:  orderFlags(units, yesFlag("the current registers are cleared")),
			Action: action(s, registerClearCurrent),
		},
	}
}

// showRegisters shows both registers of every unit.
func showRegisters(w io.Writer, c comparison) {
	for _, r := range []struct {
		head string
		of   func(client.Registers) client.Register
	}{
		{sectionNew, func(r client.Registers) client.Register { return r.New }},
		{sectionCurrent, func(r client.Registers) client.Register { return r.Current }},
	} {
		line(w, "\n%s", r.head)
		t := newTable("CRYPTO UNIT NUM", "STATUS", "VERIFICATION PATTERN")
		for _, u := range c.Units {
			first, second := patternLines(r.of(u.Registers).Pattern)
			t.row(u.label(), dash(r.of(u.Registers).State), first)
			t.row("", "", second)
		}
		t.print(w)
	}
}

// showRegistersAlone is what `cryptounit-mk` shows.
func showRegistersAlone(w io.Writer, c comparison) {
	showRegisters(w, c)
	showRemarks(w, c)
}

// showRemarks explains the mark of recovery units, and names units whose report cannot be trusted.
func showRemarks(w io.Writer, c comparison) {
	recovery := false
	for _, u := range c.Units {
		recovery = recovery || strings.HasSuffix(u.label(), "*")
	}
	if recovery {
		line(w, "\n* Indicates a recovery crypto unit used only to hold a backup master key value.")
	}
	for _, u := range c.Units {
		if u.Problem != "" {
			line(w, "\n==> WARNING: Crypto unit %d: %s <==", u.Number, u.Problem)
		}
	}
}
