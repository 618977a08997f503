package registers

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
)

const (
	envKeyPartValue    = "TUMBLER_KEYPART_VALUE"
	flagPartPasswords  = "part-password-file"
	flagKeyPartValue   = "value-file"
	promptDescription  = "Enter a description for the key part:"
	partPasswordsUsage = "`FILE` with the passwords of the key parts, a line each, in the order in which they are named [$TUMBLER_KEYPART_PASSWORD, $TUMBLER_KEYPART_PASSWORD_<KEYNUM>]"
)

// keyPartPasswords are those of parts in files.
func keyPartPasswords(flag string) command.PasswordSource {
	return command.PasswordSource{Env: "TUMBLER_KEYPART_PASSWORD", Flag: flag}
}

// KeyPartCommands are `tke mks`, `mk-add` and `mk-rm`.
func KeyPartCommands(s command.Streams) []*urfave.Command {
	return []*urfave.Command{
		{
			Name:        "mks",
			Usage:       "list parts of master keys on this workstation",
			Description: "Example:\n   tumbler tke mks",
			Flags:       slices.Concat(command.OutputFlags(), command.FolderFlags()),
			Action:      action(s, keyParts),
		},
		{
			Name:  "mk-add",
			Usage: "make a part of a master key, or keep one whose value is known, in a file that a password seals",
			Description: "2 or 3 parts, each with its own custodian, are one master key; it comes together inside the crypto units alone.\n" +
				"The value is never given by a flag, which every process on the machine could read.\n\n" +
				"Examples:\n   tumbler tke mk-add --random --description 'first part of 2026'\n" +
				"   tumbler tke mk-add --value --description 'first part of 2026' --value-file FILE\n" +
				"   tumbler tke mk-add --random --description 'second part' --card 'pkcs11:token=carol?module-path=/usr/lib/softhsm/libsofthsm2.so'",
			Flags: slices.Concat([]urfave.Flag{
				&urfave.BoolFlag{Name: "random", Usage: "draw the value"},
				&urfave.BoolFlag{Name: "value", Usage: "ask for the value, of 64 hex digits"},
				command.TextFlag("description", "`TEXT` that lists show, at most 30 characters"),
				command.TextFlag(flagKeyPartValue, "`FILE` with the value for --value [$"+envKeyPartValue+" holds the value itself]"),
				command.TextFlag("password-file", "`FILE` with the password on its first line [$TUMBLER_KEYPART_PASSWORD]"),
				command.GenerateFlag("the key part"),
			}, signing.CardFlags("draw it"), command.OutputFlags(), command.FolderFlags()),
			Action: action(s, keyPartAdd),
		},
		{
			Name:        "mk-rm",
			Usage:       "delete a part of a master key from this workstation; without a copy of its file it is gone",
			Description: "Without recovery crypto units the custodians' parts are the backup of the master key.\n\nExample:\n   tumbler tke mk-rm --keynum 2 --yes",
			Flags:       slices.Concat([]urfave.Flag{command.TextFlag("keynum", "`KEYNUM` of the key part"), command.YesFlag("the key part is deleted")}, command.OutputFlags(), command.FolderFlags()),
			Action:      action(s, keyPartRemove),
		},
	}
}

func keyParts(_ context.Context, i *invocation) error {
	folder, err := i.FolderAlone()
	if err != nil {
		return err
	}
	list, err := folder.KeyParts()
	if err != nil {
		return err
	}
	if list == nil {
		list = []workstation.KeyPartInfo{}
	}
	return i.Result(map[string]any{"mks": list}, func(w io.Writer) {
		if len(list) == 0 {
			command.Line(w, "There are no key parts in %s: `tumbler tke mk-add` makes one.", folder.Dir())
			return
		}
		showKeyParts(w, list)
	})
}

func showKeyParts(w io.Writer, list []workstation.KeyPartInfo) {
	t := command.NewTable("KEYNUM", "DESCRIPTION", "VERIFICATION PATTERN")
	for _, p := range list {
		if p.Pattern == "" {
			t.Row(p.KeyNum, p.Description, "-")
			continue
		}
		first, second := command.PatternLines(p.Pattern)
		t.Row(p.KeyNum, p.Description, first)
		t.Row("", "", second)
	}
	t.Print(w)
	cards := map[int]string{}
	for _, p := range list {
		cards[p.KeyNum] = p.Card
	}
	signing.ShowCards(w, cards)
}

func keyPartAdd(_ context.Context, i *invocation) error {
	if i.Flag("value") && i.Context.Args().Present() {
		return i.Usage("a value is no argument, which every process on the machine could read: it is asked for, or taken from $%s or --%s", envKeyPartValue, flagKeyPartValue)
	}
	folder, err := i.FolderAlone()
	if err != nil {
		return err
	}
	if i.Flag("random") == i.Flag("value") {
		return i.Usage("give one of --random, which draws the value, and --value, which asks for it")
	}
	if uri, given, err := i.CardURI(); err != nil {
		return err
	} else if given {
		return i.addCardKeyPart(folder, uri)
	}
	description, err := i.Ask("description", "", promptDescription)
	if err != nil {
		return err
	}
	if err := workstation.CheckDescription(description); err != nil {
		return i.Usage("%v", err)
	}
	value := []byte(nil)
	if i.Flag("value") {
		if value, err = i.keyPartValue(); err != nil {
			return err
		}
	} else {
		value = workstation.RandomKeyPart()
	}
	defer clear(value)
	password, err := i.NewPassword(keyPartPasswords("password-file"), 0, "Enter a password to protect the key part:", description)
	if err != nil {
		return err
	}
	info, err := folder.AddKeyPart(description, value, password.Text)
	if err != nil {
		return err
	}
	return i.Result(struct {
		workstation.KeyPartInfo
		Password string `json:"password,omitempty"`
	}{info, password.ToShow()}, func(w io.Writer) {
		command.Line(w, "OK\nA key part was created.")
		showKeyParts(w, []workstation.KeyPartInfo{info})
		password.Show(w)
	})
}

// keyPartValue takes the value from the environment or a file, or asks for it without showing it.
func (i *invocation) keyPartValue() ([]byte, error) {
	text, err := i.Secret("key part value", envKeyPartValue, flagKeyPartValue)
	if err == nil && text == "" {
		text, err = i.Password("Enter the key part value:", "set "+envKeyPartValue+", or give --"+flagKeyPartValue+" FILE")
	}
	if err != nil {
		return nil, err
	}
	value, err := workstation.ParseKeyPart(text)
	if err != nil {
		return nil, i.Usage("%v", err)
	}
	return value, nil
}

func keyPartRemove(_ context.Context, i *invocation) error {
	folder, err := i.FolderAlone()
	if err != nil {
		return err
	}
	answer, err := i.Ask("keynum", "", "Enter the KEYNUM of the key part to delete:")
	if err != nil {
		return err
	}
	keyNum, err := strconv.Atoi(answer)
	if err != nil {
		return i.Usage("%s is not a KEYNUM", strconv.Quote(answer))
	}
	info, err := folder.KeyPart(keyNum)
	if err != nil {
		return err
	}
	yes, err := i.Confirm(fmt.Sprintf("Key part %d, %s, is deleted from this workstation. Do you want to continue?", keyNum, strconv.Quote(info.Description)))
	if err != nil || !yes {
		return command.Declined(err)
	}
	if err := folder.RemoveKeyPart(keyNum); err != nil {
		return err
	}
	lines := []string{"The key part was deleted."}
	if info.Card != "" {
		lines = append(lines, signing.StaysOnCard)
	}
	return i.Done(map[string]int{"keynum": keyNum}, lines...)
}
