package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

func autoInitCommand(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "auto-init",
		Usage: "initialise the instance: administrators, thresholds, and a first master key that a recovery unit generates",
		Description: "Each unit's signed report is read and its fingerprint checked; administrators and thresholds are set on every unit,\n" +
			"and read again; then an order that names every identity is signed, and the cluster carries it out. Run again after it\n" +
			"was interrupted, it goes on where it was.\n\n" +
			"Example:\n   TUMBLER_SIGKEY_PASSWORD=... tumbler tke auto-init --signature-threshold 2 --revocation-threshold 2 \\\n" +
			"     --administrators 3 --name Alice --name Bob --name Carol --fingerprints fingerprints.txt",
		Flags: signFlags(
			text("signature-threshold", "how many administrators sign an order: `NUMBER` from 1 to 8, at least 2 for dual control"),
			text("revocation-threshold", "how many sign to take an administrator away: `NUMBER` from 1 to 8, at least 2 for dual control"),
			text("administrators", "how many administrators to install: `NUMBER` from 1 to 8"),
			&urfave.StringSliceFlag{Name: "name", Usage: "`NAME` of an administrator for whom a signature key is made; repeat it for more"},
			text(flagFingerprints, "compare the units with this `FILE`: a line `NUM FINGERPRINT` each"),
			generateFlag("each new signature key"),
			yesFlag("the fingerprints of the units are right"),
		),
		Action: action(s, autoInit),
	}
}

