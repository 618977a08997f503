package ceremony

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/document"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// FinishAdministrators remembers a list that an order set, and waits for the units that answer.
func (i *Ceremony) FinishAdministrators(
	ctx context.Context, admin *client.Client, folder *workstation.Folder, o order.Order, list *order.Administrators, digest, said string,
) error {
	// Receipts of earlier orders are checked against the list that signed them.
	if err := folder.ReplaceAdministrators(o.Instance, list, o.Number); err != nil {
		return err
	}
	late, err := lateUnits(ctx, admin, o, func(r *order.Report) bool { return bytes.Equal(r.Administrators, o.Subject.Administrators) })
	if err != nil {
		return err
	}
	return i.Result(map[string]any{"digest": digest, "late": late}, func(w io.Writer) {
		showLate(w, late)
		command.Line(w, "OK\n%s", said)
	})
}

func showLate(w io.Writer, late []uint32) {
	if len(late) > 0 {
		command.Line(w, "==> WARNING: crypto unit %s has not carried the order out yet, and does so by itself when its node is back. <==", command.Numbers(late))
	}
}

// FinishEnrol waits until each unit shows that it took up what its order says.
func (i *Ceremony) FinishEnrol(ctx context.Context, admin *client.Client, changed UnitsChanged, c client.OrderContext) error {
	instance, err := order.ParseID(c.Instance)
	if err != nil {
		return err
	}
	i.Say("Enrolling crypto unit %s....", command.Numbers(changed.Units))
	err = await(ctx, unitWait, func() (string, error) {
		units, err := admin.Units(ctx)
		if err != nil {
			return "", err
		}
		for _, n := range changed.Units {
			u := UnitOf(units, n)
			identity, err := identityOf(u)
			if err != nil {
				return "", err
			}
			r, err := VerifiedReport(u, identity)
			if err != nil {
				return fmt.Sprintf("crypto unit %d: %v", n, err), nil
			}
			if r.Instance != instance || !bytes.Equal(r.Administrators, c.Administrators) {
				return fmt.Sprintf("crypto unit %d is enrolled, and has not taken that up yet: look at its node's log; it does so by itself when it can", n), nil
			}
		}
		return "", nil
	})
	if err != nil {
		return err
	}
	return i.Result(changed, func(w io.Writer) {
		command.Line(w, "OK\nCrypto unit %s was enrolled.", command.Numbers(changed.Units))
		command.Line(w, "Next: `tumbler tke auto-recover` gives the master key to units that do not have it.")
	})
}

// enrolled is what enrol and unenrol print.
type UnitsChanged struct {
	Digest string   `json:"digest,omitempty"` // of the order; none: nothing was to be signed
	Units  []uint32 `json:"units"`
}

// FinishUnenrol waits until the nodes are no members any more, and forgets the identities of their units: another unit may
// take such a number.
func (i *Ceremony) FinishUnenrol(ctx context.Context, admin *client.Client, folder *workstation.Folder, instance string, changed UnitsChanged) error {
	i.Say("Removing crypto unit %s....", command.Numbers(changed.Units))
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
	return i.Result(changed, func(w io.Writer) {
		command.Line(w, "OK\nCrypto unit %s was removed from the instance, and its node from the cluster.", command.Numbers(changed.Units))
	})
}

// FinishDestroyed waits until no unit that answers keeps a former master key any more.
func (i *Ceremony) FinishDestroyed(ctx context.Context, admin *client.Client, pattern string, late []uint32) error {
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
	return i.Result(map[string]any{"pattern": pattern, "late": late}, func(w io.Writer) {
		showLate(w, late)
		command.Line(w, "OK")
		if len(late) == 0 {
			command.Line(w, "The former master key was destroyed in every crypto unit that kept it.")
		}
	})
}

