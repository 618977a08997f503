package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
)

func autoRotateCommand(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "auto-mk-rotate",
		Usage: "rotate the master key: a recovery unit generates the new one, and every key is rewrapped",
		Description: "A quorum's signatures start it; the cluster carries it out and this command shows it. Ctrl-C ends the command and\n" +
			"leaves the rotation going. Run again while a rotation is under way, it shows that one and signs nothing.\n\n" +
			"Examples:\n   tumbler tke auto-mk-rotate\n   tumbler tke auto-mk-rotate --policy online --keynum 1,2\n" +
			"   tumbler tke auto-mk-rotate --hold\n   tumbler tke auto-mk-rotate --dry-run",
		Flags: orderFlags(
			text("policy", "`POLICY` documented (the default: creating and importing keys is refused meanwhile) or online (it is served)"),
			text("retire", "what recovery units do with the former master key: `HOW` keep (the default: it opens old backups) or destroy"),
			&urfave.BoolFlag{Name: "hold", Usage: "stop before activation, until `tumbler tke rotation activate` signs it"},
			&urfave.BoolFlag{Name: "dry-run", Usage: "open every key and look at every precondition; generate and change nothing"},
			&urfave.BoolFlag{Name: "detach", Usage: "return as soon as the rotation is accepted"},
			text(flagFingerprints, "compare units that this workstation meets for the first time with this `FILE`: a line `NUM FINGERPRINT` each"),
			yesFlag("the fingerprints of units that this workstation meets for the first time are right"),
		),
		Action: action(s, autoRotate),
	}
}

func autoRotate(ctx context.Context, i *invocation) error {
	policy, err := i.policy()
	if err != nil {
		return err
	}
	retire, err := i.retirement()
	if err != nil {
		return err
	}
	return administration(ctx, i, func(admin *client.Client) error {
		if i.flag("dry-run") {
			return i.dryRun(ctx, admin)
		}
		c, err := admin.OrderContext(ctx)
		if err != nil {
			return err
		}
		if c.Open != nil {
			return i.resume(ctx, admin, c.Open)
		}
		digest, err := i.submitRotation(ctx, admin, c, policy, retire)
		if err != nil || digest == "" {
			return err
		}
		i.say(saidStarted)
		return i.followToEnd(ctx, admin, digest)
	})
}

func (i *invocation) policy() (order.Policy, error) {
	switch policy := i.text("policy", ""); policy {
	case "", order.Documented.String():
		return order.Documented, nil
	case order.Online.String():
		return order.Online, nil
	default:
		return 0, i.usage("--policy %s is not documented or online", policy)
	}
}

func (i *invocation) retirement() (order.Retirement, error) {
	switch how := i.text("retire", ""); how {
	case "", order.Keep.String():
		return order.Keep, nil
	case order.Destroy.String():
		return order.Destroy, nil
	default:
		return 0, i.usage("--retire %s is not keep or destroy", how)
	}
}

// resume shows a rotation that is under way already.
func (i *invocation) resume(ctx context.Context, admin *client.Client, open *client.OpenOrder) error {
	if open.Kind != order.Rotate.String() {
		return fmt.Errorf("order %d (%s) is under way, and one is carried out at a time: `tumbler tke rotation status` shows it", open.Number, open.Kind)
	}
	if open.Pattern == "" || open.State == client.StateLoading || open.State == client.StateCommitting {
		if _, o, err := openOrder(client.OrderContext{Open: open}); err == nil && o.Parts > 0 {
			return fmt.Errorf("order %d (rotate, %s) takes its master key from key parts: `tumbler tke cryptounit-mk-load` and `cryptounit-mk-commit` go on, `tumbler tke cryptounit-mk-clrnew` cancels it", o.Number, open.State)
		}
	}
	i.say("A rotation is under way (order %d, %s): nothing was signed, and it is shown from here on.", open.Number, open.State)
	return i.followToEnd(ctx, admin, open.Digest)
}

func (i *invocation) followToEnd(ctx context.Context, admin *client.Client, digest string) error {
	if i.flag("detach") {
		return i.done(map[string]string{"digest": digest}, "`tumbler tke rotation watch` shows it.")
	}
	status, err := i.follow(ctx, admin, digest, i.progress())
	if err != nil {
		return err
	}
	return i.ended(status)
}

// submitRotation makes the order of what the cluster proposes and this workstation knows, signs it and hands it in, or
// writes it to a file: "".
func (i *invocation) submitRotation(ctx context.Context, admin *client.Client, c client.OrderContext, policy order.Policy, retire order.Retirement) (string, error) {
	if c.CurrentPattern == "" || len(c.Administrators) == 0 {
		return "", errors.New("the instance has no master key yet: `tumbler tke auto-init` makes the first one")
	}
	folder, err := i.folder()
	if err != nil {
		return "", err
	}
	generator, err := recoveryLeader(instanceUnits(c))
	if err != nil {
		return "", err
	}
	o, err := draft(order.Rotate, c, time.Now())
	if err != nil {
		return "", err
	}
	if err := i.checkFingerprints(folder, c.Instance, identities(instanceUnits(c))); err != nil {
		return "", err
	}
	o.Generator, o.Policy, o.Retire = generator, policy, retire
	if i.flag("hold") {
		o.Activate = order.Signed
	}
	return i.signAndSubmit(ctx, admin, folder, c, o)
}

func (i *invocation) dryRun(ctx context.Context, admin *client.Client) error {
	stop := i.working("Opening every key....")
	result, err := admin.DryRun(ctx)
	stop()
	if err != nil {
		return err
	}
	shown := i.result(result, func(w io.Writer) {
		line(w, "Opened %s of %s.", thousands(result.Opened), plural(result.Keys.Total(), "key"))
		if len(result.Unopenable) > 0 {
			showBlocked(w, result.Unopenable)
		}
		showCounts(w, result.Keys)
		showEstimate(w, result)
		for _, r := range result.Refusals {
			line(w, "Not now: %s", r.Error())
		}
		if result.Ready {
			line(w, "OK\nA rotation would go through.")
		}
	})
	if !result.Ready {
		return errors.New("a rotation would not go through: nothing was changed")
	}
	return shown
}

// showCounts shows keys by class.
func showCounts(w io.Writer, c client.ClassCounts) {
	line(w, "  System internal:  %s\n  KMS:              %s\n  EP11:             %s", thousands(c.SystemInternal), thousands(c.KMS), thousands(c.EP11))
}

// showEstimate says how long a rotation would take, and by what.
func showEstimate(w io.Writer, run client.DryRun) {
	e := run.Estimate
	if e == nil {
		line(w, "  Estimated time:   not known: there is no key to measure by")
		return
	}
	took := time.Duration(e.Seconds * float64(time.Second)).Round(time.Second)
	about := "less than a second"
	if took >= time.Second {
		about = took.String()
	}
	if e.Basis == client.EstimateRotation {
		line(w, "  Estimated time:   about %s, at the %s keys/s of order %d; callers who have to wait slow it down", about, thousands(uint64(e.KeysPerSecond)), e.Order)
		return
	}
	line(w, "  Estimated time:   %s at least: opening every key took %.1fs in one crypto unit; what the log and its disks add was not measured", about, run.Seconds)
}
