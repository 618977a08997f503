package registers

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"tumbler/api/client"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// orderByParts begins an order whose key comes in parts, after every precondition was looked at: a first master key if there is
// none yet, or else another one. The list is that of every unit.
func (i *invocation) orderByParts(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext) (order.Order, *order.Administrators, error) {
	kind := order.Rotate
	if c.CurrentPattern == "" {
		kind = order.Init
		var err error
		if c, err = i.WaitForUnits(ctx, admin, c, ceremony.EveryMemberIsThere); err != nil {
			return order.Order{}, nil, err
		}
	}
	o, err := ceremony.Draft(kind, c, time.Now())
	if err != nil {
		return o, nil, err
	}
	o.Commit, o.Activate = order.Signed, order.Signed
	if err := i.everyUnitSelected(folder, o); err != nil {
		return o, nil, err
	}
	for _, u := range ceremony.InstanceUnits(c) {
		if u.Fenced {
			return o, nil, fmt.Errorf("crypto unit %d is fenced, since the last order left it behind: start its node and let it converge first", u.Number)
		}
	}
	if err := i.CheckFingerprints(folder, c.Instance, ceremony.Identities(ceremony.InstanceUnits(c))); err != nil {
		return o, nil, err
	}
	list, err := readyForParts(ctx, admin, o)
	if err != nil {
		return o, nil, err
	}
	o.Administrators, err = list.Digest()
	return o, list, err
}

// everyUnitSelected: a master key is that of the whole instance.
func (i *invocation) everyUnitSelected(folder *workstation.Folder, o order.Order) error {
	for _, u := range o.Units {
		selected, err := folder.Selected(o.Instance.String(), u.Number)
		if err != nil {
			return err
		}
		if !selected {
			return fmt.Errorf("crypto unit %d is not selected, and a master key is loaded in every crypto unit of the instance: `tumbler tke cryptounit-add --units %d`", u.Number, u.Number)
		}
	}
	return nil
}

// readyForParts reads what each unit signed of itself: no unit in imprint mode, the same administrators everywhere, new
// registers Empty, and current ones all Valid with the instance's pattern, or all Empty. It gives the administrators.
func readyForParts(ctx context.Context, admin *client.Client, o order.Order) (*order.Administrators, error) {
	units, err := admin.Units(ctx)
	if err != nil {
		return nil, err
	}
	var der []byte
	for _, ref := range o.Units {
		r, err := ceremony.VerifiedReport(ceremony.UnitOf(units, ref.Number), ref.Identity)
		if err != nil {
			return nil, fmt.Errorf("crypto unit %d: %w: every crypto unit takes part, so start its node; if it was zeroized or is lost, `tumbler tke unenrol --units %d` takes it out", ref.Number, err, ref.Number)
		}
		imprint, err := inImprintMode(r)
		switch {
		case err != nil:
			return nil, fmt.Errorf("crypto unit %d: %w", ref.Number, err)
		case imprint:
			return nil, imprintRefusal(ref.Number)
		case r.Registers.New != masterkey.NewEmpty:
			return nil, fmt.Errorf("the new master key register of crypto unit %d is %v already: clear it first (`tumbler tke cryptounit-mk-clrnew`)", ref.Number, r.Registers.New)
		case o.Kind == order.Init && r.Registers.Current != masterkey.CurrentEmpty:
			return nil, fmt.Errorf("crypto unit %d holds a master key already, and the instance has none: zeroize the unit, or take it out of the instance", ref.Number)
		case o.Kind == order.Rotate && (r.Registers.Current != masterkey.CurrentValid || r.Registers.CurrentPattern != o.Current):
			return nil, fmt.Errorf("the current master key register of crypto unit %d does not hold the instance's master key: `tumbler tke auto-recover` gives it the key", ref.Number)
		}
		if der == nil {
			der = r.Administrators
		}
		if !bytes.Equal(der, r.Administrators) {
			return nil, fmt.Errorf("crypto unit %d has other administrators or thresholds than crypto unit %d: `tumbler tke cryptounit-compare` shows them", ref.Number, o.Units[0].Number)
		}
	}
	return order.DecodeAdministrators(der)
}

func inImprintMode(r *order.Report) (bool, error) {
	if len(r.Administrators) == 0 {
		return true, nil
	}
	list, err := order.DecodeAdministrators(r.Administrators)
	return err == nil && list.Imprint(), err
}
