package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v2"

	"tumbler/api/client"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

func enrolCommand(s Streams) *urfave.Command {
	return &urfave.Command{
		Name:  "enrol",
		Usage: "make crypto units of nodes that have joined part of the instance, by their fingerprints",
		Description: "A quorum's signatures are needed. Each unit takes cluster, instance and administrators from the order; the master\n" +
			"key comes with `tumbler tke auto-recover`. Run again after it was interrupted, it goes on where it was.\n\n" +
			"Example:\n   tumbler tke enrol --units 6 --fingerprints fingerprints.txt",
		Flags: orderFlags(
			text("units", "CRYPTO UNIT `NUM`s, separated by spaces or commas; else all that are not enrolled"),
			text(flagFingerprints, "compare the units with this `FILE`: a line `NUM FINGERPRINT` each"),
			yesFlag("the fingerprints of the units are right"),
		),
		Action: action(s, enrol),
	}
}

// enrolled is what enrol and unenrol print.
type unitsChanged struct {
	Digest string   `json:"digest,omitempty"` // of the order; none: nothing was to be signed
	Units  []uint32 `json:"units"`
}

func enrol(ctx context.Context, i *invocation) error {
	chosen, err := i.unitNumbers("units")
	if err != nil {
		return err
	}
	return steering(ctx, i, func(admin *client.Client, folder *workstation.Folder, c client.OrderContext) error {
		if err := initialised(c); err != nil {
			return err
		}
		c, err := i.waitForUnits(ctx, admin, c, func(ctx context.Context, admin *client.Client, c client.OrderContext) error {
			return haveRegistered(ctx, admin, c, chosen)
		})
		if err != nil {
			return err
		}
		fresh, err := unitsToEnrol(c, chosen)
		if err != nil {
			return err
		}
		if len(fresh) == 0 { // by an earlier run of this command
			return i.finishEnrol(ctx, admin, unitsChanged{Units: chosen}, c)
		}
		o, err := draft(order.Enrol, c, time.Now())
		if err != nil {
			return err
		}
		if o.Subject.Units, err = unitRefs(fresh); err != nil {
			return err
		}
		o.Units = append(o.Units, o.Subject.Units...)
		slices.SortFunc(o.Units, func(a, b order.UnitRef) int { return int(int64(a.Number) - int64(b.Number)) })
		if err := enrolReports(ctx, admin, o, c.Administrators); err != nil {
			return err
		}
		if err := i.checkFingerprints(folder, c.Instance, identities(append(instanceUnits(c), fresh...))); err != nil {
			return err
		}
		changed := unitsChanged{Units: numbersOf(o.Subject.Units)}
		if changed.Digest, err = i.signAndSubmit(ctx, admin, folder, c, o); err != nil || changed.Digest == "" {
			return err
		}
		return i.finishEnrol(ctx, admin, changed, c)
	})
}

// initialised refuses what needs a master key, or that no order is under way.
func initialised(c client.OrderContext) error {
	if c.CurrentPattern == "" || len(c.Administrators) == 0 {
		return errors.New("the instance has no master key yet: `tumbler tke auto-init` makes the first one, and enrols every unit that has joined")
	}
	if c.Open != nil {
		return fmt.Errorf("order %d (%s, %s) is under way: wait for it (`tumbler tke rotation watch`), or cancel it first (`tumbler tke rotation cancel`)",
			c.Open.Number, c.Open.Kind, c.Open.State)
	}
	return nil
}

// unitsToEnrol are those of the chosen, or of all, that are not enrolled.
func unitsToEnrol(c client.OrderContext, chosen []uint32) ([]client.OrderUnit, error) {
	var fresh []client.OrderUnit
	for _, u := range c.Units {
		if !u.Enrolled && (len(chosen) == 0 || slices.Contains(chosen, u.Number)) {
			fresh = append(fresh, u)
		}
	}
	for _, n := range chosen {
		if !slices.ContainsFunc(c.Units, func(u client.OrderUnit) bool { return u.Number == n }) {
			return nil, fmt.Errorf("crypto unit %d has not registered: start its node, and let it join (`tumbler cluster join`)", n)
		}
	}
	if len(fresh) == 0 && len(chosen) == 0 {
		return nil, errors.New("every crypto unit that has joined is enrolled: let another node join first (`tumbler cluster join`)")
	}
	return fresh, nil
}

