package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cryptounit/order"
	"tumbler/node"
)

// signedAgain is how often it is looked whether the signed order has come.
const signedAgain = 200 * time.Millisecond

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
	file, err := command.ReserveFile(path)
	if err != nil {
		return none, err
	}
	defer file.Drop()
	if err := file.Keep(string(der)); err != nil {
		return none, err
	}
	i.Say("The order is in %s. On a workstation: `tumbler tke order sign %s`; then put %s beside it. Waiting until %s....",
		path, filepath.Base(path), filepath.Base(path)+ceremony.SignedEnding, command.When(r.Order.NotAfter))
	said := ""
	again := time.NewTicker(signedAgain)
	defer again.Stop()
	for {
		signed, missing := readSigned(path+ceremony.SignedEnding, draft.Order.Order, &r.Administrators)
		switch {
		case missing == nil:
			return signed, nil
		case errors.Is(missing, order.ErrInvalidSignature), errors.Is(missing, order.ErrUnauthorised), errors.Is(missing, errAnotherOrder):
			return none, missing
		case !errors.Is(missing, fs.ErrNotExist) && missing.Error() != said:
			said = missing.Error()
			i.Say("%s", said)
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
