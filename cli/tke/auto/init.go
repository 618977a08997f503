package auto

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cli/tke/ceremony"
	"tumbler/cli/tke/signing"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// InitCommand is `tke auto-init`.
func InitCommand(s command.Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "auto-init",
		Usage: "initialise the instance: administrators, thresholds, and a first master key that a recovery unit generates",
		Description: "Each unit's signed report is read and its fingerprint checked; administrators and thresholds are set on every unit,\n" +
			"and read again; then an order that names every identity is signed, and the cluster carries it out. Run again after it\n" +
			"was interrupted, it goes on where it was.\n\n" +
			"Example:\n   TUMBLER_SIGKEY_PASSWORD=... tumbler tke auto-init --signature-threshold 2 --revocation-threshold 2 \\\n" +
			"     --administrators 3 --name Alice --name Bob --name Carol --fingerprints fingerprints.txt",
		Flags: signing.SignFlags(
			command.TextFlag("signature-threshold", "how many administrators sign an order: `NUMBER` from 1 to 8, at least 2 for dual control"),
			command.TextFlag("revocation-threshold", "how many sign to take an administrator away: `NUMBER` from 1 to 8, at least 2 for dual control"),
			command.TextFlag("administrators", "how many administrators to install: `NUMBER` from 1 to 8"),
			&urfave.StringSliceFlag{Name: "name", Usage: "`NAME` of an administrator for whom a signature key is made; repeat it for more"},
			ceremony.FingerprintsFlag(),
			command.GenerateFlag("each new signature key"),
			command.YesFlag("the fingerprints of the units are right"),
		),
		Action: action(s, autoInit),
	}
}

func autoInit(ctx context.Context, i *invocation) error {
	folder, err := i.FolderAlone()
	if err != nil {
		return err
	}
	return i.Administration(ctx, func(admin *client.Client) error {
		c, err := admin.OrderContext(ctx)
		if err != nil {
			return err
		}
		switch {
		case c.CurrentPattern != "" && (c.Open == nil || c.Open.Kind != order.Init.String()):
			return fmt.Errorf("the instance is initialised already, with master key %s: `tumbler tke auto-mk-rotate` replaces it", c.CurrentPattern)
		case c.Open != nil && c.Open.Kind == order.Init.String():
			i.Say("Initialisation is under way (order %d, %s): it is shown from here on.", c.Open.Number, c.Open.State)
			return i.finishInit(ctx, admin, c.Open.Digest)
		case c.Open != nil:
			return fmt.Errorf("order %d (%s) is under way: `tumbler tke rotation status` shows it", c.Open.Number, c.Open.Kind)
		}
		digest, err := i.submitInit(ctx, admin, folder, c)
		if err != nil {
			return err
		}
		return i.finishInit(ctx, admin, digest)
	})
}

// submitInit installs administrators on every unit, and hands in the order that enrols the units and makes the key.
func (i *invocation) submitInit(ctx context.Context, admin *client.Client, folder *workstation.Folder, c client.OrderContext) (string, error) {
	c, err := i.WaitForUnits(ctx, admin, c, ceremony.EveryMemberIsThere)
	if err != nil {
		return "", err
	}
	generator, err := ceremony.RecoveryLeader(c.Units)
	if err != nil {
		return "", err
	}
	o, err := ceremony.Draft(order.Init, c, time.Now())
	if err != nil {
		return "", err
	}
	reports, err := ceremony.InitReports(ctx, admin, o)
	if err != nil {
		return "", err
	}
	if err := i.CheckFingerprints(folder, c.Instance, ceremony.Identities(c.Units)); err != nil {
		return "", err
	}
	plan, err := i.planInit(folder)
	if err != nil {
		return "", err
	}
	list, err := plan.list()
	if err != nil {
		return "", err
	}
	if err := i.install(ctx, admin, o, plan, list, reports); err != nil {
		return "", err
	}
	if err := folder.KeepAdministrators(o.Instance, list); err != nil {
		return "", err
	}
	o.Generator = generator
	if o.Administrators, err = list.Digest(); err != nil {
		return "", err
	}
	i.Say("Generating a random master key value....")
	return i.Submit(ctx, admin, o, plan.keys[:plan.signature])
}

// install sets administrators and thresholds on every unit that is in imprint mode, and reads every unit again.
func (i *invocation) install(ctx context.Context, admin *client.Client, o order.Order, plan initPlan, list *order.Administrators, reports map[uint32]*order.Report) error {
	der, err := list.Encode()
	if err != nil {
		return err
	}
	for n := range plan.keys {
		i.Say("Installing %d of %d administrators....", n+1, len(plan.keys))
	}
	i.Say("Setting signature thresholds....")
	for _, u := range o.Units {
		switch state, err := ceremony.AdministratorsOf(reports[u.Number], der); {
		case err != nil:
			return fmt.Errorf("crypto unit %d: %w", u.Number, err)
		case state == ceremony.Installed:
			continue // by an earlier run of this command
		case state == ceremony.Others:
			return fmt.Errorf("crypto unit %d has other administrators already: choose the signature keys and thresholds that it has, or zeroize it", u.Number)
		}
		request, err := ceremony.SignedList(u.Identity, der, plan.keys[:plan.signature])
		if err != nil {
			return err
		}
		if _, err := admin.SetAdministrators(ctx, u.Number, request); err != nil {
			return fmt.Errorf("setting the administrators of crypto unit %d: %w", u.Number, err)
		}
	}
	again, err := ceremony.InitReports(ctx, admin, o)
	if err != nil {
		return err
	}
	for _, u := range o.Units {
		if state, err := ceremony.AdministratorsOf(again[u.Number], der); err != nil || state != ceremony.Installed {
			return fmt.Errorf("crypto unit %d does not show the administrators that were set: no order was signed; look at its node's log", u.Number)
		}
	}
	return nil
}

func (i *invocation) finishInit(ctx context.Context, admin *client.Client, digest string) error {
	status, err := i.Follow(ctx, admin, digest, i.initProgress())
	if err != nil {
		return err
	}
	if status.State != client.StateComplete {
		return errors.New("the initialisation was cancelled: run the command again")
	}
	return i.Result(status, func(w io.Writer) {
		command.Line(w, "OK")
		command.Line(w, "The selected service instance has been initialized.")
	})
}

// initProgress shows an initialisation: one line for each unit that has the key.
func (i *invocation) initProgress() ceremony.Progress {
	if i.JSON {
		return ceremony.Silence{}
	}
	return &initLines{i: i}
}

type initLines struct {
	i    *invocation
	said int
}

func (l *initLines) Show(s client.RotationStatus) {
	if s.Order == nil {
		return
	}
	all, have := 0, 0
	for _, u := range s.Units {
		if u.Number == s.Order.Generator {
			continue
		}
		all++
		if hasKey(s.State, u) {
			have++
		}
	}
	for l.said < have {
		l.said++
		l.i.Say("Transferring the master key value to %d of %d crypto units....", l.said, all)
	}
}

// hasKey tells whether a unit has stated that it loaded the key, or must have, because the order is past that.
func hasKey(state string, u client.RotationUnit) bool {
	switch state {
	case client.StateCommitting, client.StateActivating, client.StateComplete:
		return true
	}
	return u.Statement != nil && (u.Statement.Kind == "loaded" || u.Statement.Kind == "committed" || u.Statement.Kind == "activated")
}

func (l *initLines) Say(format string, args ...any) { l.i.Say(format, args...) }
func (l *initLines) Stop()                          {}
