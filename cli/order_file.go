package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
	"tumbler/node"
)

// An order that is signed on other machines than the one that needs it travels as a file: the order, the signatures that it has,
// and the list of administrators who may sign it (order.Evidence, DER). What comes back is beside it, with this ending.
const signedEnding = ".signed"

// awaitSigned writes a restore order to a new file, and waits until enough administrators have signed it.
func (i *invocation) awaitSigned(ctx context.Context, path string, r node.Restorable) (order.SignedOrder, error) {
	none := order.SignedOrder{}
	list, err := r.Administrators.Encode()
	if err != nil {
		return none, err
	}
	draft := order.Evidence{Administrators: list}
	if draft.Order.Order, err = r.Order.Encode(); err != nil {
		return none, err
	}
	der, err := draft.Encode()
	if err != nil {
		return none, err
	}
	file, err := reserve(path)
	if err != nil {
		return none, err
	}
	defer file.drop()
	if err := file.keep(string(der)); err != nil {
		return none, err
	}
	i.say("The order is in %s. On a workstation: `tumbler tke order-sign %s`; then put %s beside it. Waiting until %s....",
		path, filepath.Base(path), filepath.Base(path)+signedEnding, when(r.Order.NotAfter))
	said := ""
	again := time.NewTicker(unitAgain)
	defer again.Stop()
	for {
		signed, missing := readSigned(path+signedEnding, draft.Order.Order, &r.Administrators)
		switch {
		case missing == nil:
			return signed, nil
		case errors.Is(missing, order.ErrInvalidSignature), errors.Is(missing, order.ErrUnauthorised), errors.Is(missing, errAnotherOrder):
			return none, missing
		case !errors.Is(missing, fs.ErrNotExist) && missing.Error() != said:
			said = missing.Error()
			i.say("%s", said)
		case time.Now().After(r.Order.NotAfter):
			return none, fmt.Errorf("the order was not signed in time: run the command again (%w)", missing)
		}
		select {
		case <-ctx.Done():
			return none, ctx.Err()
		case <-again.C:
		}
	}
}

var errAnotherOrder = errors.New("the signed file is of another order: sign the one that this command wrote")

// readSigned reads a signed order of just these bytes. Half a file, which is being copied, is not whole yet.
func readSigned(path string, wanted []byte, list *order.Administrators) (order.SignedOrder, error) {
	der, err := os.ReadFile(path)
	if err != nil {
		return order.SignedOrder{}, err
	}
	e, err := order.DecodeEvidence(der)
	if err != nil {
		return order.SignedOrder{}, fmt.Errorf("%s cannot be read yet: %w", path, err)
	}
	if string(e.Order.Order) != string(wanted) {
		return order.SignedOrder{}, errAnotherOrder
	}
	_, err = e.Order.Verify(list)
	return e.Order, err
}

func orderSignCommand(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:      "order-sign",
		Usage:     "sign a restore order that `cluster snapshot restore --order` wrote on another machine",
		ArgsUsage: "FILE",
		Description: "It writes FILE.signed, with one signature more for each signature key that is chosen; sign that file on further workstations\n" +
			"until there are enough. Compare the digest of the archive with the one that `cluster snapshot save` printed, and the\n" +
			"fingerprint with the one that the other machine shows: this workstation remembers the unit by it.\n\n" +
			"Example:\n   tumbler tke order-sign restore.order",
		Flags:  join([]urfave.Flag{yesFlag("the order is signed")}, keyFlags(), outputFlags(), folderFlags()),
		Action: action(s, orderSign),
	}
}

// signedFile is what order-sign prints.
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
	e, o, list, err := readOrderFile(arguments[0])
	if err != nil {
		return err
	}
	need, err := o.Threshold(list)
	if err != nil {
		return err
	}
	unit := o.Subject.Units[0]
	i.say("Order %d restores instance %v from the archive %s.", o.Number, o.Instance, o.Subject.Archive)
	i.say("Crypto unit %d (%v) goes on alone, in incarnation %d, with fingerprint %v; the former units (%s) are removed.",
		unit.Number, unit.Role, o.Subject.Incarnation, unit.Identity, numbers(numbersOf(o.Units)))
	yes, err := i.confirm("What came after the archive is lost, and no node of the former cluster may run any more. Do you want to sign it?")
	if err != nil || !yes {
		return declined(err)
	}
	keys, err := i.keysToSign(folder, list, &e.Order, int(need)-len(e.Order.Signatures))
	if err != nil {
		return err
	}
	for _, key := range keys {
		if err := e.Order.Sign(key); err != nil {
			return err
		}
	}
	der, err := e.Encode()
	if err != nil {
		return err
	}
	out := signedFile{File: strings.TrimSuffix(arguments[0], signedEnding) + signedEnding, Order: e.Order.Digest(), Missing: int(need) - len(e.Order.Signatures)}
	if err := replaceFile(out.File, der); err != nil {
		return err
	}
	if err := repin(folder, restoredCluster{Instance: o.Instance.String(), Unit: unit.Number, Fingerprint: unit.Identity, Removed: numbersOf(o.Units)}); err != nil {
		return err
	}
	return i.result(out, func(w io.Writer) {
		line(w, "OK")
		if out.Missing > 0 {
			line(w, "%s has %s; %d more to come.", out.File, plural(len(e.Order.Signatures), "signature"), out.Missing)
			return
		}
		line(w, "%s has all signatures: put it beside the order on the other machine.", out.File)
	})
}

// readOrderFile reads a restore order, with its list.
func readOrderFile(path string) (*order.Evidence, *order.Order, *order.Administrators, error) {
	fail := func(err error) (*order.Evidence, *order.Order, *order.Administrators, error) {
		return nil, nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	der, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, nil, err
	}
	e, err := order.DecodeEvidence(der)
	if err != nil {
		return fail(err)
	}
	o, err := e.Order.Decode()
	if err != nil {
		return fail(err)
	}
	if o.Kind != order.Restore {
		return fail(fmt.Errorf("an order of kind %v is signed by the command that makes it", o.Kind))
	}
	list, err := order.DecodeAdministrators(e.Administrators)
	if err != nil {
		return fail(err)
	}
	if digest, err := list.Digest(); err != nil || digest != o.Administrators {
		return fail(order.ErrOtherAdministrators)
	}
	return e, o, list, nil
}

// keysToSign opens the chosen signature keys of administrators on the list who have not signed yet, as many as are missing.
func (i *invocation) keysToSign(folder *workstation.Folder, list *order.Administrators, signed *order.SignedOrder, missing int) ([]signatureKey, error) {
	if missing <= 0 {
		return nil, errors.New("the order has all its signatures already")
	}
	chosen, _, err := i.chosenKeys(folder)
	if err != nil {
		return nil, err
	}
	var keys []signatureKey
	for place, n := range chosen {
		info, err := folder.SigKey(n)
		if err != nil {
			return nil, err
		}
		at := slices.IndexFunc(list.List, func(a order.Administrator) bool { return string(a.Key) == string(info.PublicKey) })
		if at < 0 || len(keys) == missing {
			continue
		}
		ski, err := list.List[at].SKI()
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(signed.Signatures, func(s order.Signature) bool { return s.Signer == ski }) {
			continue
		}
		key, err := i.openSigKey(folder, n, place, "Enter the password for the signature key identified by:\n"+info.String())
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
