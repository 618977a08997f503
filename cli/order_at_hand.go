package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// orderAtHand is the order under way with all that was stated and signed under it, each signature checked: those of units
// against the identities that this workstation knows, those of administrators against the list that every unit reports.
type orderAtHand struct {
	open   *client.OpenOrder
	list   *order.Administrators
	record *order.Record
}

// orderUnderWay reads it. What a node says of it is compared with what it is.
func (i *invocation) orderUnderWay(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext) (*orderAtHand, error) {
	signed, o, err := openOrder(c)
	if err != nil {
		return nil, err
	}
	known := map[uint32][]byte{}
	for _, u := range o.Units {
		known[u.Number] = u.Identity[:]
	}
	if err := i.checkFingerprints(folder, c.Instance, known); err != nil {
		return nil, err
	}
	at := &orderAtHand{open: c.Open}
	return at, at.read(ctx, admin, signed.Digest())
}

// read takes the evidence anew.
func (at *orderAtHand) read(ctx context.Context, admin *client.Client, digest order.Digest) error {
	receipt, err := admin.Receipt(ctx, digest.String())
	if err != nil {
		return err
	}
	evidence, err := order.DecodeEvidence(receipt.Receipt)
	if err != nil {
		return fmt.Errorf("the evidence of the order under way: %w", err)
	}
	if evidence.Order.Digest() != digest {
		return errors.New("the node gives the evidence of another order: nothing was signed; ask another node")
	}
	if at.list, err = order.DecodeAdministrators(evidence.Administrators); err != nil {
		return fmt.Errorf("the administrators that signed the order under way: %w", err)
	}
	if at.record, err = evidence.Verify(at.list); err != nil {
		return fmt.Errorf("the evidence of the order under way is not valid: nothing was signed: %w", err)
	}
	at.open.State = receipt.State
	return at.sameAdministrators(evidence.Administrators)
}

// sameAdministrators: every unit that is ready reports the administrators and thresholds that the order names.
func (at *orderAtHand) sameAdministrators(list []byte) error {
	for _, u := range at.record.Order.Units {
		if ready := at.record.Said(order.Ready, u.Number); ready != nil && !bytes.Equal(ready.Report.Administrators, list) {
			return fmt.Errorf("crypto unit %d reports other administrators or thresholds than those that signed the order: nothing was signed; cancel it with `tumbler tke cryptounit-mk-clrnew`", u.Number)
		}
	}
	return nil
}

func (at *orderAtHand) order() *order.Order { return at.record.Order }

// waitsOnlyForSignatures tells whether the units have done all that a step asks for, so that only signatures may be missing.
func (at *orderAtHand) waitsOnlyForSignatures(step order.Step) bool {
	err := order.Needs(step, 0, at.record)
	var missing *order.MissingError
	return err == nil || errors.As(err, &missing) && missing.What == 0
}

// byParts refuses an order whose key a unit generates.
func (at *orderAtHand) byParts() error {
	if o := at.order(); o.Generator != 0 {
		return fmt.Errorf("order %d (%v, %s) takes its master key from crypto unit %d, and not from key parts: wait for it (`tumbler tke rotation watch`), or cancel it first (`tumbler tke rotation cancel`)",
			o.Number, o.Kind, at.open.State, o.Generator)
	}
	return nil
}

// approval is what administrators sign for a step of the order: the pattern that every unit stated.
func (at *orderAtHand) approval(step order.Step) (order.Approval, error) {
	pattern, err := at.record.Pattern()
	if err != nil {
		return order.Approval{}, err
	}
	return order.Approval{Step: step, Cluster: at.order().Cluster, Incarnation: at.order().Incarnation, Order: at.record.Digest, Pattern: pattern}, nil
}

// approveStep has a step signed by as many administrators as it asks for, or with --order FILE written to that file: false.
func (i *invocation) approveStep(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, at *orderAtHand, step order.Step) (handedIn bool, err error) {
	approval, err := at.approval(step)
	if err != nil {
		return false, err
	}
	return i.approve(ctx, admin, folder, c, approval)
}

// patienceBefore is how long a command waits before it says what for.
const patienceBefore = 5 * time.Second

// awaitOrder shows an order until it comes to a state where the command goes on. A signal ends the command and not the order.
func (i *invocation) awaitOrder(ctx context.Context, admin *client.Client, digest string, until func(client.RotationStatus) bool) (client.RotationStatus, error) {
	p := i.progress()
	defer p.stop()
	w := watcher{admin: admin, digest: digest, progress: p, retry: time.NewTimer(0)}
	defer w.retry.Stop()
	began, said := time.Now(), ""
	for {
		status, err := w.next(ctx)
		if ctx.Err() != nil {
			return status, fmt.Errorf("%w: the order stays open, and the same command picks it up again", errInterrupted)
		}
		if err != nil {
			return status, err
		}
		if status.State == client.StateCancelling || status.State == client.StateCancelled {
			return status, fmt.Errorf("order %d was cancelled meanwhile", status.Order.Number)
		}
		if until(status) {
			return status, nil
		}
		p.show(status)
		if time.Since(began) > patienceBefore && status.Waiting != said {
			said = status.Waiting
			p.say("Waiting for %s", said)
		}
	}
}

// awaitUnits waits until every unit has made a statement, and says after a while for whom it waits. Whatever wrong finds ends it.
func (i *invocation) awaitUnits(ctx context.Context, admin *client.Client, at *orderAtHand, kind order.StatementKind, problem string, wrong func() error) error {
	began, said := time.Now(), ""
	return await(ctx, unitWait, func() (string, error) {
		if err := at.read(ctx, admin, at.record.Digest); err != nil {
			return "", err
		}
		units := at.order().Targets()
		if kind == order.Loaded {
			units = at.order().Loaders()
		}
		late := slices.DeleteFunc(units, func(n uint32) bool { return at.record.Said(kind, n) != nil })
		if len(late) == 0 {
			return "", nil
		}
		if wrong != nil {
			if err := wrong(); err != nil {
				return "", err
			}
		}
		if who := numbers(late); time.Since(began) > patienceBefore && who != said {
			said = who
			i.say("Waiting for crypto unit %s....", who)
		}
		return fmt.Sprintf("crypto unit %s %s", numbers(late), problem), nil
	})
}

// showPattern shows what the new register of every unit holds, two lines of 32 digits each.
func (i *invocation) showPattern(head string, pattern masterkey.Pattern) {
	first, second := patternLines(pattern.String())
	i.say("%s\n%s\n%s", head, first, second)
}
