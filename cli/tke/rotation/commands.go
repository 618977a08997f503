package rotation

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/document"
)

// Command is `tke rotation`.
func Command(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "rotation",
		Usage: "look at a rotation of the master key, and steer it",
		Subcommands: append([]*urfave.Command{
			{
				Name:        "status",
				Usage:       "show the rotation under way, or the last one",
				Description: "Example:\n   tumbler tke rotation status --output json",
				Flags:       command.AdminFlags(),
				Action:      action(s, rotationStatus),
			},
			{
				Name:        "watch",
				Usage:       "show the rotation under way until it is complete, cancelled, blocked or held",
				Description: "Ctrl-C ends the command and leaves the rotation going.\n\nExample:\n   tumbler tke rotation watch",
				Flags:       command.AdminFlags(),
				Action:      action(s, rotationWatch),
			},
			{
				Name:  "activate",
				Usage: "sign the activation of a rotation that --hold stopped at rewrapped",
				Description: "One administrator's signature is needed.\n\n" +
					"Example:\n   tumbler tke rotation activate --keynum 1",
				Flags:  ceremony.OrderFlags(),
				Action: action(s, rotationActivate),
			},
			{
				Name:  "cancel",
				Usage: "cancel the rotation under way: the current master key stays, and no key changes",
				Description: "One administrator's signature is needed. After activation nothing can be cancelled.\n\n" +
					"Example:\n   tumbler tke rotation cancel --keynum 1 --yes",
				Flags:  ceremony.OrderFlags(command.YesFlag("the rotation is cancelled"), &urfave.BoolFlag{Name: "detach", Usage: "return as soon as the cancel is accepted"}),
				Action: action(s, rotationCancel),
			},
			{
				Name:  "settle",
				Usage: "set aside blobs that no unit opens, so that a blocked rotation goes on without them",
				Description: "A quorum's signatures are needed. The keys of these blobs answer with an error until an import of the same\n" +
					"bytes brings them back, or a purge removes them.\n\n" +
					"Example:\n   tumbler tke rotation settle --keynum 1,2 --yes",
				Flags:  ceremony.OrderFlags(command.YesFlag("the blobs are set aside")),
				Action: action(s, rotationSettle),
			},
			{
				Name:        "history",
				Usage:       "list rotations, newest first",
				Description: "Example:\n   tumbler tke rotation history",
				Flags:       command.AdminFlags(),
				Action:      action(s, rotationHistory),
			},
			{
				Name:  "receipt",
				Usage: "print the evidence of a rotation, or check one offline",
				Description: "Without --verify the receipt of the order with this digest (the last one, if none is given) is printed or written.\n" +
					"With --verify a file is checked without a cluster: signatures, partitions that join, counts that equal the census.\n" +
					"Only --administrators is trusted, never the receipt's own list: by default the file that auto-init wrote to CLOUDTKEFILES.\n\n" +
					"Examples:\n   tumbler tke rotation receipt --out rotation-2.receipt\n" +
					"   tumbler tke rotation receipt --verify rotation-2.receipt --administrators administrators-$TUMBLER_INSTANCE.der",
				ArgsUsage: "[DIGEST]",
				Flags: command.AdminFlags(command.TextFlag("out", "write the receipt (DER) to a new `FILE`"),
					command.TextFlag("verify", "check the receipt in this `FILE`"),
					command.TextFlag("administrators", "trust the administrators in this `FILE` (DER)"), command.FolderFlags()[0]),
				Action: action(s, rotationReceipt),
			},
		}, paceCommands(s)...),
	}
}

func rotationStatus(ctx context.Context, i *invocation) error {
	return i.Administration(ctx, func(admin *client.Client) error {
		status, err := admin.Rotation(ctx)
		if err != nil {
			return err
		}
		return i.Result(status, func(w io.Writer) { showRotation(w, status) })
	})
}

