package orders

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/document"
	"tumbler/cli/tke/signing"
	"tumbler/cli/tke/units"
	"tumbler/cli/workstation"
)

// Command is `tke order`.
func Command(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "order",
		Usage: "have an order or an approval signed on several workstations, one after the other",
		Subcommands: []*urfave.Command{
			{
				Name:      "sign",
				Usage:     "read what a file orders or approves, in words, and add a signature to it",
				ArgsUsage: "FILE",
				Description: "FILE is what a command wrote with --order FILE, or `cluster snapshot restore --order` on another machine. Every field is\n" +
					"printed; what this version cannot read it does not sign. Crypto units are compared with those that this workstation knows.\n" +
					"The signatures are added to FILE; take it to further workstations until there are enough. A restore order is left as\n" +
					"it is, and FILE.signed written: put that beside it.\n\n" +
					"Examples:\n   tumbler tke order sign rotate.order\n   tumbler tke order sign rotate.order --keynum 2 --yes",
				Flags: slices.Concat([]urfave.Flag{command.YesFlag("it is signed"),
					ceremony.FingerprintsFlag()},
					signing.KeyFlags(), command.OutputFlags(), command.FolderFlags()),
				Action: action(s, orderSign),
			},
			{
				Name:      "submit",
				Usage:     "hand in an order or an approval that has all its signatures",
				ArgsUsage: "FILE",
				Description: "Signatures are checked before it is handed in. Handing in the same file again is safe: what was done already is not\n" +
					"done again. An order that came too late, or after another, is refused: it has to be made and signed anew.\n\n" +
					"Example:\n   tumbler tke order submit rotate.order",
				Flags:  slices.Concat([]urfave.Flag{units.DestroyFlag()}, command.OutputFlags(), command.ConnectionFlags(), command.FolderFlags()),
				Action: action(s, orderSubmit),
			},
		},
	}
}

// named reads the document that the argument names, and opens the folder.
func (i *invocation) named() (path string, folder *workstation.Folder, d *document.Document, err error) {
	arguments, err := i.Arguments("FILE")
	if err != nil {
		return "", nil, nil, err
	}
	if folder, err = i.Folder(); err != nil {
		return "", nil, nil, err
	}
	d, err = document.Read(arguments[0])
	return arguments[0], folder, d, err
}

func orderSign(_ context.Context, i *invocation) error {
	path, folder, d, err := i.named()
	if err != nil {
		return err
	}
	have, err := d.Signers()
	if err != nil {
		return fmt.Errorf("%s: %w: have it sent again", path, err)
	}
	need, err := d.Need()
	if err != nil {
		return err
	}
	if !i.JSON {
		d.Show(i.Streams.Out)
		document.ShowSigners(i.Streams.Out, have, need)
	}
	if err := d.Expired(time.Now()); err != nil {
		return err
	}
	if err := i.checkNamed(folder, d); err != nil {
		return err
	}
	if yes, err := i.Confirm(d.Question()); err != nil || !yes {
		return command.Declined(err)
	}
	keys, err := i.KeysToSign(folder, d)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := d.Sign(key); err != nil {
			return err
		}
	}
	return i.keepSigned(folder, path, d)
}

// checkNamed compares crypto units with those that the folder knows; others are shown and asked about.
func (i *invocation) checkNamed(folder *workstation.Folder, d *document.Document) error {
	return i.CheckFingerprints(folder, d.Instance.String(), d.Named())
}

// keepSigned writes a document that has signatures more: a restore order beside the one that waits for it.
func (i *invocation) keepSigned(folder *workstation.Folder, path string, d *document.Document) error {
	der, err := d.Encode()
	if err != nil {
		return err
	}
	missing, err := d.Missing()
	if err != nil {
		return err
	}
	have, err := d.Signers()
	if err != nil {
		return err
	}
	if d.IsRestore() {
		path = strings.TrimSuffix(path, ceremony.SignedEnding) + ceremony.SignedEnding
	}
	if err := replaceFile(path, der); err != nil {
		return err
	}
	if d.IsRestore() {
		if err := ceremony.Repin(folder, d.Order); err != nil {
			return err
		}
	}
	return i.Result(ceremony.SignedFile{File: path, Order: d.Digest(), Missing: missing}, func(w io.Writer) {
		command.Line(w, "OK")
		switch {
		case missing > 0:
			command.Line(w, "%s has %s; %d more to come: `tumbler tke order sign` on further workstations.", path, command.Plural(len(have), "signature"), missing)
		case d.IsRestore():
			command.Line(w, "%s has all signatures: put it beside the order on the other machine.", path)
		default:
			command.Line(w, "%s has all signatures. Next: `tumbler tke order submit %s`.", path, path)
		}
	})
}

// replaceFile writes a file by a temporary one beside it.
func replaceFile(path string, content []byte) error {
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".unfinished-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(file.Name()) }() // unless it has its name by then
	_, err = file.Write(content)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
