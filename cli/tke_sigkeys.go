package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/workstation"
)

const envSigKeyPassword = "TUMBLER_SIGKEY_PASSWORD"

var sigKeyPasswords = passwordSource{envSigKeyPassword, "password-file"}

func sigKeyCommands(s Streams) []*urfave.Command {
	passwordFile := text("password-file", "`FILE` with the passwords, a line each, in the order of the KEYNUMs [$"+envSigKeyPassword+", $"+envSigKeyPassword+"_<KEYNUM>]")
	return []*urfave.Command{
		{
			Name:        "sigkeys",
			Usage:       "list administrators' signature keys on this workstation",
			Description: "Example:\n   tumbler tke sigkeys",
			Flags:       join(outputFlags(), folderFlags()),
			Action:      action(s, sigKeys),
		},
		{
			Name:        "sigkey-add",
			Usage:       "make a signature key for an administrator",
			Description: "A password that is soon guessed is refused.\n\nExamples:\n   TUMBLER_SIGKEY_PASSWORD=... tumbler tke sigkey-add --name Alice\n   tumbler tke sigkey-add --name Bob --generate-password\n   tumbler tke sigkey-add --name Carol --card 'pkcs11:token=carol?module-path=/usr/lib/softhsm/libsofthsm2.so'",
			Flags:       join([]urfave.Flag{text("name", "`NAME` of the administrator, at most 30 characters"), passwordFile, generateFlag("the signature key")}, cardFlags("make it"), outputFlags(), folderFlags()),
			Action:      action(s, sigKeyAdd),
		},
		{
			Name:        "sigkey-rm",
			Usage:       "delete a signature key from this workstation; without a copy of its file it is gone",
			Description: "Example:\n   tumbler tke sigkey-rm --keynum 2 --yes",
			Flags:       join([]urfave.Flag{text("keynum", "`KEYNUM` of the key"), yesFlag("the key is deleted")}, outputFlags(), folderFlags()),
			Action:      action(s, sigKeyRemove),
		},
		{
			Name:        "sigkey-sel",
			Usage:       "choose the current signature keys: those that sign from now on",
			Description: "Example:\n   tumbler tke sigkey-sel --keynum 1,2",
			Flags:       join([]urfave.Flag{text("keynum", "`KEYNUM`s of the keys, separated by commas"), passwordFile}, outputFlags(), folderFlags()),
			Action:      action(s, sigKeySelect),
		},
	}
}

// sigKeyShown is a signature key as JSON.
type sigKeyShown struct {
	workstation.SigKeyInfo
	Current bool `json:"current"`
}

func sigKeys(_ context.Context, i *invocation) error {
	folder, err := i.folderAlone()
	if err != nil {
		return err
	}
	ring, err := i.keyring(folder)
	if err != nil {
		return err
	}
	keys, err := ring.list()
	if err != nil {
		return err
	}
	selected, err := ring.current()
	if err != nil {
		return err
	}
	list := make([]sigKeyShown, len(keys))
	for n, k := range keys {
		list[n] = sigKeyShown{k, slices.Contains(selected, k.KeyNum)}
	}
	return i.result(map[string]any{"sigkeys": list}, func(w io.Writer) {
		if len(list) == 0 {
			line(w, "There are no signature keys in %s: `tumbler tke sigkey-add` makes one.", folder.Dir())
			return
		}
		t := newTable("KEYNUM", "DESCRIPTION", "SUBJECT KEY IDENTIFIER")
		for _, k := range list {
			t.row(k.KeyNum, k.Name, shownSKI(k.SigKeyInfo))
		}
		t.print(w)
		cards := map[int]string{}
		for _, k := range list {
			cards[k.KeyNum] = k.Card
		}
		showCards(w, cards)
		if len(selected) > 0 {
			line(w, "\nCurrent signature keys: KEYNUM %s", numbers(selected))
		}
	})
}

// shownSKI is an identifier as lists show it. That of a key in a signing service is not known without its token.
func shownSKI(k workstation.SigKeyInfo) string {
	if k.SubjectKeyIdentifier == "" {
		return "its token was not given"
	}
	return workstation.ShortSKI(k.SubjectKeyIdentifier) + "..."
}

