package units

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/document"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// ZeroizeCommand is `tke cryptounit-zeroize`.
func ZeroizeCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "cryptounit-zeroize",
		Usage: "clear everything in crypto units: registers, retired keys, administrators, identity",
		Description: "The unit is then a new one in imprint mode: `tumbler tke unenrol` takes the former one out of the instance, and `enrol` and\n" +
			"`auto-recover` bring the new one in. As many of its own administrators sign as its signature threshold asks for; in imprint\n" +
			"mode none. The last unit that holds the master key is cleared only if --destroy-master-key names that key.\n\n" +
			"A unit that was rolled back ends its node: start that with `tumbler node run --stand-by` first.\n\n" +
			"Example:\n   tumbler tke cryptounit-zeroize --units 5",
		Flags: ceremony.OrderFlags(
			command.TextFlag("units", "CRYPTO UNIT `NUM`s, separated by spaces or commas"),
			DestroyFlag(),
			command.YesFlag("the units are zeroized"),
		),
		Action: action(s, zeroize),
	}
}

// DestroyFlag names a master key that may be lost.
func DestroyFlag() urfave.Flag {
	return command.TextFlag("destroy-master-key", "verification `PATTERN` of the instance's master key: it may go with the last unit that is zeroized, and every key with it")
}

// zeroizing is what is zeroized: a unit as it signed that it is.
type zeroizing struct {
	unit     client.Unit
	identity order.Identity
	said     *order.Statement
	list     *order.Administrators
}

func zeroize(ctx context.Context, i *invocation) error {
	chosen, err := i.UnitNumbers("units")
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		return i.Usage("no CRYPTO UNIT NUM was given: name the units with --units")
	}
	return i.Steering(ctx, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		units, err := unitsToZeroize(ctx, admin, folder, c, chosen)
		if err != nil {
			return err
		}
		if !i.JSON {
			showZeroizing(i.Streams.Out, units)
		}
		if yes, err := i.Confirm("Are you sure you want to zeroize the selected crypto units?"); err != nil || !yes {
			return command.Declined(err)
		}
		if i.Text(ceremony.FlagOrder, "") != "" {
			return i.writeZeroize(folder, c, units)
		}
		keys := map[string][]signing.SignatureKey{}
		var done []ceremony.ZeroizedUnit
		for _, u := range units {
			one, err := i.zeroizeOne(ctx, admin, folder, u, keys)
			if err != nil {
				return err
			}
			done = append(done, one)
		}
		return i.Zeroized(done)
	})
}

// writeZeroize writes the approvals to a file, for units that have the same administrators.
func (i *invocation) writeZeroize(folder *workstation.Folder, c client.OrderContext, units []zeroizing) error {
	d := &document.Document{List: units[0].list}
	var err error
	if d.Instance, err = order.ParseID(c.Instance); err != nil {
		return fmt.Errorf("the instance's id: %w", err)
	}
	for _, u := range units {
		switch {
		case u.list.Imprint():
			return fmt.Errorf("crypto unit %d is in imprint mode, and is zeroized without a signature: run the command without --%s", u.unit.Number, ceremony.FlagOrder)
		case string(u.said.Report.Administrators) != string(units[0].said.Report.Administrators):
			return fmt.Errorf("crypto unit %d has other administrators than crypto unit %d: write a file for each", u.unit.Number, units[0].unit.Number)
		}
		if err := d.Add(u.unit.Number, order.Approval{Step: order.StepZeroize, Unit: u.identity, Generation: u.said.Generation}); err != nil {
			return err
		}
	}
	return i.Write(folder, i.Text(ceremony.FlagOrder, ""), d)
}

// unitsToZeroize reads the chosen units: each answers, and is the one that this workstation knows.
func unitsToZeroize(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, chosen []uint32) ([]zeroizing, error) {
	all, err := admin.Units(ctx)
	if err != nil {
		return nil, err
	}
	var units []zeroizing
	for _, number := range chosen {
		at := slices.IndexFunc(all.Units, func(u client.Unit) bool { return u.Number == number })
		in := slices.IndexFunc(c.Units, func(u client.OrderUnit) bool { return u.Number == number })
		if at < 0 || in < 0 {
			return nil, fmt.Errorf("there is no crypto unit %d in this instance: `tumbler tke cryptounits` lists them", number)
		}
		if _, err := folder.CheckIdentities(c.Instance, map[uint32][]byte{number: c.Units[in].Identity}); err != nil {
			return nil, err
		}
		u := zeroizing{unit: all.Units[at]}
		if copy(u.identity[:], c.Units[in].Identity) != len(u.identity) {
			return nil, fmt.Errorf("crypto unit %d shows an identity of another size: use the version of the cluster", number)
		}
		if u.said, err = ceremony.VerifiedStatement(u.unit, u.identity); err != nil {
			return nil, fmt.Errorf("crypto unit %d: %w: start its node, with --stand-by if the unit was rolled back; if it was zeroized already, `tumbler tke unenrol --units %d` takes the former out", number, err, number)
		}
		if u.list, err = order.DecodeAdministrators(u.said.Report.Administrators); err != nil {
			return nil, fmt.Errorf("the administrators of crypto unit %d: %w", number, err)
		}
		units = append(units, u)
	}
	return units, nil
}

func showZeroizing(w io.Writer, units []zeroizing) {
	t := command.NewTable("CRYPTO UNIT NUM", "TYPE", "LOCATION", "CURRENT MASTER KEY REGISTER", "RETIRED KEYS")
	for _, u := range units {
		r := u.said.Report
		holds := r.Registers.Current.String()
		if r.Registers.Current == masterkey.CurrentValid {
			holds += " " + r.Registers.CurrentPattern.String()
		}
		t.Row(u.unit.Number, strings.ToUpper(r.Role.String()), bracketed(u.unit.Location), holds, r.Retired)
	}
	t.Print(w)
}

// zeroizeOne has a unit zeroized by its own administrators, and looks at what it is then. Keys are opened once for each list.
func (i *invocation) zeroizeOne(ctx context.Context, admin *client.Client, folder *workstation.Folder, u zeroizing, keys map[string][]signing.SignatureKey) (ceremony.ZeroizedUnit, error) {
	request := client.ZeroizeRequest{MasterKey: i.Text("destroy-master-key", "")}
	if !u.list.Imprint() {
		list := string(u.said.Report.Administrators)
		if keys[list] == nil {
			var err error
			if keys[list], err = i.Quorum(folder, ceremony.PublicKeys(u.list), int(u.list.Signature)); err != nil {
				return ceremony.ZeroizedUnit{}, err
			}
		}
		var err error
		if request.Approval, err = ceremony.SignedApproval(order.Approval{Step: order.StepZeroize, Unit: u.identity, Generation: u.said.Generation}, keys[list]); err != nil {
			return ceremony.ZeroizedUnit{}, err
		}
	}
	return i.ZeroizeBy(ctx, admin, u.unit.Number, u.identity, request)
}
