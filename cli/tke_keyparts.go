package cli

import (
	"context"
	"fmt"
	"io"
	"strconv"

	urfave "github.com/urfave/cli/v2"

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
func keyPartPasswords(flag string) passwordSource {
	return passwordSource{env: "TUMBLER_KEYPART_PASSWORD", flag: flag}
}

func keyPartCommands(s Streams) []*urfave.Command {
	return []*urfave.Command{
		{
			Name:        "mks",
			Usage:       "list parts of master keys on this workstation",
			Description: "Example:\n   tumbler tke mks",
			Flags:       join(outputFlags(), folderFlags()),
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
			Flags: join([]urfave.Flag{
				&urfave.BoolFlag{Name: "random", Usage: "draw the value"},
				&urfave.BoolFlag{Name: "value", Usage: "ask for the value, of 64 hex digits"},
				text("description", "`TEXT` that lists show, at most 30 characters"),
				text(flagKeyPartValue, "`FILE` with the value for --value [$"+envKeyPartValue+" holds the value itself]"),
				text("password-file", "`FILE` with the password on its first line [$TUMBLER_KEYPART_PASSWORD]"),
				generateFlag("the key part"),
			}, cardFlags("draw it"), outputFlags(), folderFlags()),
			Action: action(s, keyPartAdd),
		},
		{
			Name:        "mk-rm",
			Usage:       "delete a part of a master key from this workstation; without a copy of its file it is gone",
			Description: "Without recovery crypto units the custodians' parts are the backup of the master key.\n\nExample:\n   tumbler tke mk-rm --keynum 2 --yes",
			Flags:       join([]urfave.Flag{text("keynum", "`KEYNUM` of the key part"), yesFlag("the key part is deleted")}, outputFlags(), folderFlags()),
			Action:      action(s, keyPartRemove),
		},
	}
}

func keyParts(_ context.Context, i *invocation) error {
	folder, err := i.folderAlone()
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
	return i.result(map[string]any{"mks": list}, func(w io.Writer) {
		if len(list) == 0 {
			line(w, "There are no key parts in %s: `tumbler tke mk-add` makes one.", folder.Dir())
			return
		}
		showKeyParts(w, list)
	})
}

func showKeyParts(w io.Writer, list []workstation.KeyPartInfo) {
	t := newTable("KEYNUM", "DESCRIPTION", "VERIFICATION PATTERN")
	for _, p := range list {
		if p.Pattern == "" {
			t.row(p.KeyNum, p.Description, "-")
			continue
		}
		first, second := patternLines(p.Pattern)
		t.row(p.KeyNum, p.Description, first)
		t.row("", "", second)
	}
	t.print(w)
	cards := map[int]string{}
	for _, p := range list {
		cards[p.KeyNum] = p.Card
	}
	showCards(w, cards)
}

func keyPartAdd(_ context.Context, i *invocation) error {
	if i.flag("value") && i.c.Args().Present() {
		return i.usage("a value is no argument, which every process on the machine could read: it is asked for, or taken from $%s or --%s", envKeyPartValue, flagKeyPartValue)
	}
	folder, err := i.folderAlone()
	if err != nil {
		return err
	}
	if i.flag("random") == i.flag("value") {
		return i.usage("give one of --random, which draws the value, and --value, which asks for it")
	}
	if uri, given, err := i.cardURI(); err != nil {
		return err
	} else if given {
		return i.addCardKeyPart(folder, uri)
	}
	description, err := i.ask("description", "", promptDescription)
	if err != nil {
		return err
	}
	if err := workstation.CheckDescription(description); err != nil {
		return i.usage("%v", err)
	}
	value := []byte(nil)
	if i.flag("value") {
		if value, err = i.keyPartValue(); err != nil {
			return err
		}
	} else {
		value = workstation.RandomKeyPart()
	}
	defer clear(value)
	password, err := i.newPassword(keyPartPasswords("password-file"), 0, "Enter a password to protect the key part:", description)
	if err != nil {
		return err
	}
	info, err := folder.AddKeyPart(description, value, password.text)
	if err != nil {
		return err
	}
	return i.result(struct {
		workstation.KeyPartInfo
		Password string `json:"password,omitempty"`
	}{info, password.toShow()}, func(w io.Writer) {
		line(w, "OK\nA key part was created.")
		showKeyParts(w, []workstation.KeyPartInfo{info})
		password.show(w)
	})
}

// keyPartValue takes the value from the environment or a file, or asks for it without showing it.
func (i *invocation) keyPartValue() ([]byte, error) {
	text, err := i.secret("key part value", envKeyPartValue, flagKeyPartValue)
	if err == nil && text == "" {
		text, err = i.password("Enter the key part value:", "set "+envKeyPartValue+", or give --"+flagKeyPartValue+" FILE")
	}
	if err != nil {
		return nil, err
	}
	value, err := workstation.ParseKeyPart(text)
	if err != nil {
		return nil, i.usage("%v", err)
	}
	return value, nil
}

func keyPartRemove(_ context.Context, i *invocation) error {
	folder, err := i.folderAlone()
	if err != nil {
		return err
	}
	answer, err := i.ask("keynum", "", "Enter the KEYNUM of the key part to delete:")
	if err != nil {
		return err
	}
	keyNum, err := strconv.Atoi(answer)
	if err != nil {
		return i.usage("%s is not a KEYNUM", quote(answer))
	}
	info, err := folder.KeyPart(keyNum)
	if err != nil {
		return err
	}
	yes, err := i.confirm(fmt.Sprintf("Key part %d, %s, is deleted from this workstation. Do you want to continue?", keyNum, quote(info.Description)))
	if err != nil || !yes {
		return declined(err)
	}
	if err := folder.RemoveKeyPart(keyNum); err != nil {
		return err
	}
	lines := []string{"The key part was deleted."}
	if info.Card != "" {
		lines = append(lines, staysOnCard)
	}
	return i.done(map[string]int{"keynum": keyNum}, lines...)
}
