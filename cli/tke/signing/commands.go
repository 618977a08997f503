package signing

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cli/workstation"
)

const EnvSigKeyPassword = "TUMBLER_SIGKEY_PASSWORD"

var SigKeyPasswords = command.PasswordSource{Env: EnvSigKeyPassword, Flag: "password-file"}

// Commands are `tke sigkeys` and those whose names begin with sigkey.
func Commands(s command.Streams) []*urfave.Command {
	passwordFile := command.TextFlag("password-file", "`FILE` with the passwords, a line each, in the order of the KEYNUMs [$"+EnvSigKeyPassword+", $"+EnvSigKeyPassword+"_<KEYNUM>]")
	return []*urfave.Command{
		{
			Name:        "sigkeys",
			Usage:       "list administrators' signature keys on this workstation",
			Description: "Example:\n   tumbler tke sigkeys",
			Flags:       slices.Concat(command.OutputFlags(), command.FolderFlags()),
			Action:      Action(s, sigKeys),
		},
		{
			Name:        "sigkey-add",
			Usage:       "make a signature key for an administrator",
			Description: "A password that is soon guessed is refused.\n\nExamples:\n   TUMBLER_SIGKEY_PASSWORD=... tumbler tke sigkey-add --name Alice\n   tumbler tke sigkey-add --name Bob --generate-password\n   tumbler tke sigkey-add --name Carol --card 'pkcs11:token=carol?module-path=/usr/lib/softhsm/libsofthsm2.so'",
			Flags:       slices.Concat([]urfave.Flag{command.TextFlag("name", "`NAME` of the administrator, at most 30 characters"), passwordFile, command.GenerateFlag("the signature key")}, CardFlags("make it"), command.OutputFlags(), command.FolderFlags()),
			Action:      Action(s, sigKeyAdd),
		},
		{
			Name:        "sigkey-rm",
			Usage:       "delete a signature key from this workstation; without a copy of its file it is gone",
			Description: "Example:\n   tumbler tke sigkey-rm --keynum 2 --yes",
			Flags:       slices.Concat([]urfave.Flag{command.TextFlag("keynum", "`KEYNUM` of the key"), command.YesFlag("the key is deleted")}, command.OutputFlags(), command.FolderFlags()),
			Action:      Action(s, sigKeyRemove),
		},
		{
			Name:        "sigkey-sel",
			Usage:       "choose the current signature keys: those that sign from now on",
			Description: "Example:\n   tumbler tke sigkey-sel --keynum 1,2",
			Flags:       slices.Concat([]urfave.Flag{command.TextFlag("keynum", "`KEYNUM`s of the keys, separated by commas"), passwordFile}, command.OutputFlags(), command.FolderFlags()),
			Action:      Action(s, sigKeySelect),
		},
	}
}

// sigKeyShown is a signature key as JSON.
type sigKeyShown struct {
	workstation.SigKeyInfo
	Current bool `json:"current"`
}

func sigKeys(_ context.Context, i *Session) error {
	folder, err := i.FolderAlone()
	if err != nil {
		return err
	}
	ring, err := i.Keyring(folder)
	if err != nil {
		return err
	}
	keys, err := ring.List()
	if err != nil {
		return err
	}
	selected, err := ring.Current()
	if err != nil {
		return err
	}
	list := make([]sigKeyShown, len(keys))
	for n, k := range keys {
		list[n] = sigKeyShown{k, slices.Contains(selected, k.KeyNum)}
	}
	return i.Result(map[string]any{"sigkeys": list}, func(w io.Writer) {
		if len(list) == 0 {
			command.Line(w, "There are no signature keys in %s: `tumbler tke sigkey-add` makes one.", folder.Dir())
			return
		}
		t := command.NewTable("KEYNUM", "DESCRIPTION", "SUBJECT KEY IDENTIFIER")
		for _, k := range list {
			t.Row(k.KeyNum, k.Name, ShownSKI(k.SigKeyInfo))
		}
		t.Print(w)
		cards := map[int]string{}
		for _, k := range list {
			cards[k.KeyNum] = k.Card
		}
		ShowCards(w, cards)
		if len(selected) > 0 {
			command.Line(w, "\nCurrent signature keys: KEYNUM %s", command.Numbers(selected))
		}
	})
}

// ShownSKI is an identifier as lists show it. That of a key in a signing service is not known without its token.
func ShownSKI(k workstation.SigKeyInfo) string {
	if k.SubjectKeyIdentifier == "" {
		return "its token was not given"
	}
	return workstation.ShortSKI(k.SubjectKeyIdentifier) + "..."
}

