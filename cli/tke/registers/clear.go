package registers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/document"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

const saidClearedNew = "The new master key register has been cleared in the selected crypto units."

func registerClearNew(ctx context.Context, i *invocation) error {
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if c.Open == nil {
			return i.nothingToClear(ctx, admin, folder, c)
		}
		question := fmt.Sprintf("Order %d (%s, %s) is cancelled, and the new master key register of every crypto unit is cleared: the current master key stays. Do you want to continue?",
			c.Open.Number, c.Open.Kind, c.Open.State)
		return i.CancelOrder(ctx, admin, folder, c, question, saidClearedNew)
	})
}

// nothingToClear says so, or names units that still hold what an order left behind: they converge by themselves.
func (i *invocation) nothingToClear(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
	units, err := ceremony.ReadUnits(ctx, admin, folder, c.Instance)
	if err != nil {
		return err
	}
	var full []uint32
	for _, u := range units {
		if u.Registers.New.State != client.RegisterEmpty && u.Registers.New.State != "" {
			full = append(full, u.Number)
		}
	}
	if err := withoutOrder(ctx, admin, c); !errors.Is(err, errNothingLoaded) {
		return err
	}
	if len(full) > 0 {
		return fmt.Errorf("no order is under way, and the new master key register of crypto unit %s is not Empty: it clears it by itself when its node has caught up", command.Numbers(full))
	}
	return i.Done(map[string]any{"cleared": []uint32{}}, "There is nothing to clear: the new master key registers are Empty.")
}

// clearing is a unit whose current register is cleared, as it signed that it is.
type clearing struct {
	number   uint32
	identity order.Identity
	said     *order.Statement
	list     *order.Administrators
}

func registerClearCurrent(ctx context.Context, i *invocation) error {
	chosen, err := i.UnitNumbers("units")
	if err != nil {
		return err
	}
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if c.Open != nil {
			return fmt.Errorf("order %d (%s, %s) is under way: wait for it (`tumbler tke rotation watch`), or cancel it first (`tumbler tke cryptounit-mk-clrnew`)", c.Open.Number, c.Open.Kind, c.Open.State)
		}
		units, err := unitsToClear(ctx, admin, folder, c, chosen)
		if err != nil {
			return err
		}
		if !i.JSON {
			t := command.NewTable("CRYPTO UNIT NUM", "CURRENT MASTER KEY REGISTER")
			for _, u := range units {
				t.Row(u.number, u.said.Report.Registers.CurrentPattern)
			}
			t.Print(i.Streams.Out)
		}
		if yes, err := i.Confirm("The current master key register is cleared in these crypto units, which serve no keys then. Do you want to continue?"); err != nil || !yes {
			return command.Declined(err)
		}
		d, err := approvalsToClear(c, units)
		if err != nil {
			return err
		}
		if written, err := i.SignOrWrite(folder, d, nil); err != nil || written {
			return err
		}
		return i.ClearCurrent(ctx, admin, d)
	})
}

// approvalsToClear are what administrators sign, one for each unit.
func approvalsToClear(c client.OrderContext, units []clearing) (*document.Document, error) {
	d := &document.Document{List: units[0].list}
	var err error
	if d.Instance, err = order.ParseID(c.Instance); err != nil {
		return nil, fmt.Errorf("the instance's id: %w", err)
	}
	cluster, err := order.ParseID(c.Cluster)
	if err != nil {
		return nil, fmt.Errorf("the cluster's id: %w", err)
	}
	for _, u := range units {
		if !bytes.Equal(u.said.Report.Administrators, units[0].said.Report.Administrators) {
			return nil, fmt.Errorf("crypto unit %d has other administrators than crypto unit %d: clear them one at a time (--units)", u.number, units[0].number)
		}
		if err := d.Add(u.number, order.Approval{Step: order.StepClearCurrent, Cluster: cluster, Incarnation: uint64(c.Incarnation), Unit: u.identity, Generation: u.said.Generation}); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// unitsToClear reads the chosen units, or else the selected ones: some other unit must hold the master key and answer.
func unitsToClear(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, chosen []uint32) ([]clearing, error) {
	all, err := admin.Units(ctx)
	if err != nil {
		return nil, err
	}
	refs, err := ceremony.UnitRefs(ceremony.InstanceUnits(c))
	if err != nil {
		return nil, err
	}
	if _, err := folder.CheckIdentities(c.Instance, ceremony.Identities(ceremony.InstanceUnits(c))); err != nil {
		return nil, err
	}
	for _, n := range chosen {
		if !slices.ContainsFunc(refs, func(r order.UnitRef) bool { return r.Number == n }) {
			return nil, fmt.Errorf("there is no crypto unit %d in this instance: `tumbler tke cryptounits` lists them", n)
		}
	}
	var units []clearing
	kept := false
	for _, ref := range refs {
		wanted := slices.Contains(chosen, ref.Number)
		if len(chosen) == 0 {
			if wanted, err = folder.Selected(c.Instance, ref.Number); err != nil {
				return nil, err
			}
		}
		said, err := ceremony.VerifiedStatement(ceremony.UnitOf(all, ref.Number), ref.Identity)
		if !wanted {
			kept = kept || err == nil && said.Report.Registers.Current == masterkey.CurrentValid && ceremony.PatternText(said.Report.Registers.CurrentPattern) == c.CurrentPattern
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("crypto unit %d: %w: start its node", ref.Number, err)
		}
		if imprint, err := inImprintMode(said.Report); err == nil && imprint {
			return nil, imprintRefusal(ref.Number)
		}
		if said.Report.Registers.Current != masterkey.CurrentValid {
			continue
		}
		u := clearing{ref.Number, ref.Identity, said, nil}
		if u.list, err = order.DecodeAdministrators(said.Report.Administrators); err != nil {
			return nil, fmt.Errorf("the administrators of crypto unit %d: %w", ref.Number, err)
		}
		units = append(units, u)
	}
	switch {
	case len(units) == 0:
		return nil, errors.New("there is nothing to clear: the current master key registers are Empty")
	case !kept:
		return nil, errors.New("no other crypto unit that answers would hold the master key, and every key under it would be lost: name fewer units (--units, or `tumbler tke cryptounit-rm`); " +
			"to replace the master key use `tumbler tke cryptounit-mk-rotate`, to destroy it and every key `tumbler tke cryptounit-zeroize`")
	}
	return units, nil
}
