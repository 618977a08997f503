package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

const (
	returnImprint = 179
	saidCommitted = "The new master key register has been committed in the selected crypto units."
	saidImmediate = "Set immediate completed successfully in the selected crypto units."
)

// errNothingLoaded refuses what needs a loaded register while there is no order.
var errNothingLoaded = errors.New("the new master key registers are Empty: `tumbler tke cryptounit-mk-load` loads them")

// withoutOrder says why there is nothing to act on: crypto units in imprint mode obey nobody yet.
func withoutOrder(ctx context.Context, admin *client.Client, c client.OrderContext) error {
	units, err := admin.Units(ctx)
	if err != nil {
		return err
	}
	refs, err := unitRefs(instanceUnits(c))
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if r, err := verifiedReport(unitOf(units, ref.Number), ref.Identity); err == nil {
			if imprint, err := inImprintMode(r); err == nil && imprint {
				return imprintRefusal(ref.Number)
			}
		}
	}
	return errNothingLoaded
}

func imprintRefusal(unit uint32) error {
	return refused(returnImprint, 0, "crypto unit %d is in imprint mode: set its administrators and thresholds first (`tumbler tke cryptounit-admin-add`, then `cryptounit-thrhld-set`)", unit)
}

// withOrder has a command act on the order under way.
func withOrder(ctx context.Context, i *invocation, do func(*client.Client, *workstation.Folder, client.OrderContext, *orderAtHand) error) error {
	return steering(ctx, i, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if c.Open == nil {
			return withoutOrder(ctx, admin, c)
		}
		at, err := i.orderUnderWay(ctx, admin, folder, c)
		if err != nil {
			return err
		}
		return do(admin, folder, c, at)
	})
}

// loadedEverywhere refuses an order that still waits for key parts.
func (at *orderAtHand) loadedEverywhere() error {
	if at.waitsOnlyForSignatures(order.StepCommit) {
		return nil
	}
	return fmt.Errorf("order %d is %s, and not every new master key register is loaded (%w): `tumbler tke cryptounit-mk-load` comes first",
		at.order().Number, at.open.State, order.Needs(order.StepCommit, 0, at.record))
}

// committed tells whether the quorum signed the pattern, or need not.
func (at *orderAtHand) commitSigned() bool {
	return at.order().Commit == order.Automatic || at.record.Approved(order.StepCommit) != nil
}

func registerCommit(ctx context.Context, i *invocation) error {
	return withOrder(ctx, i, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext, at *orderAtHand) error {
		if at.open.State == client.StateCancelling {
			return fmt.Errorf("order %d is being cancelled", at.order().Number)
		}
		if err := at.loadedEverywhere(); err != nil {
			return err
		}
		pattern, err := at.record.Pattern()
		if err != nil {
			return err
		}
		i.showPattern(fmt.Sprintf("NEW MASTER KEY REGISTER of crypto unit %s", numbers(at.order().Targets())), pattern)
		if at.commitSigned() {
			i.say("Order %d (%v, %s) is committed already: nothing was signed.", at.order().Number, at.order().Kind, at.open.State)
		} else if handedIn, err := i.approveStep(ctx, admin, folder, c, at, order.StepCommit); err != nil || !handedIn {
			return err
		}
		if err := i.awaitUnits(ctx, admin, at, order.Committed, "has not committed yet: it does so by itself when its node is back", nil); err != nil {
			return err
		}
		next := "`tumbler tke cryptounit-mk-rotate` makes it the current one when every key is rewrapped."
		if at.order().Kind == order.Init {
			next = "`tumbler tke cryptounit-mk-setimm` makes it the current one."
		}
		return i.result(at.shown(pattern), func(w io.Writer) { line(w, "OK\n%s\n%s", saidCommitted, next) })
	})
}

// orderShown is what commands about the order under way give as JSON.
type orderShown struct {
	Digest  string `json:"digest"`
	Order   uint64 `json:"order"`
	Kind    string `json:"kind"`
	State   string `json:"state"`
	Pattern string `json:"verification_pattern"`
}

func (at *orderAtHand) shown(pattern masterkey.Pattern) orderShown {
	return orderShown{at.record.Digest.String(), at.order().Number, at.order().Kind.String(), at.open.State, pattern.String()}
}

