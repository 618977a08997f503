package orders

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/document"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

func orderSubmit(ctx context.Context, i *invocation) error {
	path, folder, d, err := i.named()
	if err != nil {
		return err
	}
	if err := d.Complete(path); err != nil {
		return err
	}
	if d.IsRestore() {
		return errors.New("a restore order is handed in by the command that waits for it: put the signed file beside the one that `tumbler cluster snapshot restore --order` wrote")
	}
	admin, err := i.Admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	c, err := admin.OrderContext(ctx)
	if err != nil {
		return err
	}
	if d.Instance.String() != c.Instance {
		return fmt.Errorf("it is for instance %v, and this cluster's is %s: give the --address of a node of its own cluster", d.Instance, c.Instance)
	}
	if _, err := folder.CheckIdentities(c.Instance, d.Named()); err != nil {
		return err
	}
	if d.IsOrder() {
		return i.submitOrder(ctx, admin, folder, c, d)
	}
	return i.submitApprovals(ctx, admin, c, d)
}

// submitOrder hands an order in, and waits for what is done at once.
func (i *invocation) submitOrder(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, d *document.Document) error {
	der, err := d.Signed.Encode()
	if err != nil {
		return err
	}
	answer, err := admin.SubmitOrder(ctx, der)
	if err != nil {
		return overtaken(err, d.Order)
	}
	if answer.Digest != d.Digest().String() {
		return fmt.Errorf("the cluster accepted order %s, and %s was handed in: look at `tumbler tke rotation status` with another node", ceremony.ShortDigest(answer.Digest), ceremony.ShortDigest(d.Digest().String()))
	}
	o := d.Order
	if o.Kind == order.Init { // what its receipt is checked against
		if err := folder.KeepAdministrators(o.Instance, d.List); err != nil {
			return err
		}
	}
	switch o.Kind { //nolint:exhaustive // the others go on by themselves, or are done
	case order.Administration:
		next, err := order.DecodeAdministrators(o.Subject.Administrators)
		if err != nil {
			return err
		}
		return i.FinishAdministrators(ctx, admin, folder, *o, next, answer.Digest, "Administrators and thresholds have been set in the crypto units.")
	case order.Enrol:
		return i.FinishEnrol(ctx, admin, ceremony.UnitsChanged{Digest: answer.Digest, Units: ceremony.NumbersOf(o.Subject.Units)}, c)
	case order.Remove:
		return i.FinishUnenrol(ctx, admin, folder, c.Instance, ceremony.UnitsChanged{Digest: answer.Digest, Units: ceremony.NumbersOf(o.Subject.Units)})
	case order.DestroyRetired:
		return i.FinishDestroyed(ctx, admin, o.Subject.Pattern.String(), ceremony.NumbersOf(o.Units))
	}
	return i.Result(answer, func(w io.Writer) {
		command.Line(w, "OK\nOrder %d was accepted: %s.", answer.Number, document.KindWords(o.Kind))
		command.Line(w, "Next: %s", afterOrder(o))
	})
}

// afterOrder says what comes after an order that stays open.
func afterOrder(o *order.Order) string {
	switch {
	case o.Parts > 0:
		return fmt.Sprintf("`tumbler tke cryptounit-mk-load` loads the %d key parts, from as many workstations as there are custodians.", o.Parts)
	case o.Activate == order.Signed:
		return "`tumbler tke rotation watch` shows it, and `tumbler tke rotation activate` signs its activation."
	}
	return "`tumbler tke rotation watch` shows it."
}

// afterApproval says what comes after an approval of a step.
func afterApproval(step order.Step, o *order.Order) string {
	switch {
	case step != order.StepCommit:
		return "`tumbler tke rotation watch` shows it."
	case o.Kind == order.Init:
		return "`tumbler tke cryptounit-mk-setimm` makes the master key the current one."
	}
	return "keys are rewrapped (`tumbler tke rotation watch`), and `tumbler tke cryptounit-mk-rotate` makes the new master key the current one."
}

// overtaken says what to do with an order that the cluster does not take any more.
func overtaken(err error, o *order.Order) error {
	var refusal *client.Error
	stale := []client.Code{"order_number", "order_cluster", "order_expired", "order_units", "administrators_differ", "settle_mismatch", client.CodePatternMismatch}
	if !errors.As(err, &refusal) || !slices.Contains(stale, refusal.Code) {
		return err
	}
	said := *refusal
	said.Hint = fmt.Sprintf("It was made for a state that is past: make it again (%s), and have that signed.", document.MadeBy(o))
	return &said
}

// submitApprovals hands approvals in: of a step of the order under way, or for units, one after the other.
func (i *invocation) submitApprovals(ctx context.Context, admin *client.Client, c client.OrderContext, d *document.Document) error {
	if d.Signed == nil {
		return i.submitUnitApprovals(ctx, admin, d)
	}
	if c.Open == nil || c.Open.Digest != d.Digest().String() {
		return fmt.Errorf("order %d, of which it approves a step, is not under way any more: `tumbler tke rotation history` shows how it ended", d.Order.Number)
	}
	der, err := d.Approvals[0].Signed.Encode()
	if err != nil {
		return err
	}
	if _, err := admin.Approve(ctx, c.Open.Digest, der); err != nil {
		return err
	}
	return i.Done(map[string]string{"digest": c.Open.Digest, "step": d.Step().String()},
		fmt.Sprintf("The approval of order %d was accepted: %s.", d.Order.Number, document.ApprovedWords(d.Step())), "Next: "+afterApproval(d.Step(), d.Order))
}

// submitUnitApprovals carries approvals out that name units. A unit that was changed since has another generation, and takes none.
func (i *invocation) submitUnitApprovals(ctx context.Context, admin *client.Client, d *document.Document) error {
	units, err := admin.Units(ctx)
	if err != nil {
		return err
	}
	for _, a := range d.Approvals {
		said, err := ceremony.VerifiedStatement(ceremony.UnitOf(units, a.Unit), a.Approval.Unit)
		if err != nil {
			return fmt.Errorf("crypto unit %d: %w: its approval was made for fingerprint %v", a.Unit, err, a.Approval.Unit)
		}
		if said.Generation != a.Approval.Generation {
			return command.Refused(command.ReturnCounter, 0, "crypto unit %d is at generation %d, and the approval is for %d: it was made for a state that is past; make it again, and have that signed",
				a.Unit, said.Generation, a.Approval.Generation)
		}
	}
	if d.Step() == order.StepClearCurrent {
		return i.ClearCurrent(ctx, admin, d)
	}
	var done []ceremony.ZeroizedUnit
	for _, a := range d.Approvals {
		der, err := a.Signed.Encode()
		if err != nil {
			return err
		}
		one, err := i.ZeroizeBy(ctx, admin, a.Unit, a.Approval.Unit, client.ZeroizeRequest{Approval: der, MasterKey: i.Text("destroy-master-key", "")})
		if err != nil {
			return err
		}
		done = append(done, one)
	}
	return i.Zeroized(done)
}
