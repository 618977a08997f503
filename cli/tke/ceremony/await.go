package ceremony

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tumbler/api/client"
	"tumbler/cli/command"
	"tumbler/cryptounit/order"
)

// registerWait is how long a command waits for the units of nodes that have only just joined.
const registerWait = 30 * time.Second

// WaitForUnits waits until those are there that the order is to name, and gives the context that says so.
func (i *Ceremony) WaitForUnits(
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
			i.Say("Waiting for crypto unit %d....", missing.number)
		}
		retry.Reset(watchRetry)
		select {
		case <-ctx.Done():
			return c, err
		case <-retry.C:
		}
		now, problem := admin.OrderContext(ctx)
		switch {
		case ctx.Err() != nil:
			return c, err
		case problem != nil:
			return c, problem
		}
		c = now
	}
}

// missingUnitError is a unit that an order would not name, or that would not answer.
type missingUnitError struct {
	number  uint32
	problem string
}

func (e *missingUnitError) Error() string { return e.problem }

// EveryMemberIsThere makes sure that the order will name every unit: a member whose unit the state does not know yet, or
// that does not answer, would be left out.
func EveryMemberIsThere(ctx context.Context, admin *client.Client, c client.OrderContext) error {
	for _, u := range c.Units {
		if !u.Alive {
			return &missingUnitError{u.Number, fmt.Sprintf("crypto unit %d does not answer: start its node, or take it out with `tumbler cluster leave --number %d`", u.Number, u.Number)}
		}
	}
	return HaveRegistered(ctx, admin, c, nil)
}

// HaveRegistered makes sure that the state knows the units of nodes that have joined: of all, or of those among the chosen.
func HaveRegistered(ctx context.Context, admin *client.Client, c client.OrderContext, chosen []uint32) error {
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
			return fmt.Errorf("%w: the order was accepted, and is carried out without this command", command.ErrInterrupted)
		case <-again.C:
		}
	}
}

// How long a command waits for units and members to follow an order that was accepted, and between two looks.
// awaitOrder shows an order until it comes to a state where the command goes on. A signal ends the command and not the order.
func (i *Ceremony) AwaitOrder(ctx context.Context, admin *client.Client, digest string, until func(client.RotationStatus) bool) (client.RotationStatus, error) {
	p := i.Progress()
	defer p.Stop()
	w := watcher{admin: admin, digest: digest, progress: p, retry: time.NewTimer(0)}
	defer w.retry.Stop()
	began, said := time.Now(), ""
	for {
		status, err := w.next(ctx)
		if ctx.Err() != nil {
			return status, fmt.Errorf("%w: the order stays open, and the same command picks it up again", command.ErrInterrupted)
		}
		if err != nil {
			return status, err
		}
		if status.State == client.StateCancelling || status.State == client.StateCancelled {
			return status, fmt.Errorf("order %d was cancelled meanwhile", status.Order.Number)
		}
		if until(status) {
			return status, nil
		}
		p.Show(status)
		if time.Since(began) > patienceBefore && status.Waiting != said {
			said = status.Waiting
			p.Say("Waiting for %s", said)
		}
	}
}

// AwaitUnits waits until every unit has made a statement, and says after a while for whom it waits. Whatever wrong finds ends it.
func (i *Ceremony) AwaitUnits(ctx context.Context, admin *client.Client, at *OrderAtHand, kind order.StatementKind, problem string, wrong func() error) error {
	began, said := time.Now(), ""
	return await(ctx, unitWait, func() (string, error) {
		if err := at.Read(ctx, admin, at.Record.Digest); err != nil {
			return "", err
		}
		units := at.Order().Targets()
		if kind == order.Loaded {
			units = at.Order().Loaders()
		}
		late := slices.DeleteFunc(units, func(n uint32) bool { return at.Record.Said(kind, n) != nil })
		if len(late) == 0 {
			return "", nil
		}
		if wrong != nil {
			if err := wrong(); err != nil {
				return "", err
			}
		}
		if who := command.Numbers(late); time.Since(began) > patienceBefore && who != said {
			said = who
			i.Say("Waiting for crypto unit %s....", who)
		}
		return fmt.Sprintf("crypto unit %s %s", command.Numbers(late), problem), nil
	})
}

// patienceBefore is how long a command waits before it says what for.
const patienceBefore = 5 * time.Second

// lateUnits waits until every unit of an order that answers shows in its report that it carried the order out, and names those
// that have not.
func lateUnits(ctx context.Context, admin *client.Client, o order.Order, done func(*order.Report) bool) (late []uint32, err error) {
	err = await(ctx, lateWait, func() (string, error) {
		units, err := admin.Units(ctx)
		if err != nil {
			return "", err
		}
		late = []uint32{}
		behind := ""
		for _, ref := range o.Units {
			u := UnitOf(units, ref.Number)
			r, err := VerifiedReport(u, ref.Identity)
			if err == nil && done(r) {
				continue
			}
			late = append(late, ref.Number)
			if len(u.Report) > 0 {
				behind = "late"
			}
		}
		return behind, nil
	})
	if len(late) > 0 && ctx.Err() == nil {
		err = nil // they are named
	}
	return late, err
}
