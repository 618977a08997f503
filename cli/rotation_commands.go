package cli

import (
	"context"
	"fmt"
	"io"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
)

func rotationCommands(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "rotation",
		Usage: "look at a rotation of the master key, and steer it",
		Subcommands: append([]*urfave.Command{
			{
				Name:        "status",
				Usage:       "show the rotation under way, or the last one",
				Description: "Example:\n   tumbler tke rotation status --output json",
				Flags:       adminFlags(),
				Action:      action(s, rotationStatus),
			},
			{
				Name:        "watch",
				Usage:       "show the rotation under way until it is complete, cancelled, blocked or held",
				Description: "Ctrl-C ends the command and leaves the rotation going.\n\nExample:\n   tumbler tke rotation watch",
				Flags:       adminFlags(),
				Action:      action(s, rotationWatch),
			},
			{
				Name:  "activate",
				Usage: "sign the activation of a rotation that --hold stopped at rewrapped",
				Description: "One administrator's signature is needed.\n\n" +
					"Example:\n   tumbler tke rotation activate --keynum 1",
				Flags:  orderFlags(),
				Action: action(s, rotationActivate),
			},
			{
				Name:  "cancel",
				Usage: "cancel the rotation under way: the current master key stays, and no key changes",
				Description: "One administrator's signature is needed. After activation nothing can be cancelled.\n\n" +
					"Example:\n   tumbler tke rotation cancel --keynum 1 --yes",
				Flags:  orderFlags(yesFlag("the rotation is cancelled"), &urfave.BoolFlag{Name: "detach", Usage: "return as soon as the cancel is accepted"}),
				Action: action(s, rotationCancel),
			},
			{
				Name:  "settle",
				Usage: "set aside blobs that no unit opens, so that a blocked rotation goes on without them",
				Description: "A quorum's signatures are needed. The keys of these blobs answer with an error until an import of the same\n" +
					"bytes brings them back, or a purge removes them.\n\n" +
					"Example:\n   tumbler tke rotation settle --keynum 1,2 --yes",
				Flags:  orderFlags(yesFlag("the blobs are set aside")),
				Action: action(s, rotationSettle),
			},
			{
				Name:        "history",
				Usage:       "list rotations, newest first",
				Description: "Example:\n   tumbler tke rotation history",
				Flags:       adminFlags(),
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
				Flags: adminFlags(text("out", "write the receipt (DER) to a new `FILE`"),
					text("verify", "check the receipt in this `FILE`"),
					text("administrators", "trust the administrators in this `FILE` (DER)"), folderFlags()[0]),
				Action: action(s, rotationReceipt),
			},
		}, paceCommands(s)...),
	}
}

func rotationStatus(ctx context.Context, i *invocation) error {
	return administration(ctx, i, func(admin *client.Client) error {
		status, err := admin.Rotation(ctx)
		if err != nil {
			return err
		}
		return i.result(status, func(w io.Writer) { showRotation(w, status) })
	})
}

func showRotation(w io.Writer, s client.RotationStatus) {
	if s.Order == nil {
		line(w, "There was no rotation yet.")
		return
	}
	o := s.Order
	line(w, "ORDER %d: %s", o.Number, o.Kind)
	line(w, "  Digest:           %s\n  State:            %s", o.Digest, s.State)
	if s.Waiting != "" {
		line(w, "  Waiting for:      %s", s.Waiting)
	}
	if s.Pace != nil && s.Open {
		line(w, "  Pace:             %s", paceWords(s.Pace))
	}
	if o.Policy != "" {
		line(w, "  Policy:           %s", o.Policy)
	}
	if o.Generator > 0 {
		line(w, "  Generator:        crypto unit %d", o.Generator)
	}
	if o.KeyParts > 0 {
		line(w, "  Key parts:        %d, sealed by %s", o.KeyParts, suiteWords(o.Suite))
	}
	line(w, "  Activation:       %s\n  Pattern before:   %s\n  Pattern after:    %s", o.Activate, dash(s.PatternBefore), dash(s.PatternAfter))
	line(w, "  Seconds:          %.1f", s.Seconds)
	if len(s.Refused) > 0 {
		line(w, "  Refused now:      %s", strings.Join(s.Refused, ", "))
	}
	if k := s.Keys; k.Highest > 0 {
		line(w, "KEYS\n  Rewrapped:        %s of %s\n  Verified:         %s of %s", thousands(k.Rewrapped), thousands(k.Total), thousands(k.Verified), thousands(k.Total))
		line(w, "  Progress:         %.0f%%, %s keys/s", k.Percent, thousands(uint64(k.KeysPerSecond)))
		for _, c := range []struct {
			name string
			p    client.Progress
		}{{"System internal:", k.Classes.SystemInternal}, {"KMS:", k.Classes.KMS}, {"EP11:", k.Classes.EP11}} {
			if c.p.Total > 0 {
				line(w, "  %-17s %s of %s", c.name, thousands(c.p.Done), thousands(c.p.Total))
			}
		}
		line(w, "  Partitions:       %d written and %d verified of %d", s.Partitions.Written, s.Partitions.Verified, s.Partitions.Total)
	}
	line(w, "CRYPTO UNITS")
	t := newTable("CRYPTO UNIT NUM", "TYPE", "CURRENT", "NEW", "LAST STATEMENT", "AWAITED", "REMARK")
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
		t.row(u.Number, strings.ToUpper(u.Role), u.Registers.Current.State, u.Registers.New.State, statement, dash(u.Awaited), remark)
	}
	t.print(w)
	if len(s.Blocked) > 0 {
		line(w, "BLOBS THAT NO UNIT OPENS")
		showBlocked(w, s.Blocked)
	}
}

func showBlocked(w io.Writer, blobs []client.BlockedBlob) {
	t := newTable("NUMBER", "KEY", "CRYPTO UNITS")
	for _, b := range blobs {
		t.row(b.Number, dash(b.Key), numbers(b.Units))
	}
	t.print(w)
}

func rotationHistory(ctx context.Context, i *invocation) error {
	return administration(ctx, i, func(admin *client.Client) error {
		history, err := admin.Rotations(ctx)
		if err != nil {
			return err
		}
		return i.result(history, func(w io.Writer) {
			t := newTable("ORDER", "KIND", "STATE", "STARTED", "SECONDS", "KEYS", "DIGEST")
			for _, r := range history.Rotations {
				if r.Order == nil {
					continue
				}
				started := "-"
				if len(r.Times) > 0 {
					started = when(r.Times[0].At)
				}
				t.row(r.Order.Number, r.Order.Kind, r.State, started, fmt.Sprintf("%.1f", r.Seconds), thousands(r.Keys.Total), r.Order.Digest)
			}
			t.print(w)
		})
	})
}
