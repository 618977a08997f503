package ceremony

import (
	"context"
	"fmt"
	"io"
	"time"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// Steering opens what commands that steer a rotation need: the folder, and the order under way.
func (i *Ceremony) Steering(ctx context.Context, do func(*client.Client, *workstation.Folder, client.OrderContext) error) error {
	folder, err := i.FolderAlone()
	if err != nil {
		return err
	}
	return i.Administration(ctx, func(admin *client.Client) error {
		c, err := admin.OrderContext(ctx)
		if err != nil {
			return err
		}
		return do(admin, folder, c)
	})
}

// CancelOrder asks, has the cancel of the order under way signed, and waits until every unit has cleared its new register.
func (i *Ceremony) CancelOrder(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, question, said string) error {
	signed, open, err := OpenOrder(c)
	if err != nil {
		return err
	}
	if c.Open.State == client.StateActivating {
		return fmt.Errorf("order %d is activating: the new master key is the current one, and nothing can be cancelled any more", open.Number)
	}
	if c.Open.State != client.StateCancelling {
		yes, err := i.Confirm(question)
		if err != nil || !yes {
			return command.Declined(err)
		}
		cancel, err := Draft(order.Cancel, c, time.Now())
		if err != nil {
			return err
		}
		if err := i.CheckKnown(folder, c); err != nil {
			return err
		}
		cancel.Subject = order.Subject{Order: signed.Digest(), OrderNumber: open.Number}
		if digest, err := i.SignAndSubmit(ctx, admin, folder, c, cancel); err != nil || digest == "" {
			return err
		}
	}
	if i.Flag("detach") {
		return i.Done(map[string]string{"digest": c.Open.Digest}, "`tumbler tke rotation watch` shows it.")
	}
	status, err := i.Follow(ctx, admin, c.Open.Digest, i.Progress())
	if err != nil {
		return err
	}
	if status.State != client.StateCancelled {
		return fmt.Errorf("order %d is %s: it was not cancelled", open.Number, status.State)
	}
	return i.Result(status, func(w io.Writer) {
		command.Line(w, "OK\n%s", said)
		ShowFenced(w, status)
	})
}

// CheckKnown refuses a unit whose identity is not the one remembered; one that this workstation does not know yet is no
// obstacle to an order that moves no key.
func (i *Ceremony) CheckKnown(folder *workstation.Folder, c client.OrderContext) error {
	_, err := folder.CheckIdentities(c.Instance, Identities(InstanceUnits(c)))
	return err
}

// FollowToEnd follows an order and says how it ended; with --detach it returns at once.
func (i *Ceremony) FollowToEnd(ctx context.Context, admin *client.Client, digest string) error {
	if i.Flag("detach") {
		return i.Done(map[string]string{"digest": digest}, "`tumbler tke rotation watch` shows it.")
	}
	status, err := i.Follow(ctx, admin, digest, i.Progress())
	if err != nil {
		return err
	}
	return i.Ended(status)
}
