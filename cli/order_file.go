package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

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
	i.say("The order is in %s. On a workstation: `tumbler tke order sign %s`; then put %s beside it. Waiting until %s....",
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
