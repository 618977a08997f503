package rotation

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

func rotationActivate(ctx context.Context, i *invocation) error {
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		signed, o, err := ceremony.OpenOrder(c)
		if err != nil {
			return err
		}
		if o.Activate != order.Signed {
			return fmt.Errorf("order %d activates by itself, without a signature: `tumbler tke rotation watch` shows it", o.Number)
		}
		if c.Open.State == client.StateActivating { // by an earlier run of this command
			return i.FollowToEnd(ctx, admin, c.Open.Digest)
		}
		if c.Open.State != client.StateRewrapped {
			return fmt.Errorf("order %d is %s, and is activated when it is rewrapped: `tumbler tke rotation watch` waits for that", o.Number, c.Open.State)
		}
		approval := order.Approval{Step: order.StepActivate, Cluster: o.Cluster, Incarnation: o.Incarnation, Order: signed.Digest()}
		if err := approval.Pattern.UnmarshalText([]byte(c.Open.Pattern)); err != nil {
			return fmt.Errorf("the new pattern: %w", err)
		}
		i.Say("Order %d makes the master key %s the current one.", o.Number, approval.Pattern)
		if handedIn, err := i.Approve(ctx, admin, folder, c, approval); err != nil || !handedIn {
			return err
		}
		return i.FollowToEnd(ctx, admin, c.Open.Digest)
	})
}

func rotationCancel(ctx context.Context, i *invocation) error {
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		question := ""
		if c.Open != nil {
			question = fmt.Sprintf("Order %d (%s, %s) is cancelled: the current master key stays. Do you want to continue?", c.Open.Number, c.Open.Kind, c.Open.State)
		}
		return i.CancelOrder(ctx, admin, folder, c, question, "The rotation was cancelled: the current master key stays, and no key changed.")
	})
}

func rotationSettle(ctx context.Context, i *invocation) error {
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		signed, open, err := ceremony.OpenOrder(c)
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
		if !i.JSON {
			ceremony.ShowBlocked(i.Streams.Out, status.Blocked)
		}
		yes, err := i.Confirm("The keys of these blobs answer with an error from now on. Do you want to continue?")
		if err != nil || !yes {
			return command.Declined(err)
		}
		settle, err := ceremony.Draft(order.Settle, c, time.Now())
		if err != nil {
			return err
		}
		if err := i.CheckKnown(folder, c); err != nil {
			return err
		}
		settle.Subject = order.Subject{Order: signed.Digest(), OrderNumber: open.Number, Blobs: blobs}
		if digest, err := i.SignAndSubmit(ctx, admin, folder, c, settle); err != nil || digest == "" {
			return err
		}
		return i.FollowToEnd(ctx, admin, c.Open.Digest)
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