func showRotation(w io.Writer, s client.RotationStatus) {
	if s.Order == nil {
		command.Line(w, "There was no rotation yet.")
		return
	}
	o := s.Order
	command.Line(w, "ORDER %d: %s", o.Number, o.Kind)
	command.Line(w, "  Digest:           %s\n  State:            %s", o.Digest, s.State)
	if s.Waiting != "" {
		command.Line(w, "  Waiting for:      %s", s.Waiting)
	}
	if s.Pace != nil && s.Open {
		command.Line(w, "  Pace:             %s", ceremony.PaceWords(s.Pace))
	}
	if o.Policy != "" {
		command.Line(w, "  Policy:           %s", o.Policy)
	}
	if o.Generator > 0 {
		command.Line(w, "  Generator:        crypto unit %d", o.Generator)
	}
	if o.KeyParts > 0 {
		command.Line(w, "  Key parts:        %d, sealed by %s", o.KeyParts, document.SuiteWords(o.Suite))
	}
	command.Line(w, "  Activation:       %s\n  Pattern before:   %s\n  Pattern after:    %s", o.Activate, command.Dash(s.PatternBefore), command.Dash(s.PatternAfter))
	command.Line(w, "  Seconds:          %.1f", s.Seconds)
	if len(s.Refused) > 0 {
		command.Line(w, "  Refused now:      %s", strings.Join(s.Refused, ", "))
	}
	if k := s.Keys; k.Highest > 0 {
		command.Line(w, "KEYS\n  Rewrapped:        %s of %s\n  Verified:         %s of %s", command.Thousands(k.Rewrapped), command.Thousands(k.Total), command.Thousands(k.Verified), command.Thousands(k.Total))
		command.Line(w, "  Progress:         %.0f%%, %s keys/s", k.Percent, command.Thousands(uint64(k.KeysPerSecond)))
		for _, c := range []struct {
			name string
			p    client.Progress
		}{{"System internal:", k.Classes.SystemInternal}, {"KMS:", k.Classes.KMS}, {"EP11:", k.Classes.EP11}} {
			if c.p.Total > 0 {
				command.Line(w, "  %-17s %s of %s", c.name, command.Thousands(c.p.Done), command.Thousands(c.p.Total))
			}
		}
		command.Line(w, "  Partitions:       %d written and %d verified of %d", s.Partitions.Written, s.Partitions.Verified, s.Partitions.Total)
	}
	command.Line(w, "CRYPTO UNITS")
	t := command.NewTable("CRYPTO UNIT NUM", "TYPE", "CURRENT", "NEW", "LAST STATEMENT", "AWAITED", "REMARK")
	for _, u := range s.Units {
		statement := "-"
		if u.Statement != nil {
			statement = u.Statement.Kind
		}
		remark := "-"
		switch {
		case u.Fenced:
			remark = "fenced"
		case !u.Alive:
			remark = "silent"
		}
		t.Row(u.Number, strings.ToUpper(u.Role), u.Registers.Current.State, u.Registers.New.State, statement, command.Dash(u.Awaited), remark)
	}
	t.Print(w)
	if len(s.Blocked) > 0 {
		command.Line(w, "BLOBS THAT NO UNIT OPENS")
		ceremony.ShowBlocked(w, s.Blocked)
	}
}

func rotationHistory(ctx context.Context, i *invocation) error {
	return i.Administration(ctx, func(admin *client.Client) error {
		history, err := admin.Rotations(ctx)
		if err != nil {
			return err
		}
		return i.Result(history, func(w io.Writer) {
			t := command.NewTable("ORDER", "KIND", "STATE", "STARTED", "SECONDS", "KEYS", "DIGEST")
			for _, r := range history.Rotations {
				if r.Order == nil {
					continue
				}
				started := "-"
				if len(r.Times) > 0 {
					started = command.When(r.Times[0].At)
				}
				t.Row(r.Order.Number, r.Order.Kind, r.State, started, fmt.Sprintf("%.1f", r.Seconds), command.Thousands(r.Keys.Total), r.Order.Digest)
			}
			t.Print(w)
		})
	})
}

func rotationWatch(ctx context.Context, i *invocation) error {
	return i.Administration(ctx, func(admin *client.Client) error {
		status, err := admin.Rotation(ctx)
		if err != nil {
			return err
		}
		if status.Order == nil {
			return errors.New("there was no rotation yet: `tumbler tke auto-mk-rotate` starts one")
		}
		if client.Finished(status.State) {
			return i.Ended(status)
		}
		status, err = i.Follow(ctx, admin, status.Order.Digest, i.Progress())
		if err != nil {
			return err
		}
		return i.Ended(status)
	})
}