func sigKeyAdd(_ context.Context, i *Session) error {
	folder, err := i.FolderAlone()
	if err != nil {
		return err
	}
	if err := i.NoService(); err != nil {
		return err
	}
	if uri, given, err := i.CardURI(); err != nil {
		return err
	} else if given {
		return i.addCardSigKey(folder, uri)
	}
	name, err := i.Ask("name", "", "Enter an administrator name to be associated with the signature key:")
	if err != nil {
		return err
	}
	if err := workstation.CheckName(name); err != nil {
		return i.Usage("%v", err)
	}
	password, err := i.NewPassword(SigKeyPasswords, 0, "Enter a password to protect the signature key:", name)
	if err != nil {
		return err
	}
	info, err := folder.AddSigKey(name, password.Text)
	if err != nil {
		return err
	}
	return i.Result(struct {
		workstation.SigKeyInfo
		Password string `json:"password,omitempty"`
	}{info, password.ToShow()}, func(w io.Writer) {
		command.Line(w, "OK\nA signature key was created.")
		password.Show(w)
	})
}

func sigKeyRemove(_ context.Context, i *Session) error {
	folder, err := i.FolderAlone()
	if err != nil {
		return err
	}
	if err := i.NoService(); err != nil {
		return err
	}
	answer, err := i.Ask("keynum", "", "Enter the KEYNUM of the signature key to delete:")
	if err != nil {
		return err
	}
	keyNum, err := strconv.Atoi(answer)
	if err != nil {
		return i.Usage("%s is not a KEYNUM", strconv.Quote(answer))
	}
	yes, err := i.Confirm(fmt.Sprintf("Signature key %d is deleted from this workstation. Do you want to continue?", keyNum))
	if err != nil || !yes {
		return command.Declined(err)
	}
	info, err := folder.SigKey(keyNum)
	if err != nil {
		return err
	}
	if err := folder.RemoveSigKey(keyNum); err != nil {
		return err
	}
	lines := []string{"The signature key was deleted."}
	if info.Card != "" {
		lines = append(lines, StaysOnCard)
	}
	return i.Done(map[string]int{"keynum": keyNum}, lines...)
}

func sigKeySelect(_ context.Context, i *Session) error {
	folder, err := i.FolderAlone()
	if err != nil {
		return err
	}
	ring, err := i.Keyring(folder)
	if err != nil {
		return err
	}
	answer, err := i.Ask("keynum", "", "Enter the KEYNUM values to select as current signature keys, separated by spaces:")
	if err != nil {
		return err
	}
	keyNums, err := i.ParseKeyNums(answer)
	if err != nil {
		return err
	}
	for place, n := range keyNums {
		if _, err := ring.Open(n, place, fmt.Sprintf("Enter the password for KEYNUM %d:", n)); err != nil {
			return err
		}
	}
	if err := ring.Choose(keyNums); err != nil {
		return err
	}
	lines := make([]string, len(keyNums))
	for n, k := range keyNums {
		lines[n] = fmt.Sprintf("KEYNUM %d has been made the current signature key.", k)
	}
	return i.Done(map[string][]int{"keynums": keyNums}, lines...)
}

// openSigKey opens a signature key with the password given for it, or asked for.
func (i *Session) openSigKey(folder *workstation.Folder, keyNum, place int, prompt string) (SignatureKey, error) {
	info, err := folder.SigKey(keyNum)
	if err != nil {
		return nil, err
	}
	if info.Card != "" {
		return i.cardSigKey(folder, info)
	}
	password, err := i.PasswordOf(SigKeyPasswords, keyNum, place, prompt)
	if err != nil {
		return nil, err
	}
	return folder.OpenSigKey(keyNum, password)
}

// ParseKeyNums reads KEYNUMs separated by spaces or commas: in order, each once.
func (i *Session) ParseKeyNums(text string) ([]int, error) {
	keyNums, err := i.KeyNumList(text)
	slices.Sort(keyNums)
	return keyNums, err
}

// KeyNumList reads KEYNUMs separated by spaces or commas, as they were given, each once.
func (i *Session) KeyNumList(text string) ([]int, error) {
	var keyNums []int
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, i.Usage("%s is not a KEYNUM", strconv.Quote(word))
		}
		if slices.Contains(keyNums, n) {
			return nil, i.Usage("KEYNUM %d is given twice", n)
		}
		keyNums = append(keyNums, n)
	}
	if len(keyNums) == 0 {
		return nil, i.Usage("no KEYNUM was given")
	}
	return keyNums, nil
}

// FolderAlone opens the folder for a command that takes no arguments.
func (i *Session) FolderAlone() (*workstation.Folder, error) {
	if _, err := i.Arguments(); err != nil {
		return nil, err
	}
	return i.Folder()
}