func autoInit(ctx context.Context, i *invocation) error {
	folder, err := i.folderAlone()
	if err != nil {
		return err
	}
	return administration(ctx, i, func(admin *client.Client) error {
		c, err := admin.OrderContext(ctx)
		if err != nil {
			return err
		}
		switch {
		case c.CurrentPattern != "" && (c.Open == nil || c.Open.Kind != order.Init.String()):
			return fmt.Errorf("the instance is initialised already, with master key %s: `tumbler tke auto-mk-rotate` replaces it", c.CurrentPattern)
		case c.Open != nil && c.Open.Kind == order.Init.String():
			i.say("Initialisation is under way (order %d, %s): it is shown from here on.", c.Open.Number, c.Open.State)
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
	c, err := i.waitForUnits(ctx, admin, c, everyMemberIsThere)
	if err != nil {
		return "", err
	}
	generator, err := recoveryLeader(c.Units)
	if err != nil {
		return "", err
	}
	o, err := draft(order.Init, c, time.Now())
	if err != nil {
		return "", err
	}
	reports, err := initReports(ctx, admin, o)
	if err != nil {
		return "", err
	}
	if err := i.checkFingerprints(folder, c.Instance, identities(c.Units)); err != nil {
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
	i.say("Generating a random master key value....")
	return i.submit(ctx, admin, o, plan.keys[:plan.signature])
}

// registerWait is how long a command waits for the units of nodes that have only just joined.
const registerWait = 30 * time.Second

// waitForUnits waits until those are there that the order is to name, and gives the context that says so.
func (i *invocation) waitForUnits(
	ctx context.Context, admin *client.Client, c client.OrderContext, there func(context.Context, *client.Client, client.OrderContext) error,
) (client.OrderContext, error) {
	deadline := time.Now().Add(registerWait)
	retry := time.NewTimer(0)
	defer retry.Stop()
	for said := false; ; {
		err := there(ctx, admin, c)
		var missing *missingUnitError
		if err == nil || !errors.As(err, &missing) || time.Now().After(deadline) {
			return c, err
		}
		if !said {
			said = true
			i.say("Waiting for crypto unit %d....", missing.number)
		}
		retry.Reset(watchRetry)
		select {
		case <-ctx.Done():
			return c, err
		case <-retry.C:
		}
		if c, err = admin.OrderContext(ctx); err != nil {
			return c, err
		}
	}
}

// missingUnitError is a unit that an order would not name, or that would not answer.
type missingUnitError struct {
	number  uint32
	problem string
}

func (e *missingUnitError) Error() string { return e.problem }

// everyMemberIsThere makes sure that the order will name every unit: a member whose unit the state does not know yet, or
// that does not answer, would be left out.
func everyMemberIsThere(ctx context.Context, admin *client.Client, c client.OrderContext) error {
	for _, u := range c.Units {
		if !u.Alive {
			return &missingUnitError{u.Number, fmt.Sprintf("crypto unit %d does not answer: start its node, or take it out with `tumbler cluster leave --number %d`", u.Number, u.Number)}
		}
	}
	return haveRegistered(ctx, admin, c, nil)
}

// haveRegistered makes sure that the state knows the units of nodes that have joined: of all, or of those among the chosen.
func haveRegistered(ctx context.Context, admin *client.Client, c client.OrderContext, chosen []uint32) error {
	members, err := admin.Members(ctx)
	if err != nil {
		return err
	}
	for _, m := range members.Members {
		if len(chosen) > 0 && !slices.Contains(chosen, m.Number) {
			continue
		}
		if !slices.ContainsFunc(c.Units, func(u client.OrderUnit) bool { return u.Number == m.Number }) {
			return &missingUnitError{m.Number, fmt.Sprintf("node %d is a member, and its crypto unit has not registered: look at the node's log, or take it out with `tumbler cluster leave --number %d`", m.Number, m.Number)}
		}
	}
	return nil
}

// install sets administrators and thresholds on every unit that is in imprint mode, and reads every unit again.
func (i *invocation) install(ctx context.Context, admin *client.Client, o order.Order, plan initPlan, list *order.Administrators, reports map[uint32]*order.Report) error {
	der, err := list.Encode()
	if err != nil {
		return err
	}
	for n := range plan.keys {
		i.say("Installing %d of %d administrators....", n+1, len(plan.keys))
	}
	i.say("Setting signature thresholds....")
	for _, u := range o.Units {
		switch state, err := administratorsOf(reports[u.Number], der); {
		case err != nil:
			return fmt.Errorf("crypto unit %d: %w", u.Number, err)
		case state == installed:
			continue // by an earlier run of this command
		case state == others:
			return fmt.Errorf("crypto unit %d has other administrators already: choose the signature keys and thresholds that it has, or zeroize it", u.Number)
		}
		request, err := signedList(u.Identity, der, plan.keys[:plan.signature])
		if err != nil {
			return err
		}
		if _, err := admin.SetAdministrators(ctx, u.Number, request); err != nil {
			return fmt.Errorf("setting the administrators of crypto unit %d: %w", u.Number, err)
		}
	}
	again, err := initReports(ctx, admin, o)
	if err != nil {
		return err
	}
	for _, u := range o.Units {
		if state, err := administratorsOf(again[u.Number], der); err != nil || state != installed {
			return fmt.Errorf("crypto unit %d does not show the administrators that were set: no order was signed; look at its node's log", u.Number)
		}
	}
	return nil
}

// installation is what a unit shows of the administrators that are to be installed.
type installation int

const (
	imprint installation = iota // none yet
	installed
	others
)

func administratorsOf(r *order.Report, der []byte) (installation, error) {
	if bytes.Equal(r.Administrators, der) {
		return installed, nil
	}
	if len(r.Administrators) == 0 {
		return imprint, nil
	}
	list, err := order.DecodeAdministrators(r.Administrators)
	if err != nil {
		return others, err
	}
	if list.Imprint() {
		return imprint, nil
	}
	return others, nil
}

func (i *invocation) finishInit(ctx context.Context, admin *client.Client, digest string) error {
	status, err := i.follow(ctx, admin, digest, i.initProgress())
	if err != nil {
		return err
	}
	if status.State != client.StateComplete {
		return errors.New("the initialisation was cancelled: run the command again")
	}
	return i.result(status, func(w io.Writer) {
		line(w, "OK")
		line(w, "The selected service instance has been initialized.")
	})
}

// initProgress shows an initialisation: one line for each unit that has the key.
func (i *invocation) initProgress() progress {
	if i.json {
		return silence{}
	}
	return &initLines{i: i}
}

type initLines struct {
	i    *invocation
	said int
}

func (l *initLines) show(s client.RotationStatus) {
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
		l.i.say("Transferring the master key value to %d of %d crypto units....", l.said, all)
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

func (l *initLines) say(format string, args ...any) { l.i.say(format, args...) }
func (l *initLines) stop()                          {}