func sigKeyAdd(_ context.Context, i *invocation) error {
	folder, err := i.folderAlone()
	if err != nil {
		return err
	}
	if err := i.noService(); err != nil {
		return err
	}
	if uri, given, err := i.cardURI(); err != nil {
		return err
	} else if given {
		return i.addCardSigKey(folder, uri)
	}
	name, err := i.ask("name", "", "Enter an administrator name to be associated with the signature key:")
	if err != nil {
		return err
	}
	if err := workstation.CheckName(name); err != nil {
		return i.usage("%v", err)
	}
	password, err := i.newPassword(sigKeyPasswords, 0, "Enter a password to protect the signature key:", name)
	if err != nil {
		return err
	}
	info, err := folder.AddSigKey(name, password.text)
	if err != nil {
		return err
	}
	return i.result(struct {
		workstation.SigKeyInfo
		Password string `json:"password,omitempty"`
	}{info, password.toShow()}, func(w io.Writer) {
		line(w, "OK\nA signature key was created.")
		password.show(w)
	})
}

func sigKeyRemove(_ context.Context, i *invocation) error {
	folder, err := i.folderAlone()
	if err != nil {
		return err
	}
	if err := i.noService(); err != nil {
		return err
	}
	answer, err := i.ask("keynum", "", "Enter the KEYNUM of the signature key to delete:")
	if err != nil {
		return err
	}
	keyNum, err := strconv.Atoi(answer)
	if err != nil {
		return i.usage("%s is not a KEYNUM", quote(answer))
	}
	yes, err := i.confirm(fmt.Sprintf("Signature key %d is deleted from this workstation. Do you want to continue?", keyNum))
	if err != nil || !yes {
		return declined(err)
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
		lines = append(lines, staysOnCard)
	}
	return i.done(map[string]int{"keynum": keyNum}, lines...)
}

func sigKeySelect(_ context.Context, i *invocation) error {
	folder, err := i.folderAlone()
	if err != nil {
		return err
	}
	ring, err := i.keyring(folder)
	if err != nil {
		return err
	}
	answer, err := i.ask("keynum", "", "Enter the KEYNUM values to select as current signature keys, separated by spaces:")
	if err != nil {
		return err
	}
	keyNums, err := i.parseKeyNums(answer)
	if err != nil {
		return err
	}
	for place, n := range keyNums {
		if _, err := ring.open(n, place, fmt.Sprintf("Enter the password for KEYNUM %d:", n)); err != nil {
			return err
		}
	}
	if err := ring.choose(keyNums); err != nil {
		return err
	}
	lines := make([]string, len(keyNums))
	for n, k := range keyNums {
		lines[n] = fmt.Sprintf("KEYNUM %d has been made the current signature key.", k)
	}
	return i.done(map[string][]int{"keynums": keyNums}, lines...)
}

// openSigKey opens a signature key with the password given for it, or asked for.
func (i *invocation) openSigKey(folder *workstation.Folder, keyNum, place int, prompt string) (signatureKey, error) {
	info, err := folder.SigKey(keyNum)
	if err != nil {
		return nil, err
	}
	if info.Card != "" {
		return i.cardSigKey(folder, info)
	}
	password, err := i.passwordOf(sigKeyPasswords, keyNum, place, prompt)
	if err != nil {
		return nil, err
	}
	return folder.OpenSigKey(keyNum, password)
}

// parseKeyNums reads KEYNUMs separated by spaces or commas: in order, each once.
func (i *invocation) parseKeyNums(text string) ([]int, error) {
	keyNums, err := i.keyNumList(text)
	slices.Sort(keyNums)
	return keyNums, err
}

// keyNumList reads KEYNUMs separated by spaces or commas, as they were given, each once.
func (i *invocation) keyNumList(text string) ([]int, error) {
	var keyNums []int
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }) {
		n, err := strconv.Atoi(word)
		if err != nil || n < 1 {
			return nil, i.usage("%s is not a KEYNUM", quote(word))
		}
		if slices.Contains(keyNums, n) {
			return nil, i.usage("KEYNUM %d is given twice", n)
		}
		keyNums = append(keyNums, n)
	}
	if len(keyNums) == 0 {
		return nil, i.usage("no KEYNUM was given")
	}
	return keyNums, nil
}

// folderAlone opens the folder for a command that takes no arguments.
func (i *invocation) folderAlone() (*workstation.Folder, error) {
	if _, err := i.arguments(); err != nil {
		return nil, err
	}
	return i.folder()
}

// numbers lists numbers: 1, 2, 3.
func numbers[T int | uint32](list []T) string {
	texts := make([]string, len(list))
	for n, v := range list {
		texts[n] = fmt.Sprint(v)
	}
	return strings.Join(texts, ", ")
}