func registerRotate(ctx context.Context, i *invocation) error {
	yes, err := i.confirm("Every key is rewrapped, and the committed new master key becomes the current one in the selected crypto units.\nDo you want to continue?")
	if err != nil || !yes {
		return declined(err)
	}
	return withOrder(ctx, i, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext, at *orderAtHand) error {
		o := at.order()
		switch {
		case o.Kind != order.Rotate:
			return fmt.Errorf("order %d is of kind %v, and there is no key to rewrap: `tumbler tke cryptounit-mk-setimm` ends an init by key parts", o.Number, o.Kind)
		case at.open.State == client.StateCancelling:
			return fmt.Errorf("order %d is being cancelled", o.Number)
		}
		if err := at.loadedEverywhere(); err != nil {
			return err
		}
		if !at.commitSigned() {
			return fmt.Errorf("the new master key of order %d is not committed: `tumbler tke cryptounit-mk-commit` comes first", o.Number)
		}
		if o.Activate == order.Automatic || at.record.Approved(order.StepActivate) != nil {
			i.say("Order %d (%s) is under way and has every signature: nothing was signed, and it is shown from here on.", o.Number, at.open.State)
			return i.followToEnd(ctx, admin, at.open.Digest)
		}
		if at.open.State == client.StateCommitting { // the units follow the quorum's signature
			if _, err := i.awaitOrder(ctx, admin, at.open.Digest, func(s client.RotationStatus) bool { return s.State != client.StateCommitting }); err != nil {
				return err
			}
		}
		// The signature goes in while keys are rewrapped, and waits in the cluster until all are: the command need not.
		if handedIn, err := i.approveStep(ctx, admin, folder, c, at, order.StepActivate); err != nil || !handedIn {
			return err
		}
		i.say(saidStarted)
		return i.followToEnd(ctx, admin, at.open.Digest)
	})
}

// wouldLose refuses to put a new value over a current one.
const wouldLose = "the current master key register of crypto unit %s holds a key, and every key under it would be lost: `tumbler tke cryptounit-mk-rotate` replaces it"

func registerSetImmediate(ctx context.Context, i *invocation) error {
	return steering(ctx, i, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if holders, err := currentHolders(ctx, admin, c); err != nil {
			return err
		} else if len(holders) > 0 && (c.Open == nil || c.Open.State != client.StateActivating) {
			return fmt.Errorf(wouldLose, numbers(holders))
		}
		if c.Open == nil {
			return withoutOrder(ctx, admin, c)
		}
		at, err := i.orderUnderWay(ctx, admin, folder, c)
		if err != nil {
			return err
		}
		return i.setImmediate(ctx, admin, folder, c, at)
	})
}

// currentHolders are the units of the instance whose report shows a Valid current register.
func currentHolders(ctx context.Context, admin *client.Client, c client.OrderContext) ([]uint32, error) {
	units, err := admin.Units(ctx)
	if err != nil {
		return nil, err
	}
	refs, err := unitRefs(instanceUnits(c))
	if err != nil {
		return nil, err
	}
	var holders []uint32
	for _, ref := range refs {
		r, err := verifiedReport(unitOf(units, ref.Number), ref.Identity)
		if err == nil && r.Registers.Current == masterkey.CurrentValid {
			holders = append(holders, ref.Number)
		}
	}
	return holders, nil
}

func (i *invocation) setImmediate(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, at *orderAtHand) error {
	o := at.order()
	if o.Kind != order.Init {
		return fmt.Errorf(wouldLose, numbers(o.Targets()))
	}
	if err := at.byParts(); err != nil {
		return err
	}
	if at.open.State == client.StateCancelling {
		return fmt.Errorf("order %d is being cancelled", o.Number)
	}
	if err := at.loadedEverywhere(); err != nil {
		return err
	}
	if !at.commitSigned() {
		return fmt.Errorf("the new master key of order %d is not committed: `tumbler tke cryptounit-mk-commit` comes first", o.Number)
	}
	if at.record.Approved(order.StepSetImmediate) == nil {
		pattern, err := at.record.Pattern()
		if err != nil {
			return err
		}
		first, second := patternLines(pattern.String())
		warning := strings.Join([]string{"Warning! The value in the new master key register becomes the current master key in the selected crypto units.",
			"Key storage must be ready for it: keys that another master key wraps cannot be used with it.", first, second, "Do you want to continue?"}, "\n")
		if yes, err := i.confirm(warning); err != nil || !yes {
			return declined(err)
		}
		if handedIn, err := i.approveStep(ctx, admin, folder, c, at, order.StepSetImmediate); err != nil || !handedIn {
			return err
		}
	}
	status, err := i.awaitOrder(ctx, admin, at.open.Digest, func(s client.RotationStatus) bool { return client.Finished(s.State) })
	if err != nil {
		return err
	}
	if err := folder.KeepAdministrators(o.Instance, at.list); err != nil { // what its receipt is checked against
		return err
	}
	return i.result(status, func(w io.Writer) {
		showFenced(w, status)
		line(w, "OK\n%s", saidImmediate)
	})
}
