package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

func orderCommands(s Streams) *urfave.Command {
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
				Flags: join([]urfave.Flag{yesFlag("it is signed"),
					text(flagFingerprints, "compare units that this workstation meets for the first time with this `FILE`: a line `NUM FINGERPRINT` each")},
					keyFlags(), outputFlags(), folderFlags()),
				Action: action(s, orderSign),
			},
			{
				Name:      "submit",
				Usage:     "hand in an order or an approval that has all its signatures",
				ArgsUsage: "FILE",
				Description: "Signatures are checked before it is handed in. Handing in the same file again is safe: what was done already is not\n" +
					"done again. An order that came too late, or after another, is refused: it has to be made and signed anew.\n\n" +
					"Example:\n   tumbler tke order submit rotate.order",
				Flags:  join([]urfave.Flag{destroyFlag()}, outputFlags(), connectionFlags(), folderFlags()),
				Action: action(s, orderSubmit),
			},
		},
	}
}

// signedFile is what `order sign` prints, and what a command prints that wrote an order to a file.
type signedFile struct {
	File    string       `json:"file"`
	Order   order.Digest `json:"order"`
	Missing int          `json:"missing"` // signatures
}

func orderSign(_ context.Context, i *invocation) error {
	arguments, err := i.arguments("FILE")
	if err != nil {
		return err
	}
	folder, err := i.folder()
	if err != nil {
		return err
	}
	d, err := readDocument(arguments[0])
	if err != nil {
		return err
	}
	have, err := d.signers()
	if err != nil {
		return fmt.Errorf("%s: %w: have it sent again", arguments[0], err)
	}
	need, err := d.need()
	if err != nil {
		return err
	}
	if !i.json {
		d.show(i.s.Out)
		showSigners(i.s.Out, have, need)
	}
	if err := d.expired(time.Now()); err != nil {
		return err
	}
	if err := i.checkNamed(folder, d); err != nil {
		return err
	}
	if yes, err := i.confirm(d.question()); err != nil || !yes {
		return declined(err)
	}
	keys, err := i.keysToSign(folder, d)
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := d.sign(key); err != nil {
			return err
		}
	}
	return i.keepSigned(folder, arguments[0], d)
}

// question is what is asked before a document is signed.
func (d *document) question() string {
	if d.isRestore() {
		return "What came after the archive is lost, and no node of the former cluster may run any more. Do you want to sign it?"
	}
	return "Do you want to sign it?"
}

func (d *document) isRestore() bool { return d.isOrder() && d.order.Kind == order.Restore }

// named are the identities of the crypto units that a document names, by number. Those that a restore names are of a cluster that
// is gone; the one that goes on alone has a new one, which is remembered when it was signed.
func (d *document) named() map[uint32][]byte {
	units := map[uint32][]byte{}
	if d.isRestore() {
		return units
	}
	if d.order != nil {
		for _, u := range d.order.Units {
			units[u.Number] = u.Identity[:]
		}
	}
	for _, a := range d.approvals {
		if a.unit != 0 {
			units[a.unit] = a.approval.Unit[:]
		}
	}
	return units
}

// checkNamed compares crypto units with those that the folder knows; others are shown and asked about.
func (i *invocation) checkNamed(folder *workstation.Folder, d *document) error {
	return i.checkFingerprints(folder, d.instance.String(), d.named())
}

// keepSigned writes a document that has signatures more: a restore order beside the one that waits for it.
func (i *invocation) keepSigned(folder *workstation.Folder, path string, d *document) error {
	der, err := d.encode()
	if err != nil {
		return err
	}
	missing, err := d.missing()
	if err != nil {
		return err
	}
	have, err := d.signers()
	if err != nil {
		return err
	}
	if d.isRestore() {
		path = strings.TrimSuffix(path, signedEnding) + signedEnding
	}
	if err := replaceFile(path, der); err != nil {
		return err
	}
	if d.isRestore() {
		unit := d.order.Subject.Units[0]
		made := restoredCluster{Instance: d.order.Instance.String(), Unit: unit.Number, Fingerprint: unit.Identity, Removed: numbersOf(d.order.Units)}
		if err := repin(folder, made); err != nil {
			return err
		}
	}
	return i.result(signedFile{path, d.digest(), missing}, func(w io.Writer) {
		line(w, "OK")
		switch {
		case missing > 0:
			line(w, "%s has %s; %d more to come: `tumbler tke order sign` on further workstations.", path, plural(len(have), "signature"), missing)
		case d.isRestore():
			line(w, "%s has all signatures: put it beside the order on the other machine.", path)
		default:
			line(w, "%s has all signatures. Next: `tumbler tke order submit %s`.", path, path)
		}
	})
}

// digest names the order, or the one that approvals are about; none for approvals that name units.
func (d *document) digest() order.Digest {
	if d.signed == nil {
		return order.Digest{}
	}
	return d.signed.Digest()
}

// keysToSign opens the chosen signature keys of administrators on the list who have not signed yet, as many as are missing.
func (i *invocation) keysToSign(folder *workstation.Folder, d *document) ([]signatureKey, error) {
	missing, err := d.missing()
	if err != nil {
		return nil, err
	}
	if missing == 0 {
		return nil, errors.New("it has all its signatures already: `tumbler tke order submit` hands it in")
	}
	have, err := d.signers()
	if err != nil {
		return nil, err
	}
	among := func(list []order.Administrator, key []byte) bool {
		return slices.ContainsFunc(list, func(a order.Administrator) bool { return string(a.Key) == string(key) })
	}
	ring, err := i.keyring(folder)
	if err != nil {
		return nil, err
	}
	chosen, _, err := i.chosenKeys(ring)
	if err != nil {
		return nil, err
	}
	var keys []signatureKey
	for place, n := range chosen {
		if len(keys) == missing {
			break
		}
		info, err := ring.look(n, place)
		if err != nil {
			return nil, err
		}
		if !among(d.list.List, info.PublicKey) || among(have, info.PublicKey) {
			continue
		}
		key, err := ring.open(n, place, identifiedBy(info))
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("none of the chosen signature keys is of an administrator who has yet to sign: choose others with --keynum or `tumbler tke sigkey-sel`")
	}
	return keys, nil
}
