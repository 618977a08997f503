package auto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// RecoverCommand is `tke auto-recover`.
func RecoverCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:    "auto-recover",
		Aliases: []string{"auto-mk-recover"},
		Usage:   "give the instance's master key to enrolled crypto units that do not hold it, from one that does",
		Description: "A quorum's signatures start it; one unit seals the key for the others, which load, commit and activate it. Ctrl-C ends\n" +
			"the command and leaves the recovery going. Run again while one is under way, it shows that one and signs nothing.\n\n" +
			"Examples:\n   tumbler tke auto-recover\n   tumbler tke auto-recover --units 6 --source 4",
		Flags: ceremony.OrderFlags(
			command.TextFlag("units", "CRYPTO UNIT `NUM`s to give the key to, separated by spaces or commas; else all whose register is Empty"),
			command.TextFlag("source", "CRYPTO UNIT `NUM` that seals the key; else the lowest-numbered recovery unit that holds it, or else any"),
			&urfave.BoolFlag{Name: "detach", Usage: "return as soon as the recovery is accepted"},
			ceremony.FingerprintsFlag(),
			ceremony.FingerprintsAreRightFlag(),
		),
		Action: action(s, autoRecover),
	}
}

func autoRecover(ctx context.Context, i *invocation) error {
	chosen, err := i.UnitNumbers("units")
	if err != nil {
		return err
	}
	source, _, err := i.Number("source", 1, 1<<32-1)
	if err != nil {
		return err
	}
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if c.Open != nil && c.Open.Kind == order.Recover.String() {
			i.Say("A recovery is under way (order %d, %s): nothing was signed, and it is shown from here on.", c.Open.Number, c.Open.State)
			return i.followRecovery(ctx, admin, c.Open.Digest)
		}
		if err := ceremony.Initialised(c); err != nil {
			return err
		}
		o, err := ceremony.Draft(order.Recover, c, time.Now())
		if err != nil {
			return err
		}
		if err := i.CheckFingerprints(folder, c.Instance, ceremony.Identities(ceremony.InstanceUnits(c))); err != nil {
			return err
		}
		reports, err := ceremony.ReportsOf(ctx, admin, o)
		if err != nil {
			return err
		}
		if o.Subject.Units, err = recoverTargets(o, reports, chosen); err != nil {
			return err
		}
		if len(o.Subject.Units) == 0 {
			return i.Done(map[string]any{"units": []uint32{}}, "Every enrolled crypto unit holds the master key: there is nothing to recover.")
		}
		if o.Generator, err = recoverSource(o, reports, uint32(source)); err != nil {
			return err
		}
		o.Subject.Pattern = o.Current
		digest, err := i.SignAndSubmit(ctx, admin, folder, c, o)
		if err != nil || digest == "" {
			return err
		}
		i.Say("Master key recovery started: from crypto unit %d to %s.", o.Generator, command.Numbers(ceremony.NumbersOf(o.Subject.Units)))
		if reports[o.Generator].Registers.CurrentPattern != o.Current {
			i.Say("The master key is one that the crypto unit had retired: replace it when the recovery is done (`tumbler tke auto-mk-rotate`).")
		}
		return i.followRecovery(ctx, admin, digest)
	})
}

// recoverTargets are the chosen units, or all that answer, with Empty registers.
func recoverTargets(o order.Order, reports map[uint32]*order.Report, chosen []uint32) ([]order.UnitRef, error) {
	var targets []order.UnitRef
	for _, ref := range o.Units {
		r, answers := reports[ref.Number]
		wanted := slices.Contains(chosen, ref.Number)
		switch {
		case len(chosen) > 0 && !wanted:
		case answers && r.Registers == masterkey.Empty():
			targets = append(targets, ref)
		case wanted && !answers:
			return nil, fmt.Errorf("crypto unit %d does not answer: start its node", ref.Number)
		case wanted && r.Registers.CurrentPattern != o.Current:
			return nil, fmt.Errorf("crypto unit %d holds %v, and a recovery loads Empty registers only: remove it, and enrol a new unit in its place", ref.Number, r.Registers.CurrentPattern)
		}
	}
	for _, n := range chosen {
		if _, named := o.Unit(n); !named {
			return nil, fmt.Errorf("crypto unit %d is not enrolled: `tumbler tke enrol` comes first", n)
		}
	}
	return targets, nil
}

// recoverSource is the unit that seals the key: the one asked for, or the lowest-numbered that answers and holds it, of the
// recovery units before the others. After a restore from before a rotation no unit holds it, and a recovery unit may have it as
// a retired key, which it alone can tell.
func recoverSource(o order.Order, reports map[uint32]*order.Report, asked uint32) (uint32, error) {
	holds := func(r *order.Report) bool { return r.Registers.CurrentPattern == o.Current }
	retired := func(r *order.Report) bool { return r.Role == order.Recovery && r.Retired > 0 }
	if asked != 0 {
		if r, answers := reports[asked]; !answers || !holds(r) && !retired(r) {
			return 0, fmt.Errorf("crypto unit %d does not answer, or does not hold the master key %v: choose another --source", asked, o.Current)
		}
		return asked, nil
	}
	for _, may := range []func(*order.Report) bool{holds, retired} {
		for _, role := range []order.Role{order.Recovery, order.Operational} {
			for _, ref := range o.Units {
				if r, answers := reports[ref.Number]; answers && ref.Role == role && may(r) && r.Registers.New == masterkey.NewEmpty {
					return ref.Number, nil
				}
			}
		}
	}
	return 0, fmt.Errorf("no crypto unit that answers holds the master key %v: start one that does", o.Current)
}

func (i *invocation) followRecovery(ctx context.Context, admin *client.Client, digest string) error {
	if i.Flag("detach") {
		return i.Done(map[string]string{"digest": digest}, "`tumbler tke rotation watch` shows it.")
	}
	status, err := i.Follow(ctx, admin, digest, i.Progress())
	if err != nil {
		return err
	}
	if status.State != client.StateComplete {
		return errors.New("the recovery was cancelled: run the command again")
	}
	return i.Result(status, func(w io.Writer) {
		ceremony.ShowFenced(w, status)
		command.Line(w, "OK\nThe master key was recovered.")
	})
}
