package auto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cryptounit/order"
)

// RotateCommand is `tke auto-mk-rotate`.
func RotateCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "auto-mk-rotate",
		Usage: "rotate the master key: a recovery unit generates the new one, and every key is rewrapped",
		Description: "A quorum's signatures start it; the cluster carries it out and this command shows it. Ctrl-C ends the command and\n" +
			"leaves the rotation going. Run again while a rotation is under way, it shows that one and signs nothing.\n\n" +
			"Examples:\n   tumbler tke auto-mk-rotate\n   tumbler tke auto-mk-rotate --policy online --keynum 1,2\n" +
			"   tumbler tke auto-mk-rotate --hold\n   tumbler tke auto-mk-rotate --dry-run",
		Flags: ceremony.OrderFlags(
			ceremony.PolicyFlag(),
			ceremony.RetireFlag(),
			&urfave.BoolFlag{Name: "hold", Usage: "stop before activation, until `tumbler tke rotation activate` signs it"},
			&urfave.BoolFlag{Name: "dry-run", Usage: "open every key and look at every precondition; generate and change nothing"},
			&urfave.BoolFlag{Name: "detach", Usage: "return as soon as the rotation is accepted"},
			ceremony.FingerprintsFlag(),
			ceremony.FingerprintsAreRightFlag(),
		),
		Action: action(s, autoRotate),
	}
}

func autoRotate(ctx context.Context, i *invocation) error {
	policy, retire, err := i.PolicyAndRetirement()
	if err != nil {
		return err
	}
	return i.Administration(ctx, func(admin *client.Client) error {
		if i.Flag("dry-run") {
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
		i.Say(ceremony.SaidStarted)
		return i.FollowToEnd(ctx, admin, digest)
	})
}

// resume shows a rotation that is under way already.
func (i *invocation) resume(ctx context.Context, admin *client.Client, open *client.OpenOrder) error {
	if open.Kind != order.Rotate.String() {
		return fmt.Errorf("order %d (%s) is under way, and one is carried out at a time: `tumbler tke rotation status` shows it", open.Number, open.Kind)
	}
	if open.Pattern == "" || open.State == client.StateLoading || open.State == client.StateCommitting {
		if _, o, err := ceremony.OpenOrder(client.OrderContext{Open: open}); err == nil && o.Parts > 0 {
			return fmt.Errorf("order %d (rotate, %s) takes its master key from key parts: `tumbler tke cryptounit-mk-load` and `cryptounit-mk-commit` go on, `tumbler tke cryptounit-mk-clrnew` cancels it", o.Number, open.State)
		}
	}
	i.Say("A rotation is under way (order %d, %s): nothing was signed, and it is shown from here on.", open.Number, open.State)
	return i.FollowToEnd(ctx, admin, open.Digest)
}

// submitRotation makes the order of what the cluster proposes and this workstation knows, signs it and hands it in, or
// writes it to a file: "".
func (i *invocation) submitRotation(ctx context.Context, admin *client.Client, c client.OrderContext, policy order.Policy, retire order.Retirement) (string, error) {
	if c.CurrentPattern == "" || len(c.Administrators) == 0 {
		return "", errors.New("the instance has no master key yet: `tumbler tke auto-init` makes the first one")
	}
	folder, err := i.Folder()
	if err != nil {
		return "", err
	}
	generator, err := ceremony.RecoveryLeader(ceremony.InstanceUnits(c))
	if err != nil {
		return "", err
	}
	o, err := ceremony.Draft(order.Rotate, c, time.Now())
	if err != nil {
		return "", err
	}
	if err := i.CheckFingerprints(folder, c.Instance, ceremony.Identities(ceremony.InstanceUnits(c))); err != nil {
		return "", err
	}
	o.Generator, o.Policy, o.Retire = generator, policy, retire
	if i.Flag("hold") {
		o.Activate = order.Signed
	}
	return i.SignAndSubmit(ctx, admin, folder, c, o)
}

func (i *invocation) dryRun(ctx context.Context, admin *client.Client) error {
	stop := i.Working("Opening every key....")
	result, err := admin.DryRun(ctx)
	stop()
	if err != nil {
		return err
	}
	shown := i.Result(result, func(w io.Writer) {
		command.Line(w, "Opened %s of %s.", command.Thousands(result.Opened), command.Plural(result.Keys.Total(), "key"))
		if len(result.Unopenable) > 0 {
			ceremony.ShowBlocked(w, result.Unopenable)
		}
		showCounts(w, result.Keys)
		showEstimate(w, result)
		for _, r := range result.Refusals {
			command.Line(w, "Not now: %s", r.Error())
		}
		if result.Ready {
			command.Line(w, "OK\nA rotation would go through.")
		}
	})
	if !result.Ready {
		return errors.New("a rotation would not go through: nothing was changed")
	}
	return shown
}

// showCounts shows keys by class.
func showCounts(w io.Writer, c client.ClassCounts) {
	command.Line(w, "  System internal:  %s\n  KMS:              %s\n  EP11:             %s", command.Thousands(c.SystemInternal), command.Thousands(c.KMS), command.Thousands(c.EP11))
}

// showEstimate says how long a rotation would take, and by what.
func showEstimate(w io.Writer, run client.DryRun) {
	e := run.Estimate
	if e == nil {
		command.Line(w, "  Estimated time:   not known: there is no key to measure by")
		return
	}
	took := time.Duration(e.Seconds * float64(time.Second)).Round(time.Second)
	about := "less than a second"
	if took >= time.Second {
		about = took.String()
	}
	if e.Basis == client.EstimateRotation {
		command.Line(w, "  Estimated time:   about %s, at the %s keys/s of order %d; callers who have to wait slow it down", about, command.Thousands(uint64(e.KeysPerSecond)), e.Order)
		return
	}
	command.Line(w, "  Estimated time:   %s at least: opening every key took %.1fs in one crypto unit; what the log and its disks add was not measured", about, run.Seconds)
}
