package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

func unenrolCommand(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "unenrol",
		Usage: "remove crypto units from the instance, dead or alive, and their nodes from the cluster",
		Description: "A quorum's signatures are needed. Rotations go on without the units, whose next master key they never learn; a node\n" +
			"that runs says so and ends. Rotate the master key afterwards if a unit is in other hands.\n\n" +
			"Example:\n   tumbler tke unenrol --units 5 --yes",
		Flags:  orderFlags(text("units", "CRYPTO UNIT `NUM`s, separated by spaces or commas"), yesFlag("the units are removed")),
		Action: action(s, unenrol),
	}
}

func unenrol(ctx context.Context, i *invocation) error {
	chosen, err := i.unitNumbers("units")
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		return i.usage("no CRYPTO UNIT NUM was given: name the units with --units")
	}
	return steering(ctx, i, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if err := initialised(c); err != nil {
			return err
		}
		left, err := unitsToRemove(ctx, admin, c, chosen)
		if err != nil {
			return err
		}
		changed := unitsChanged{Units: chosen}
		if len(left) > 0 {
			question := fmt.Sprintf("Crypto unit %s is removed from the instance, and its node from the cluster. Do you want to continue?", numbers(numbersOf(left)))
			if yes, err := i.confirm(question); err != nil || !yes {
				return declined(err)
			}
			o, err := draft(order.Remove, c, time.Now())
			if err != nil {
				return err
			}
			if err := i.checkKnown(folder, c); err != nil {
				return err
			}
			o.Subject.Units = left
			if changed.Digest, err = i.signAndSubmit(ctx, admin, folder, c, o); err != nil || changed.Digest == "" {
				return err
			}
		}
		return i.finishUnenrol(ctx, admin, folder, c.Instance, changed)
	})
}

// unitsToRemove are those of the chosen that are still enrolled. One that is neither enrolled nor a member any more is a
// mistake.
func unitsToRemove(ctx context.Context, admin *client.Client, c client.OrderContext, chosen []uint32) ([]order.UnitRef, error) {
	members, err := admin.Members(ctx)
	if err != nil {
		return nil, err
	}
	units, err := unitRefs(instanceUnits(c))
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
	return left, nil
}

// finishUnenrol waits until the nodes are no members any more, and forgets the identities of their units: another unit may
// take such a number.
func (i *invocation) finishUnenrol(ctx context.Context, admin *client.Client, folder *workstation.Folder, instance string, changed unitsChanged) error {
	i.say("Removing crypto unit %s....", numbers(changed.Units))
	err := await(ctx, unitWait, func() (string, error) {
		members, err := admin.Members(ctx)
		if err != nil {
			return "", err
		}
		for _, m := range members.Members {
			if slices.Contains(changed.Units, m.Number) {
				return fmt.Sprintf("crypto unit %d is removed, and node %d is still a member: the leader takes it out as soon as most of the others answer", m.Number, m.Number), nil
			}
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	if err := folder.ForgetIdentities(instance, changed.Units); err != nil {
		return err
	}
	return i.result(changed, func(w io.Writer) {
		line(w, "OK\nCrypto unit %s was removed from the instance, and its node from the cluster.", numbers(changed.Units))
	})
}
