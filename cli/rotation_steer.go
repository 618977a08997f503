package cli

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// steering opens what commands that steer a rotation need: the folder, and the order under way.
func steering(ctx context.Context, i *invocation, do func(*client.Client, *workstation.Folder, client.OrderContext) error) error {
	folder, err := i.folderAlone()
	if err != nil {
		return err
	}
	return administration(ctx, i, func(admin *client.Client) error {
		c, err := admin.OrderContext(ctx)
		if err != nil {
			return err
		}
		return do(admin, folder, c)
	})
}

func rotationActivate(ctx context.Context, i *invocation) error {
	return steering(ctx, i, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		signed, o, err := openOrder(c)
		if err != nil {
			return err
		}
		if o.Activate != order.Signed {
			return fmt.Errorf("order %d activates by itself, without a signature: `tumbler tke rotation watch` shows it", o.Number)
		}
		if c.Open.State == client.StateActivating { // by an earlier run of this command
			return i.followToEnd(ctx, admin, c.Open.Digest)
		}
		if c.Open.State != client.StateRewrapped {
			return fmt.Errorf("order %d is %s, and is activated when it is rewrapped: `tumbler tke rotation watch` waits for that", o.Number, c.Open.State)
		}
		approval := order.Approval{Step: order.StepActivate, Cluster: o.Cluster, Incarnation: o.Incarnation, Order: signed.Digest()}
		if err := approval.Pattern.UnmarshalText([]byte(c.Open.Pattern)); err != nil {
			return fmt.Errorf("the new pattern: %w", err)
		}
		i.say("Order %d makes the master key %s the current one.", o.Number, approval.Pattern)
		if handedIn, err := i.approve(ctx, admin, folder, c, approval); err != nil || !handedIn {
			return err
		}
		return i.followToEnd(ctx, admin, c.Open.Digest)
	})
}

func rotationCancel(ctx context.Context, i *invocation) error {
	return steering(ctx, i, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		question := ""
		if c.Open != nil {
			question = fmt.Sprintf("Order %d (%s, %s) is cancelled: the current master key stays. Do you want to continue?", c.Open.Number, c.Open.Kind, c.Open.State)
		}
		return i.cancelOrder(ctx, admin, folder, c, question, "The rotation was cancelled: the current master key stays, and no key changed.")
	})
}

// cancelOrder asks, has the cancel of the order under way signed, and waits until every unit has cleared its new register.
func (i *invocation) cancelOrder(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, question, said string) error {
	signed, open, err := openOrder(c)
	if err != nil {
		return err
	}
	if c.Open.State == client.StateActivating {
		return fmt.Errorf("order %d is activating: the new master key is the current one, and nothing can be cancelled any more", open.Number)
	}
	if c.Open.State != client.StateCancelling {
		yes, err := i.confirm(question)
		if err != nil || !yes {
			return declined(err)
		}
		cancel, err := draft(order.Cancel, c, time.Now())
		if err != nil {
			return err
		}
		if err := i.checkKnown(folder, c); err != nil {
			return err
		}
		cancel.Subject = order.Subject{Order: signed.Digest(), OrderNumber: open.Number}
		if digest, err := i.signAndSubmit(ctx, admin, folder, c, cancel); err != nil || digest == "" {
			return err
		}
	}
	if i.flag("detach") {
		return i.done(map[string]string{"digest": c.Open.Digest}, "`tumbler tke rotation watch` shows it.")
	}
	status, err := i.follow(ctx, admin, c.Open.Digest, i.progress())
	if err != nil {
		return err
	}
	if status.State != client.StateCancelled {
		return fmt.Errorf("order %d is %s: it was not cancelled", open.Number, status.State)
	}
	return i.result(status, func(w io.Writer) {
		line(w, "OK\n%s", said)
		showFenced(w, status)
	})
}

// checkKnown refuses a unit whose identity is not the one remembered; one that this workstation does not know yet is no
// obstacle to an order that moves no key.
func (i *invocation) checkKnown(folder *workstation.Folder, c client.OrderContext) error {
	_, err := folder.CheckIdentities(c.Instance, identities(instanceUnits(c)))
	return err
}

func rotationSettle(ctx context.Context, i *invocation) error {
	return steering(ctx, i, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		signed, open, err := openOrder(c)
		if err != nil {
			return err
		}
		status, err := admin.Rotation(ctx)
		if err != nil {
			return err
		}
		if status.State != client.StateBlocked || status.Order == nil || status.Order.Digest != c.Open.Digest {
			return fmt.Errorf("order %d is %s, and there is nothing to settle", open.Number, status.State)
		}
		blobs, err := blobNames(status.Blocked)
		if err != nil {
			return err
		}
		if !i.json {
			showBlocked(i.s.Out, status.Blocked)
		}
		yes, err := i.confirm("The keys of these blobs answer with an error from now on. Do you want to continue?")
		if err != nil || !yes {
			return declined(err)
		}
		settle, err := draft(order.Settle, c, time.Now())
		if err != nil {
			return err
		}
		if err := i.checkKnown(folder, c); err != nil {
			return err
		}
		settle.Subject = order.Subject{Order: signed.Digest(), OrderNumber: open.Number, Blobs: blobs}
		if digest, err := i.signAndSubmit(ctx, admin, folder, c, settle); err != nil || digest == "" {
			return err
		}
		return i.followToEnd(ctx, admin, c.Open.Digest)
	})
}

// blobNames names the bytes that are set aside, by rising number.
func blobNames(blocked []client.BlockedBlob) ([]order.BlobName, error) {
	if len(blocked) == 0 {
		return nil, errors.New("the rotation names no blob that no unit opens: ask another node")
	}
	var names []order.BlobName
	for _, b := range blocked {
		name := order.BlobName{Number: b.Number}
		digest, err := hex.DecodeString(b.SHA256)
		if err != nil || len(digest) != len(name.Digest) {
			return nil, fmt.Errorf("the node has no bytes of blob %d: ask another node (--address)", b.Number)
		}
		copy(name.Digest[:], digest)
		for _, class := range order.Classes() {
			if class.String() == b.Class {
				name.Class = class
			}
		}
		if name.Class == 0 {
			return nil, fmt.Errorf("the node says that blob %d has class %q: use the version of the cluster", b.Number, b.Class)
		}
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b order.BlobName) int { return int(int64(a.Number) - int64(b.Number)) })
	return names, nil
}
