package units

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/workstation"
)

// Commands are those that list, select and compare crypto units.
func Commands(s command.Streams) []*urfave.Command {
	units := func() urfave.Flag {
		return command.TextFlag("units", "CRYPTO UNIT `NUM`s, separated by spaces or commas")
	}
	return []*urfave.Command{
		{
			Name:        "cryptounits",
			Usage:       "list the crypto units of the instance, and which are selected",
			Description: "Example:\n   tumbler tke cryptounits",
			Flags:       slices.Concat(command.AdminFlags(), command.FolderFlags()),
			Action:      action(s, cryptoUnits),
		},
		{
			Name:        "cryptounit-add",
			Usage:       "put crypto units into the selection",
			Description: "Every unit is selected until it is taken out.\n\nExample:\n   tumbler tke cryptounit-add --units 1,2",
			Flags:       slices.Concat([]urfave.Flag{units()}, command.AdminFlags(), command.FolderFlags()),
			Action:      action(s, selectUnits(true, "Enter a list of CRYPTO UNIT NUM to add, separated by spaces:")),
		},
		{
			Name:        "cryptounit-rm",
			Usage:       "take crypto units out of the selection",
			Description: "Orders name every unit of the instance whatever is selected.\n\nExample:\n   tumbler tke cryptounit-rm --units 5",
			Flags:       slices.Concat([]urfave.Flag{units()}, command.AdminFlags(), command.FolderFlags()),
			Action:      action(s, selectUnits(false, "Enter a list of CRYPTO UNIT NUM to remove, separated by spaces:")),
		},
		{
			Name:        "cryptounit-admins",
			Usage:       "list the administrators of the selected crypto units",
			Description: "Example:\n   tumbler tke cryptounit-admins",
			Flags:       slices.Concat(command.AdminFlags(), command.FolderFlags()),
			Action:      action(s, compared(showAdministrators)),
		},
		{
			Name:        "cryptounit-thrhlds",
			Usage:       "list the signature thresholds of the selected crypto units",
			Description: "Example:\n   tumbler tke cryptounit-thrhlds",
			Flags:       slices.Concat(command.AdminFlags(), command.FolderFlags()),
			Action:      action(s, compared(showThresholds)),
		},
		{
			Name:        "cryptounit-mk",
			Usage:       "list the master key registers of the selected crypto units",
			Description: "Example:\n   tumbler tke cryptounit-mk",
			Flags:       slices.Concat(command.AdminFlags(), command.FolderFlags()),
			Action:      action(s, compared(showRegistersAlone)),
		},
		{
			Name:  "cryptounit-compare",
			Usage: "show the selected crypto units side by side: thresholds, administrators, registers, control points",
			Description: "What is shown comes from each unit's signed report, checked against the identity that this workstation knows.\n\n" +
				"Example:\n   tumbler tke cryptounit-compare",
			Flags:  slices.Concat(command.AdminFlags(), command.FolderFlags()),
			Action: action(s, compareUnits),
		},
	}
}

// unitShown is a crypto unit as JSON.
type unitShown struct {
	Number   uint32 `json:"number"`
	Selected bool   `json:"selected"`
	Type     string `json:"type"`
	Location string `json:"location"`
	Identity string `json:"identity"`
	Enrolled bool   `json:"enrolled"`
	Alive    bool   `json:"alive"`
	Fenced   bool   `json:"fenced"`
}

// unitList is what `cryptounits` shows.
type unitList struct {
	Instance string      `json:"service_instance"`
	Units    []unitShown `json:"units"`
}

func cryptoUnits(ctx context.Context, i *invocation) error {
	folder, err := i.FolderAlone()
	if err != nil {
		return err
	}
	return i.Administration(ctx, func(admin *client.Client) error { return i.listUnits(ctx, admin, folder) })
}

func (i *invocation) listUnits(ctx context.Context, admin *client.Client, folder *workstation.Folder) error {
	context, err := admin.OrderContext(ctx)
	if err != nil {
		return err
	}
	units, err := admin.Units(ctx)
	if err != nil {
		return err
	}
	list := unitList{context.Instance, []unitShown{}}
	for _, u := range units.Units {
		selected, err := folder.Selected(list.Instance, u.Number)
		if err != nil {
			return err
		}
		list.Units = append(list.Units, unitShown{u.Number, selected, strings.ToUpper(u.Role), bracketed(u.Location), u.Identity, u.Enrolled, u.Alive, u.Fenced})
	}
	return i.Result(list, func(w io.Writer) {
		command.Line(w, "\nSERVICE INSTANCE: %s", list.Instance)
		t := command.NewTable("CRYPTO UNIT NUM", "SELECTED", "TYPE", "LOCATION")
		for _, u := range list.Units {
			t.Row(u.Number, u.Selected, u.Type, u.Location)
		}
		t.Print(w)
	})
}

// bracketed shows a location as Trusted Key Entry does: [eu-de].[zone-1].[01].[02].
func bracketed(location string) string {
	if location == "" {
		return "-"
	}
	return "[" + strings.ReplaceAll(location, ".", "].[") + "]"
}

func selectUnits(in bool, prompt string) func(context.Context, *invocation) error {
	return func(ctx context.Context, i *invocation) error {
		folder, err := i.FolderAlone()
		if err != nil {
			return err
		}
		return i.Administration(ctx, func(admin *client.Client) error {
			context, err := admin.OrderContext(ctx)
			if err != nil {
				return err
			}
			units, err := admin.Units(ctx)
			if err != nil {
				return err
			}
			answer, err := i.Ask("units", "", prompt)
			if err != nil {
				return err
			}
			var chosen []uint32
			for _, word := range strings.FieldsFunc(answer, func(r rune) bool { return r == ' ' || r == ',' }) {
				n, err := strconv.ParseUint(word, 10, 32)
				if err != nil || !slices.ContainsFunc(units.Units, func(u client.Unit) bool { return u.Number == uint32(n) }) {
					return i.Usage("%s is not a CRYPTO UNIT NUM of this instance", strconv.Quote(word))
				}
				chosen = append(chosen, uint32(n))
			}
			if len(chosen) == 0 {
				return i.Usage("no CRYPTO UNIT NUM was given")
			}
			for _, n := range chosen {
				if err := folder.SelectUnit(context.Instance, n, in); err != nil {
					return err
				}
			}
			i.Say("OK")
			return i.listUnits(ctx, admin, folder)
		})
	}
}
