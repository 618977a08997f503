package registers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

const (
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
	refs, err := ceremony.UnitRefs(ceremony.InstanceUnits(c))
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if r, err := ceremony.VerifiedReport(ceremony.UnitOf(units, ref.Number), ref.Identity); err == nil {
			if imprint, err := inImprintMode(r); err == nil && imprint {
				return imprintRefusal(ref.Number)
			}
		}
	}
	last, err := admin.Rotation(ctx)
	if err != nil {
		return err
	}
	if o := last.Order; o != nil && o.KeyParts > 0 { // a command that was interrupted, and is run again, asks what became of it
		return fmt.Errorf("%w; order %d (%s), by %s, is over: it is %s (`tumbler tke rotation history`)", errNothingLoaded, o.Number, o.Kind, command.Plural(o.KeyParts, "key part"), last.State)
	}
	return errNothingLoaded
}

func imprintRefusal(unit uint32) error {
	return command.Refused(command.ReturnImprint, 0, "crypto unit %d is in imprint mode: set its administrators and thresholds first (`tumbler tke cryptounit-admin-add`, then `cryptounit-thrhld-set`)", unit)
}

// withOrder has a command act on the order under way.
func withOrder(ctx context.Context, i *invocation, do func(*client.Client, *workstation.Folder, client.OrderContext, *ceremony.OrderAtHand) error) error {
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if c.Open == nil {
			return withoutOrder(ctx, admin, c)
		}
		at, err := i.OrderUnderWay(ctx, admin, folder, c)
		if err != nil {
			return err
		}
		return do(admin, folder, c, at)
	})
}

