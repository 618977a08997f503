package units

import (
	"context"
	"errors"
	"fmt"
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

// EnrolCommand is `tke enrol`.
func EnrolCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "enrol",
		Usage: "make crypto units of nodes that have joined part of the instance, by their fingerprints",
		Description: "A quorum's signatures are needed. Each unit takes cluster, instance and administrators from the order; the master\n" +
			"key comes with `tumbler tke auto-recover`. Run again after it was interrupted, it goes on where it was.\n\n" +
			"Example:\n   tumbler tke enrol --units 6 --fingerprints fingerprints.txt",
		Flags: ceremony.OrderFlags(
			command.TextFlag("units", "CRYPTO UNIT `NUM`s, separated by spaces or commas; else all that are not enrolled"),
			ceremony.FingerprintsFlag(),
			command.YesFlag("the fingerprints of the units are right"),
		),
		Action: action(s, enrol),
	}
}

func enrol(ctx context.Context, i *invocation) error {
	chosen, err := i.UnitNumbers("units")
	if err != nil {
		return err
	}
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if err := ceremony.Initialised(c); err != nil {
			return err
		}
		c, err := i.WaitForUnits(ctx, admin, c, func(ctx context.Context, admin *client.Client, c client.OrderContext) error {
			return ceremony.HaveRegistered(ctx, admin, c, chosen)
		})
		if err != nil {
			return err
		}
		fresh, err := unitsToEnrol(c, chosen)
		if err != nil {
			return err
		}
		if len(fresh) == 0 { // by an earlier run of this command
			return i.FinishEnrol(ctx, admin, ceremony.UnitsChanged{Units: chosen}, c)
		}
		o, err := ceremony.Draft(order.Enrol, c, time.Now())
		if err != nil {
			return err
		}
		if o.Subject.Units, err = ceremony.UnitRefs(fresh); err != nil {
			return err
		}
		o.Units = append(o.Units, o.Subject.Units...)
		slices.SortFunc(o.Units, func(a, b order.UnitRef) int { return int(int64(a.Number) - int64(b.Number)) })
		if err := enrolReports(ctx, admin, o, c.Administrators); err != nil {
			return err
		}
		if err := i.CheckFingerprints(folder, c.Instance, ceremony.Identities(append(ceremony.InstanceUnits(c), fresh...))); err != nil {
			return err
		}
		changed := ceremony.UnitsChanged{Units: ceremony.NumbersOf(o.Subject.Units)}
		if changed.Digest, err = i.SignAndSubmit(ctx, admin, folder, c, o); err != nil || changed.Digest == "" {
			return err
		}
		return i.FinishEnrol(ctx, admin, changed, c)
	})
}

// unitsToEnrol are those of the chosen, or of all, that are not enrolled.
func unitsToEnrol(c client.OrderContext, chosen []uint32) ([]client.OrderUnit, error) {
	var fresh []client.OrderUnit
	for _, u := range c.Units {
		if !u.Enrolled && (len(chosen) == 0 || slices.Contains(chosen, u.Number)) {
			fresh = append(fresh, u)
		}
	}
	for _, n := range chosen {
		if !slices.ContainsFunc(c.Units, func(u client.OrderUnit) bool { return u.Number == n }) {
			return nil, fmt.Errorf("crypto unit %d has not registered: start its node, and let it join (`tumbler cluster join`)", n)
		}
	}
	if len(fresh) == 0 && len(chosen) == 0 {
		return nil, errors.New("every crypto unit that has joined is enrolled: let another node join first (`tumbler cluster join`)")
	}
	return fresh, nil
}

// enrolReports reads and checks the report of every unit that is to be enrolled: it has the instance's administrators, or
// none, and no other key than the instance's.
func enrolReports(ctx context.Context, admin *client.Client, o order.Order, administrators []byte) error {
	units, err := admin.Units(ctx)
	if err != nil {
		return err
	}
	for _, ref := range o.Subject.Units {
		r, err := ceremony.VerifiedReport(ceremony.UnitOf(units, ref.Number), ref.Identity)
		if err != nil {
			return fmt.Errorf("crypto unit %d: %w", ref.Number, err)
		}
		state, err := ceremony.AdministratorsOf(r, administrators)
		switch {
		case err != nil:
			return fmt.Errorf("crypto unit %d: %w", ref.Number, err)
		case r.Role != ref.Role:
			return fmt.Errorf("crypto unit %d reports role %v, and the cluster says %v: give its node's configuration the role that it began with", ref.Number, r.Role, ref.Role)
		case state == ceremony.Others:
			return fmt.Errorf("crypto unit %d has other administrators than the instance: start its node on an empty data_dir, so that it is a new unit", ref.Number)
		case r.Registers.New != masterkey.NewEmpty || r.Registers.Current != masterkey.CurrentEmpty && r.Registers.CurrentPattern != o.Current:
			return fmt.Errorf("crypto unit %d holds another master key than the instance's: start its node on an empty data_dir, so that it is a new unit", ref.Number)
		}
	}
	return nil
}
