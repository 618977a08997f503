package units

import (
	"context"
	"fmt"
	"slices"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// UnenrolCommand is `tke unenrol`.
func UnenrolCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "unenrol",
		Usage: "remove crypto units from the instance, dead or alive, and their nodes from the cluster",
		Description: "A quorum's signatures are needed. Rotations go on without the units, whose next master key they never learn; a node\n" +
			"that runs says so and ends. Rotate the master key afterwards if a unit is in other hands.\n\n" +
			"Example:\n   tumbler tke unenrol --units 5 --yes",
		Flags:  ceremony.OrderFlags(command.TextFlag("units", "CRYPTO UNIT `NUM`s, separated by spaces or commas"), command.YesFlag("the units are removed")),
		Action: action(s, unenrol),
	}
}

func unenrol(ctx context.Context, i *invocation) error {
	chosen, err := i.UnitNumbers("units")
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		return i.Usage("no CRYPTO UNIT NUM was given: name the units with --units")
	}
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if err := ceremony.Initialised(c); err != nil {
			return err
		}
		left, err := unitsToRemove(ctx, admin, c, chosen)
		if err != nil {
			return err
		}
		changed := ceremony.UnitsChanged{Units: chosen}
		if len(left) > 0 {
			question := fmt.Sprintf("Crypto unit %s is removed from the instance, and its node from the cluster. Do you want to continue?", command.Numbers(ceremony.NumbersOf(left)))
			if yes, err := i.Confirm(question); err != nil || !yes {
				return command.Declined(err)
			}
			o, err := ceremony.Draft(order.Remove, c, time.Now())
			if err != nil {
				return err
			}
			if err := i.CheckKnown(folder, c); err != nil {
				return err
			}
			o.Subject.Units = left
			if changed.Digest, err = i.SignAndSubmit(ctx, admin, folder, c, o); err != nil || changed.Digest == "" {
				return err
			}
		}
		return i.FinishUnenrol(ctx, admin, folder, c.Instance, changed)
	})
}

// unitsToRemove are those of the chosen that are still enrolled. One that is neither enrolled nor a member any more is a
// mistake.
func unitsToRemove(ctx context.Context, admin *client.Client, c client.OrderContext, chosen []uint32) ([]order.UnitRef, error) {
	members, err := admin.Members(ctx)
	if err != nil {
		return nil, err
	}
	units, err := ceremony.UnitRefs(ceremony.InstanceUnits(c))
	if err != nil {
		return nil, err
	}
	var left []order.UnitRef
	for _, n := range chosen {
		at := slices.IndexFunc(units, func(u order.UnitRef) bool { return u.Number == n })
		joined := slices.ContainsFunc(c.Units, func(u client.OrderUnit) bool { return u.Number == n })
		member := slices.ContainsFunc(members.Members, func(m client.Member) bool { return m.Number == n })
		switch {
		case at >= 0:
			left = append(left, units[at])
		case joined:
			return nil, fmt.Errorf("crypto unit %d is not enrolled: `tumbler cluster leave --number %d` takes its node out", n, n)
		case !member: // else an earlier run of this command has removed its unit
			return nil, fmt.Errorf("there is no crypto unit %d in this instance: `tumbler tke cryptounits` lists them", n)
		}
	}
	stays := func(u order.UnitRef) bool { return u.Role == order.Operational && !slices.Contains(chosen, u.Number) }
	if len(left) > 0 && !slices.ContainsFunc(units, stays) {
		return nil, fmt.Errorf("without crypto unit %s the instance has no operational one, and no key could be used: let another node join and `tumbler tke enrol` its unit first", command.Numbers(chosen))
	}
	return left, nil
}