func registerCommit(ctx context.Context, i *invocation) error {
	return withOrder(ctx, i, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext, at *ceremony.OrderAtHand) error {
		if at.Open.State == client.StateCancelling {
			return fmt.Errorf("order %d is being cancelled", at.Order().Number)
		}
		if err := at.LoadedEverywhere(); err != nil {
			return err
		}
		pattern, err := at.Record.Pattern()
		if err != nil {
			return err
		}
		i.ShowPattern(fmt.Sprintf("NEW MASTER KEY REGISTER of crypto unit %s", command.Numbers(at.Order().Targets())), pattern)
		if at.CommitSigned() {
			i.Say("Order %d (%v, %s) is committed already: nothing was signed.", at.Order().Number, at.Order().Kind, at.Open.State)
		} else if handedIn, err := i.ApproveStep(ctx, admin, folder, c, at, order.StepCommit); err != nil || !handedIn {
			return err
		}
		if err := i.AwaitUnits(ctx, admin, at, order.Committed, "has not committed yet: it does so by itself when its node is back", nil); err != nil {
			return err
		}
		next := "`tumbler tke cryptounit-mk-rotate` makes it the current one when every key is rewrapped."
		if at.Order().Kind == order.Init {
			next = "`tumbler tke cryptounit-mk-setimm` makes it the current one."
		}
		return i.Result(shown(at, pattern), func(w io.Writer) { command.Line(w, "OK\n%s\n%s", saidCommitted, next) })
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

func shown(at *ceremony.OrderAtHand, pattern masterkey.Pattern) orderShown {
	return orderShown{at.Record.Digest.String(), at.Order().Number, at.Order().Kind.String(), at.Open.State, pattern.String()}
}

func registerRotate(ctx context.Context, i *invocation) error {
	yes, err := i.Confirm("Every key is rewrapped, and the committed new master key becomes the current one in the selected crypto units.\nDo you want to continue?")
	if err != nil || !yes {
		return command.Declined(err)
	}
	return withOrder(ctx, i, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext, at *ceremony.OrderAtHand) error {
		o := at.Order()
		switch {
		case o.Kind != order.Rotate:
			return fmt.Errorf("order %d is of kind %v, and there is no key to rewrap: `tumbler tke cryptounit-mk-setimm` ends an init by key parts", o.Number, o.Kind)
		case at.Open.State == client.StateCancelling:
			return fmt.Errorf("order %d is being cancelled", o.Number)
		}
		if err := at.LoadedEverywhere(); err != nil {
			return err
		}
		if !at.CommitSigned() {
			return fmt.Errorf("the new master key of order %d is not committed: `tumbler tke cryptounit-mk-commit` comes first", o.Number)
		}
		if o.Activate == order.Automatic || at.Record.Approved(order.StepActivate) != nil {
			i.Say("Order %d (%s) is under way and has every signature: nothing was signed, and it is shown from here on.", o.Number, at.Open.State)
			return i.FollowToEnd(ctx, admin, at.Open.Digest)
		}
		if at.Open.State == client.StateCommitting { // the units follow the quorum's signature
			if _, err := i.AwaitOrder(ctx, admin, at.Open.Digest, func(s client.RotationStatus) bool { return s.State != client.StateCommitting }); err != nil {
				return err
			}
		}
		// The signature goes in while keys are rewrapped, and waits in the cluster until all are: the command need not.
		if handedIn, err := i.ApproveStep(ctx, admin, folder, c, at, order.StepActivate); err != nil || !handedIn {
			return err
		}
		i.Say(ceremony.SaidStarted)
		return i.FollowToEnd(ctx, admin, at.Open.Digest)
	})
}

// wouldLose refuses to put a new value over a current one.
const wouldLose = "the current master key register of crypto unit %s holds a key, and every key under it would be lost: `tumbler tke cryptounit-mk-rotate` replaces it"

func registerSetImmediate(ctx context.Context, i *invocation) error {
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if holders, err := currentHolders(ctx, admin, c); err != nil {
			return err
		} else if len(holders) > 0 && (c.Open == nil || c.Open.State != client.StateActivating) {
			return fmt.Errorf(wouldLose, command.Numbers(holders))
		}
		if c.Open == nil {
			return withoutOrder(ctx, admin, c)
		}
		at, err := i.OrderUnderWay(ctx, admin, folder, c)
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
	refs, err := ceremony.UnitRefs(ceremony.InstanceUnits(c))
	if err != nil {
		return nil, err
	}
	var holders []uint32
	for _, ref := range refs {
		r, err := ceremony.VerifiedReport(ceremony.UnitOf(units, ref.Number), ref.Identity)
		if err == nil && r.Registers.Current == masterkey.CurrentValid {
			holders = append(holders, ref.Number)
		}
	}
	return holders, nil
}

func (i *invocation) setImmediate(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, at *ceremony.OrderAtHand) error {
	o := at.Order()
	if o.Kind != order.Init {
		return fmt.Errorf(wouldLose, command.Numbers(o.Targets()))
	}
	if err := at.ByParts(); err != nil {
		return err
	}
	if at.Open.State == client.StateCancelling {
		return fmt.Errorf("order %d is being cancelled", o.Number)
	}
	if err := at.LoadedEverywhere(); err != nil {
		return err
	}
	if !at.CommitSigned() {
		return fmt.Errorf("the new master key of order %d is not committed: `tumbler tke cryptounit-mk-commit` comes first", o.Number)
	}
	if at.Record.Approved(order.StepSetImmediate) == nil {
		pattern, err := at.Record.Pattern()
		if err != nil {
			return err
		}
		first, second := command.PatternLines(pattern.String())
		warning := strings.Join([]string{"Warning! The value in the new master key register becomes the current master key in the selected crypto units.",
			"Key storage must be ready for it: keys that another master key wraps cannot be used with it.", first, second, "Do you want to continue?"}, "\n")
		if yes, err := i.Confirm(warning); err != nil || !yes {
			return command.Declined(err)
		}
		if handedIn, err := i.ApproveStep(ctx, admin, folder, c, at, order.StepSetImmediate); err != nil || !handedIn {
			return err
		}
	}
	status, err := i.AwaitOrder(ctx, admin, at.Open.Digest, func(s client.RotationStatus) bool { return client.Finished(s.State) })
	if err != nil {
		return err
	}
	if err := folder.KeepAdministrators(o.Instance, at.List); err != nil { // what its receipt is checked against
		return err
	}
	return i.Result(status, func(w io.Writer) {
		ceremony.ShowFenced(w, status)
		command.Line(w, "OK\n%s", saidImmediate)
	})
}
