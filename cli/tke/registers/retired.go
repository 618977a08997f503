package registers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// RetiredCommand is `tke retired`.
func RetiredCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "retired",
		Usage: "former master keys, which recovery units keep to open old backups",
		Subcommands: []*urfave.Command{
			{
				Name:        "list",
				Usage:       "list the former master keys that are kept, with their ages",
				Description: "Example:\n   tumbler tke retired list",
				Flags:       command.AdminFlags(),
				Action:      action(s, retiredList),
			},
			{
				Name:  "destroy",
				Usage: "have every recovery unit destroy a former master key",
				Description: "A quorum's signatures are needed. Backups that only this key opens cannot be restored afterwards. A unit that is down\n" +
					"destroys its copy when it is back.\n\n" +
					"Example:\n   tumbler tke retired destroy 84a639a9 --keynum 1,2 --yes",
				ArgsUsage: "PATTERN",
				Flags:     ceremony.OrderFlags(command.YesFlag("the key is destroyed")),
				Action:    action(s, retiredDestroy),
			},
		},
	}
}

// retiredShown is a retired key as JSON.
type retiredShown struct {
	client.RetiredKey
	Days int `json:"days"`
}

func retiredList(ctx context.Context, i *invocation) error {
	return i.Administration(ctx, func(admin *client.Client) error {
		status, err := admin.Status(ctx)
		if err != nil {
			return err
		}
		list := []retiredShown{}
		for _, k := range status.Retired {
			list = append(list, retiredShown{k, int(time.Since(k.Since).Hours() / 24)})
		}
		return i.Result(map[string]any{"retired": list}, func(w io.Writer) {
			if len(list) == 0 {
				command.Line(w, "No former master key is kept.")
				return
			}
			t := command.NewTable("VERIFICATION PATTERN", "RETIRED", "DAYS", "CRYPTO UNITS", "REMARK")
			for _, k := range list {
				remark := "-"
				if k.DestroyedBy != 0 {
					remark = fmt.Sprintf("order %d destroys it", k.DestroyedBy)
				}
				t.Row(k.Pattern, command.When(k.Since), k.Days, command.Numbers(k.Units), remark)
			}
			t.Print(w)
			for _, warning := range status.Warnings {
				if strings.Contains(warning, "was retired") {
					command.Line(w, "==> WARNING: %s <==", warning)
				}
			}
		})
	})
}

func retiredDestroy(ctx context.Context, i *invocation) error {
	args, err := i.Arguments("PATTERN")
	if err != nil {
		return err
	}
	folder, err := i.Folder()
	if err != nil {
		return err
	}
	admin, err := i.Admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	c, err := admin.OrderContext(ctx)
	if err != nil {
		return err
	}
	if err := ceremony.Initialised(c); err != nil {
		return err
	}
	key, err := i.findRetired(ctx, admin, args[0])
	if err != nil {
		return err
	}
	return i.destroyRetired(ctx, admin, folder, c, key)
}

// findRetired is the retired key whose pattern begins so.
func (i *invocation) findRetired(ctx context.Context, admin *client.Client, pattern string) (client.RetiredKey, error) {
	pattern = strings.ToLower(pattern)
	if len(pattern) < 8 {
		return client.RetiredKey{}, i.Usage("%s is no pattern: give the first 8 digits or more, as `tumbler tke retired list` shows them", strconv.Quote(pattern))
	}
	status, err := admin.Status(ctx)
	if err != nil {
		return client.RetiredKey{}, err
	}
	var found []client.RetiredKey
	for _, k := range status.Retired {
		if strings.HasPrefix(k.Pattern, pattern) {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 0:
		return client.RetiredKey{}, fmt.Errorf("no crypto unit keeps a former master key %s: `tumbler tke retired list` shows those that are kept", pattern)
	case len(found) > 1:
		return client.RetiredKey{}, i.Usage("%d patterns begin with %s: give more digits", len(found), pattern)
	}
	return found[0], nil
}

func (i *invocation) destroyRetired(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, key client.RetiredKey) error {
	o, err := ceremony.Draft(order.DestroyRetired, c, time.Now())
	if err != nil {
		return err
	}
	if err := o.Subject.Pattern.UnmarshalText([]byte(key.Pattern)); err != nil {
		return fmt.Errorf("the node says that the pattern is %s: %w", key.Pattern, err)
	}
	if o.Subject.Pattern == o.Current {
		return errors.New("the node says that the current master key is a retired one: nothing was signed; ask another node")
	}
	if key.DestroyedBy == 0 {
		if err := ceremony.RetiredEverywhere(ctx, admin, o); err != nil {
			return err
		}
		question := fmt.Sprintf("Backups that only master key %s opens cannot be restored afterwards. Do you want to continue?", key.Pattern)
		if yes, err := i.Confirm(question); err != nil || !yes {
			return command.Declined(err)
		}
		if err := i.CheckKnown(folder, c); err != nil {
			return err
		}
		if digest, err := i.SignAndSubmit(ctx, admin, folder, c, o); err != nil || digest == "" {
			return err
		}
	}
	return i.FinishDestroyed(ctx, admin, key.Pattern, key.Units)
}
