package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

func retiredCommands(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "retired",
		Usage: "former master keys, which recovery units keep to open old backups",
		Subcommands: []*urfave.Command{
			{
				Name:        "list",
				Usage:       "list the former master keys that are kept, with their ages",
				Description: "Example:\n   tumbler tke retired list",
				Flags:       adminFlags(),
				Action:      action(s, retiredList),
			},
			{
				Name:  "destroy",
				Usage: "have every recovery unit destroy a former master key",
				Description: "A quorum's signatures are needed. Backups that only this key opens cannot be restored afterwards. A unit that is down\n" +
					"destroys its copy when it is back.\n\n" +
					"Example:\n   tumbler tke retired destroy 84a639a9 --keynum 1,2 --yes",
				ArgsUsage: "PATTERN",
				Flags:     orderFlags(yesFlag("the key is destroyed")),
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
	return administration(ctx, i, func(admin *client.Client) error {
		status, err := admin.Status(ctx)
		if err != nil {
			return err
		}
		list := []retiredShown{}
		for _, k := range status.Retired {
			list = append(list, retiredShown{k, int(time.Since(k.Since).Hours() / 24)})
		}
		return i.result(map[string]any{"retired": list}, func(w io.Writer) {
			if len(list) == 0 {
				line(w, "No former master key is kept.")
				return
			}
			t := newTable("VERIFICATION PATTERN", "RETIRED", "DAYS", "CRYPTO UNITS", "REMARK")
			for _, k := range list {
				remark := "-"
				if k.DestroyedBy != 0 {
					remark = fmt.Sprintf("order %d destroys it", k.DestroyedBy)
				}
				t.row(k.Pattern, when(k.Since), k.Days, numbers(k.Units), remark)
			}
			t.print(w)
			for _, warning := range status.Warnings {
				if strings.Contains(warning, "was retired") {
					line(w, "==> WARNING: %s <==", warning)
				}
			}
		})
	})
}

func retiredDestroy(ctx context.Context, i *invocation) error {
	args, err := i.arguments("PATTERN")
	if err != nil {
		return err
	}
	folder, err := i.folder()
	if err != nil {
		return err
	}
	admin, err := i.admin()
	if err != nil {
		return err
	}
	defer admin.Close()
	c, err := admin.OrderContext(ctx)
	if err != nil {
		return err
	}
	if err := initialised(c); err != nil {
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
		return client.RetiredKey{}, i.usage("%s is no pattern: give the first 8 digits or more, as `tumbler tke retired list` shows them", quote(pattern))
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
		return client.RetiredKey{}, i.usage("%d patterns begin with %s: give more digits", len(found), pattern)
	}
	return found[0], nil
}

func (i *invocation) destroyRetired(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext, key client.RetiredKey) error {
	o, err := draft(order.DestroyRetired, c, time.Now())
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
		if err := retiredEverywhere(ctx, admin, o); err != nil {
			return err
		}
		question := fmt.Sprintf("Backups that only master key %s opens cannot be restored afterwards. Do you want to continue?", key.Pattern)
		if yes, err := i.confirm(question); err != nil || !yes {
			return declined(err)
		}
		if err := i.checkKnown(folder, c); err != nil {
			return err
		}
		if digest, err := i.signAndSubmit(ctx, admin, folder, c, o); err != nil || digest == "" {
			return err
		}
	}
	return i.finishDestroyed(ctx, admin, key.Pattern, key.Units)
}

// finishDestroyed waits until no unit that answers keeps a former master key any more.
func (i *invocation) finishDestroyed(ctx context.Context, admin *client.Client, pattern string, late []uint32) error {
	err := await(ctx, lateWait, func() (string, error) {
		status, err := admin.Status(ctx)
		if err != nil {
			return "", err
		}
		late = []uint32{}
		for _, k := range status.Retired {
			if k.Pattern == pattern {
				late = k.Units
				return "late", nil
			}
		}
		return "", nil
	})
	if err != nil && (len(late) == 0 || ctx.Err() != nil) {
		return err
	}
	return i.result(map[string]any{"pattern": pattern, "late": late}, func(w io.Writer) {
		showLate(w, late)
		line(w, "OK")
		if len(late) == 0 {
			line(w, "The former master key was destroyed in every crypto unit that kept it.")
		}
	})
}

// retiredEverywhere refuses a key that a unit still holds as its current one: after a restore from before a rotation it is retired
// by the recovery, and would outlive its destruction.
func retiredEverywhere(ctx context.Context, admin *client.Client, o order.Order) error {
	reports, err := reportsOf(ctx, admin, o)
	if err != nil {
		return err
	}
	for _, ref := range o.Units {
		if r, answers := reports[ref.Number]; answers && r.Registers.CurrentPattern == o.Subject.Pattern {
			return fmt.Errorf("crypto unit %d still holds %v in its current register: `tumbler tke auto-recover` comes first", ref.Number, o.Subject.Pattern)
		}
	}
	return nil
}