// RetiredEverywhere refuses a key that a unit still holds as its current one: after a restore from before a rotation it is retired
// by the recovery, and would outlive its destruction.
func RetiredEverywhere(ctx context.Context, admin *client.Client, o order.Order) error {
	reports, err := ReportsOf(ctx, admin, o)
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

// ZeroizedUnit is a unit that is a new one.
type ZeroizedUnit struct {
	Number   uint32 `json:"number"`
	Former   string `json:"former_identity"`
	Identity string `json:"identity"`
}

// ZeroizeBy has a unit zeroized, and looks at what it is then.
func (i *Ceremony) ZeroizeBy(ctx context.Context, admin *client.Client, number uint32, former order.Identity, request client.ZeroizeRequest) (ZeroizedUnit, error) {
	i.Say("Zeroizing crypto unit %d....", number)
	answer, err := admin.Zeroize(ctx, number, request)
	if err != nil {
		return ZeroizedUnit{}, err
	}
	signed, err := order.DecodeSignedStatement(answer.Report)
	if err != nil {
		return ZeroizedUnit{}, fmt.Errorf("crypto unit %d: its report: %w", number, err)
	}
	now, err := VerifiedReport(client.Unit{Number: number, Report: answer.Report}, signed.Identity)
	if err != nil {
		return ZeroizedUnit{}, fmt.Errorf("crypto unit %d: %w", number, err)
	}
	list, err := order.DecodeAdministrators(now.Administrators)
	if err != nil || !list.Imprint() || now.Registers != masterkey.Empty() || now.Retired != 0 || signed.Identity == former {
		return ZeroizedUnit{}, fmt.Errorf("crypto unit %d was to be zeroized, and is not: ask another node, and look at its log", number)
	}
	return ZeroizedUnit{number, former.String(), signed.Identity.String()}, nil
}

// Zeroized shows units that are new ones.
func (i *Ceremony) Zeroized(done []ZeroizedUnit) error {
	return i.Result(map[string]any{"units": done}, func(w io.Writer) {
		var chosen []uint32
		for _, u := range done {
			chosen = append(chosen, u.Number)
			command.Line(w, "OK\nCrypto unit %d was zeroized. It is a new one, in imprint mode, with fingerprint\n%s", u.Number, u.Identity)
		}
		command.Line(w, "Next: `tumbler tke unenrol --units %s` takes the former out of the instance.", strings.ReplaceAll(command.Numbers(chosen), ", ", ","))
	})
}

// ClearCurrent carries out approvals that have all their signatures, and looks at what the units are then.
func (i *Ceremony) ClearCurrent(ctx context.Context, admin *client.Client, d *document.Document) error {
	cleared := []uint32{}
	for _, a := range d.Approvals {
		if err := clearCurrentBy(ctx, admin, a); err != nil {
			if len(cleared) > 0 {
				err = fmt.Errorf("after crypto unit %s was cleared: %w", command.Numbers(cleared), err)
			}
			return err
		}
		cleared = append(cleared, a.Unit)
	}
	return i.Result(map[string]any{"cleared": cleared}, func(w io.Writer) {
		command.Line(w, "OK\nThe current master key register has been cleared in crypto unit %s.", command.Numbers(cleared))
		command.Line(w, "`tumbler tke auto-recover` gives the master key back.")
	})
}

func clearCurrentBy(ctx context.Context, admin *client.Client, a document.UnitApproval) error {
	der, err := a.Signed.Encode()
	if err != nil {
		return err
	}
	answer, err := admin.ClearCurrent(ctx, a.Unit, der)
	if err != nil {
		return fmt.Errorf("crypto unit %d: %w", a.Unit, err)
	}
	now, err := VerifiedReport(answer.Unit, a.Approval.Unit)
	if err != nil {
		return fmt.Errorf("crypto unit %d: %w", a.Unit, err)
	}
	if now.Registers.Current != masterkey.CurrentEmpty {
		return fmt.Errorf("the current master key register of crypto unit %d was to be cleared, and is not: ask another node, and look at its log", a.Unit)
	}
	return nil
}

// lateWait is how long a command waits for units that carry an order out by themselves; they do so without it too.
const lateWait = 10 * time.Second
