package ceremony

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// OrderAtHand is the order under way with all that was stated and signed under it, each signature checked: those of units
// against the identities that this workstation knows, those of administrators against the list that every unit reports.
type OrderAtHand struct {
	Open   *client.OpenOrder
	List   *order.Administrators
	Record *order.Record
}

// OrderUnderWay reads it. What a node says of it is compared with what it is.
func (i *Ceremony) OrderUnderWay(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext) (*OrderAtHand, error) {
	signed, o, err := OpenOrder(c)
	if err != nil {
		return nil, err
	}
	known := map[uint32][]byte{}
	for _, u := range o.Units {
		known[u.Number] = u.Identity[:]
	}
	if err := i.CheckFingerprints(folder, c.Instance, known); err != nil {
		return nil, err
	}
	at := &OrderAtHand{Open: c.Open}
	return at, at.Read(ctx, admin, signed.Digest())
}

// Read takes the evidence anew.
func (at *OrderAtHand) Read(ctx context.Context, admin *client.Client, digest order.Digest) error {
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
	if at.List, err = order.DecodeAdministrators(evidence.Administrators); err != nil {
		return fmt.Errorf("the administrators that signed the order under way: %w", err)
	}
	if at.Record, err = evidence.Verify(at.List); err != nil {
		return fmt.Errorf("the evidence of the order under way is not valid: nothing was signed: %w", err)
	}
	at.Open.State = receipt.State
	return at.sameAdministrators(evidence.Administrators)
}

// sameAdministrators: every unit that is ready reports the administrators and thresholds that the order names.
func (at *OrderAtHand) sameAdministrators(list []byte) error {
	for _, u := range at.Record.Order.Units {
		if ready := at.Record.Said(order.Ready, u.Number); ready != nil && !bytes.Equal(ready.Report.Administrators, list) {
			return fmt.Errorf("crypto unit %d reports other administrators or thresholds than those that signed the order: nothing was signed; cancel it with `tumbler tke cryptounit-mk-clrnew`", u.Number)
		}
	}
	return nil
}

// Order is the order itself.
func (at *OrderAtHand) Order() *order.Order { return at.Record.Order }

// WaitsOnlyForSignatures tells whether the units have done all that a step asks for, so that only signatures may be missing.
func (at *OrderAtHand) WaitsOnlyForSignatures(step order.Step) bool {
	err := order.Needs(step, 0, at.Record)
	var missing *order.MissingError
	return err == nil || errors.As(err, &missing) && missing.What == 0
}

// ByParts refuses an order whose key a unit generates.
func (at *OrderAtHand) ByParts() error {
	if o := at.Order(); o.Generator != 0 {
		return fmt.Errorf("order %d (%v, %s) takes its master key from crypto unit %d, and not from key parts: wait for it (`tumbler tke rotation watch`), or cancel it first (`tumbler tke rotation cancel`)",
			o.Number, o.Kind, at.Open.State, o.Generator)
	}
	return nil
}

// LoadedEverywhere refuses an order that still waits for key parts.
func (at *OrderAtHand) LoadedEverywhere() error {
	if at.WaitsOnlyForSignatures(order.StepCommit) {
		return nil
	}
	return fmt.Errorf("order %d is %s, and not every new master key register is loaded (%w): `tumbler tke cryptounit-mk-load` comes first",
		at.Order().Number, at.Open.State, order.Needs(order.StepCommit, 0, at.Record))
}

// CommitSigned tells whether the quorum signed the pattern, or need not.
func (at *OrderAtHand) CommitSigned() bool {
	return at.Order().Commit == order.Automatic || at.Record.Approved(order.StepCommit) != nil
}

// approval is what administrators sign for a step of the order: the pattern that every unit stated.
func (at *OrderAtHand) approval(step order.Step) (order.Approval, error) {
	pattern, err := at.Record.Pattern()
	if err != nil {
		return order.Approval{}, err
	}
	return order.Approval{Step: step, Cluster: at.Order().Cluster, Incarnation: at.Order().Incarnation, Order: at.Record.Digest, Pattern: pattern}, nil
}

// ApproveStep has a step signed by as many administrators as it asks for, or with --order FILE written to that file: false.
func (i *Ceremony) ApproveStep(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, at *OrderAtHand, step order.Step) (handedIn bool, err error) {
	approval, err := at.approval(step)
	if err != nil {
		return false, err
	}
	return i.Approve(ctx, admin, folder, c, approval)
}

// ShowPattern shows what the new register of every unit holds, two lines of 32 digits each.
func (i *Ceremony) ShowPattern(head string, pattern masterkey.Pattern) {
	first, second := command.PatternLines(pattern.String())
	i.Say("%s\n%s\n%s", head, first, second)
}