// enrolReports reads and checks the report of every unit that is to be enrolled: it has the instance's administrators, or
// none, and no other key than the instance's.
func enrolReports(ctx context.Context, admin *client.Client, o order.Order, administrators []byte) error {
	units, err := admin.Units(ctx)
	if err != nil {
		return err
	}
	for _, ref := range o.Subject.Units {
		r, err := verifiedReport(unitOf(units, ref.Number), ref.Identity)
		if err != nil {
			return fmt.Errorf("crypto unit %d: %w", ref.Number, err)
		}
		state, err := administratorsOf(r, administrators)
		switch {
		case err != nil:
			return fmt.Errorf("crypto unit %d: %w", ref.Number, err)
		case r.Role != ref.Role:
			return fmt.Errorf("crypto unit %d reports role %v, and the cluster says %v: give its node's configuration the role that it began with", ref.Number, r.Role, ref.Role)
		case state == others:
			return fmt.Errorf("crypto unit %d has other administrators than the instance: start its node on an empty data_dir, so that it is a new unit", ref.Number)
		case r.Registers.New != masterkey.NewEmpty || r.Registers.Current != masterkey.CurrentEmpty && r.Registers.CurrentPattern != o.Current:
			return fmt.Errorf("crypto unit %d holds another master key than the instance's: start its node on an empty data_dir, so that it is a new unit", ref.Number)
		}
	}
	return nil
}

func unitOf(units client.Units, number uint32) client.Unit {
	for _, u := range units.Units {
		if u.Number == number {
			return u
		}
	}
	return client.Unit{Number: number, Error: "it has not registered"}
}

// finishEnrol waits until each unit shows that it took up what its order says.
func (i *invocation) finishEnrol(ctx context.Context, admin *client.Client, changed unitsChanged, c client.OrderContext) error {
	instance, err := order.ParseID(c.Instance)
	if err != nil {
		return err
	}
	i.say("Enrolling crypto unit %s....", numbers(changed.Units))
	err = await(ctx, unitWait, func() (string, error) {
		units, err := admin.Units(ctx)
		if err != nil {
			return "", err
		}
		for _, n := range changed.Units {
			u := unitOf(units, n)
			identity, err := identityOf(u)
			if err != nil {
				return "", err
			}
			r, err := verifiedReport(u, identity)
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
	return i.result(changed, func(w io.Writer) {
		line(w, "OK\nCrypto unit %s was enrolled.", numbers(changed.Units))
		line(w, "Next: `tumbler tke auto-recover` gives the master key to units that do not have it.")
	})
}

func numbersOf(units []order.UnitRef) []uint32 {
	all := make([]uint32, len(units))
	for n, u := range units {
		all[n] = u.Number
	}
	return all
}

// unitNumbers reads CRYPTO UNIT NUMs from a flag; it was not given: none.
func (i *invocation) unitNumbers(flag string) ([]uint32, error) {
	var all []uint32
	for _, word := range strings.FieldsFunc(i.text(flag, ""), func(r rune) bool { return r == ' ' || r == ',' }) {
		n, err := strconv.ParseUint(word, 10, 32)
		if err != nil || n == 0 {
			return nil, i.usage("--%s %s is not a CRYPTO UNIT NUM", flag, quote(word))
		}
		if !slices.Contains(all, uint32(n)) {
			all = append(all, uint32(n))
		}
	}
	slices.Sort(all)
	return all, nil
}

// How long a command waits for units and members to follow an order that was accepted, and between two looks.
const (
	unitWait  = time.Minute
	unitAgain = 200 * time.Millisecond
)

// await looks until nothing is missing any more; what is missing when the time is over is the error. What passes (a node
// that is just replaced as the leader) is waited through.
func await(ctx context.Context, limit time.Duration, look func() (missing string, err error)) error {
	deadline := time.Now().Add(limit)
	again := time.NewTimer(0)
	defer again.Stop()
	for {
		missing, err := look()
		if err != nil && !passing(err) && ctx.Err() == nil {
			return err
		}
		if err == nil && missing == "" {
			return nil
		}
		if time.Now().After(deadline) {
			if err != nil {
				return err
			}
			return errors.New(missing)
		}
		again.Reset(unitAgain)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: the order was accepted, and is carried out without this command", errInterrupted)
		case <-again.C:
		}
	}
}
