package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

func orderSubmit(ctx context.Context, i *invocation) error {
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
	if err := d.complete(arguments[0]); err != nil {
		return err
	}
	if d.isRestore() {
		return errors.New("a restore order is handed in by the command that waits for it: put the signed file beside the one that `tumbler cluster snapshot restore --order` wrote")
	}
	admin, err := i.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	c, err := admin.OrderContext(ctx)
	if err != nil {
		return err
	}
	if d.instance.String() != c.Instance {
		return fmt.Errorf("it is for instance %v, and this cluster's is %s: give the --address of a node of its own cluster", d.instance, c.Instance)
	}
	if _, err := folder.CheckIdentities(c.Instance, d.named()); err != nil {
		return err
	}
	if d.isOrder() {
		return i.submitOrder(ctx, admin, folder, c, d)
	}
	return i.submitApprovals(ctx, admin, c, d)
}

// complete refuses a document that has not all its signatures.
func (d *document) complete(path string) error {
	have, err := d.signers()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	need, err := d.need()
	if err != nil {
		return err
	}
	if len(have) < need {
		return refused(returnTooFew, 0, "%s has %d of %s: `tumbler tke order sign %s` adds more", path, len(have), plural(need, "signature"), path)
	}
	return nil
}

// submitOrder hands an order in, and waits for what is done at once.
func (i *invocation) submitOrder(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, d *document) error {
	der, err := d.signed.Encode()
	if err != nil {
		return err
	}
	answer, err := admin.SubmitOrder(ctx, der)
	if err != nil {
		return overtaken(err, d.order)
	}
	if answer.Digest != d.digest().String() {
		return fmt.Errorf("the cluster accepted order %s, and %s was handed in: look at `tumbler tke rotation status` with another node", short(answer.Digest), short(d.digest().String()))
	}
	o := d.order
	if o.Kind == order.Init { // what its receipt is checked against
		if err := folder.KeepAdministrators(o.Instance, d.list); err != nil {
			return err
		}
	}
	switch o.Kind { //nolint:exhaustive // the others go on by themselves, or are done
	case order.Administration:
		next, err := order.DecodeAdministrators(o.Subject.Administrators)
		if err != nil {
			return err
		}
		return i.finishAdministrators(ctx, admin, folder, *o, next, answer.Digest, "Administrators and thresholds have been set in the crypto units.")
	case order.Enrol:
		return i.finishEnrol(ctx, admin, unitsChanged{answer.Digest, numbersOf(o.Subject.Units)}, c)
	case order.Remove:
		return i.finishUnenrol(ctx, admin, folder, c.Instance, unitsChanged{answer.Digest, numbersOf(o.Subject.Units)})
	case order.DestroyRetired:
		return i.finishDestroyed(ctx, admin, o.Subject.Pattern.String(), numbersOf(o.Units))
	}
	return i.result(answer, func(w io.Writer) {
		line(w, "OK\nOrder %d was accepted: %s.", answer.Number, kindWords(o.Kind))
		line(w, "Next: %s", afterOrder(o))
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
	said.Hint = fmt.Sprintf("It was made for a state that is past: make it again (%s), and have that signed.", madeBy(o))
	return &said
}

// submitApprovals hands approvals in: of a step of the order under way, or for units, one after the other.
func (i *invocation) submitApprovals(ctx context.Context, admin *client.Client, c client.OrderContext, d *document) error {
	if d.signed == nil {
		return i.submitUnitApprovals(ctx, admin, d)
	}
	if c.Open == nil || c.Open.Digest != d.digest().String() {
		return fmt.Errorf("order %d, of which it approves a step, is not under way any more: `tumbler tke rotation history` shows how it ended", d.order.Number)
	}
	der, err := d.approvals[0].signed.Encode()
	if err != nil {
		return err
	}
	if _, err := admin.Approve(ctx, c.Open.Digest, der); err != nil {
		return err
	}
	return i.done(map[string]string{"digest": c.Open.Digest, "step": d.step().String()},
		fmt.Sprintf("The approval of order %d was accepted: %s.", d.order.Number, approvedWords(d.step())), "Next: "+afterApproval(d.step(), d.order))
}

// submitUnitApprovals carries approvals out that name units. A unit that was changed since has another generation, and takes none.
func (i *invocation) submitUnitApprovals(ctx context.Context, admin *client.Client, d *document) error {
	units, err := admin.Units(ctx)
	if err != nil {
		return err
	}
	for _, a := range d.approvals {
		said, err := verifiedStatement(unitOf(units, a.unit), a.approval.Unit)
		if err != nil {
			return fmt.Errorf("crypto unit %d: %w: its approval was made for fingerprint %v", a.unit, err, a.approval.Unit)
		}
		if said.Generation != a.approval.Generation {
			return refused(returnCounter, 0, "crypto unit %d is at generation %d, and the approval is for %d: it was made for a state that is past; make it again, and have that signed",
				a.unit, said.Generation, a.approval.Generation)
		}
	}
	if d.step() == order.StepClearCurrent {
		return i.clearCurrent(ctx, admin, d)
	}
	var done []zeroizedUnit
	for _, a := range d.approvals {
		der, err := a.signed.Encode()
		if err != nil {
			return err
		}
		one, err := i.zeroizeBy(ctx, admin, a.unit, a.approval.Unit, client.ZeroizeRequest{Approval: der, MasterKey: i.text("destroy-master-key", "")})
		if err != nil {
			return err
		}
		done = append(done, one)
	}
	return i.zeroized(done)
}
