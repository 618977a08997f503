package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// converger brings this node's unit to what the replicated state wants of it, and tells the state what the unit then
// says. It is the same code at start, after a crash and in the middle of a rotation: it looks at the state, takes the
// one step that is due, proposes the statement, and looks again. Its unit obeys only on evidence, so all that this code
// can do wrong is to stall.
type converger struct {
	number    uint32
	unit      *cryptounit.Unit
	store     *fsm.Store
	stater    *stater
	registrar *registrar
	log       hclog.Logger
	// settled is told after each look whether nothing was left to do.
	settled func(bool)
}

// retryAfter is how long the converger waits after a step that failed before it looks again without being woken.
const retryAfter = 500 * time.Millisecond

// run converges until ctx ends.
func (c *converger) run(ctx context.Context) {
	for ctx.Err() == nil {
		_, changed := c.store.Watch()
		acted, err := c.step(ctx)
		c.settled(!acted && err == nil)
		if acted {
			continue
		}
		var retry <-chan time.Time
		if err != nil {
			c.log.Warn("the unit could not take its step yet", "error", err)
			retry = time.After(retryAfter)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-retry:
		}
	}
}

// step takes the step that is due, if any.
func (c *converger) step(ctx context.Context) (acted bool, err error) {
	view, err := c.store.View()
	if err != nil {
		return false, err
	}
	defer view.Close()
	rotation, some := view.Rotation()
	if some && idle(rotation.State) {
		return false, nil
	}
	standing, waits, err := c.standing(view)
	if err != nil {
		return false, err
	}
	take := c.rotationStep(view, rotation)
	if waits && (take == nil || comesFirst(standing.Number, rotation.Number)) {
		if err := c.carryOut(ctx, standing); err != nil {
			return false, fmt.Errorf("order %d (%s): %w", standing.Number, standing.Kind, err)
		}
		c.log.Info("the unit carried an order out", "order", standing.Number, "kind", standing.Kind)
		return true, nil
	}
	if take == nil {
		return false, nil
	}
	hold(rotation.State.String(), c.number)
	if err := c.stater.stateWith(ctx, take); err != nil {
		return false, err
	}
	c.log.Info("the unit took a step", "rotation", rotation.State.String(), "order", rotation.Number, "registers", c.unit.Status().Registers)
	return true, nil
}

// comesFirst: of two orders that a unit has yet to come to, the lower number. It takes none whose number is not above its last,
// and each by the administrators that it has then: those of a later list would not let it end an order of before.
func comesFirst(standing, rotation uint64) bool { return standing < rotation }

// idle: no unit has a step to take or another order to come to, since each has accepted this one.
func idle(s fsm.RotationState) bool {
	return s == fsm.StateRewrapping || s == fsm.StateVerifying || s == fsm.StateRewrapped || s == fsm.StateBlocked
}

// rotationStep is the step that the last rotation asks of this unit; nil: none.
func (c *converger) rotationStep(view *fsm.View, rotation fsm.Rotation) step {
	if !slices.Contains(rotation.Plan.Units, c.number) {
		return nil
	}
	record := view.Record()
	self, named := record.Order.Unit(c.number)
	if !named || self.Identity != c.unit.Status().Identity { // of a unit that had this number before
		return nil
	}
	return c.due(view, rotation, record)
}

// step is what a unit does and says, with the envelopes that go with it.
type step = func() (order.SignedStatement, []order.Envelope, error)

// due is the step that the rotation's state asks of the unit and the evidence allows, unless the unit has said so already.
// nil: none.
func (c *converger) due(view *fsm.View, rotation fsm.Rotation, record *order.Record) step {
	due := func(step order.Step, kind order.StatementKind) bool {
		return record.Said(kind, c.number) == nil && order.Needs(step, c.number, record) == nil
	}
	on := func(do func(*order.Evidence) (order.SignedStatement, error)) step {
		return func() (order.SignedStatement, []order.Envelope, error) {
			evidence, err := evidenceOf(view, rotation)
			if err != nil {
				return order.SignedStatement{}, nil, err
			}
			statement, err := do(evidence)
			return statement, nil, err
		}
	}
	switch rotation.State {
	case fsm.StatePreparing:
		if due(order.StepPrepare, order.Ready) {
			return on(func(e *order.Evidence) (order.SignedStatement, error) { return c.unit.Accept(e.Order) })
		}
	case fsm.StateGenerating:
		if due(order.StepGenerate, order.Generated) {
			return func() (order.SignedStatement, []order.Envelope, error) {
				evidence, err := evidenceOf(view, rotation)
				if err != nil {
					return order.SignedStatement{}, nil, err
				}
				return c.unit.Generate(evidence)
			}
		}
	case fsm.StateLoading:
		if record.Order.Generator != 0 && due(order.StepLoad, order.Loaded) {
			return on(func(e *order.Evidence) (order.SignedStatement, error) {
				envelope, err := envelopeFor(view, rotation.Order, c.number)
				if err != nil {
					return order.SignedStatement{}, err
				}
				return c.unit.Load(e, *envelope)
			})
		}
	case fsm.StateCommitting:
		if due(order.StepCommit, order.Committed) {
			return on(c.unit.Commit)
		}
	case fsm.StateActivating, fsm.StateComplete:
		if due(order.StepActivate, order.Activated) {
			return on(c.unit.Activate)
		}
		if due(order.StepSetImmediate, order.Activated) {
			return on(c.unit.SetImmediate)
		}
	case fsm.StateCancelling, fsm.StateCancelled:
		if due(order.StepClear, order.Cleared) {
			return on(c.unit.ClearNew)
		}
	case fsm.StateNone, fsm.StateRewrapping, fsm.StateVerifying, fsm.StateRewrapped, fsm.StateBlocked:
	}
	return nil
}

// evidenceOf is what the state holds of one order, as units check it.
func evidenceOf(view *fsm.View, rotation fsm.Rotation) (*order.Evidence, error) {
	receipt, err := view.Receipt(rotation.Order)
	if err != nil {
		return nil, err
	}
	return receipt.Evidence(rotation)
}

// envelopeFor is the envelope that the generator published for one unit.
func envelopeFor(view *fsm.View, digest fsm.Digest, unit uint32) (*order.Envelope, error) {
	der, err := view.Envelope(digest, unit)
	if errors.Is(err, fsm.ErrNotFound) {
		return nil, fmt.Errorf("the state holds no envelope for crypto unit %d: %w", unit, err)
	}
	if err != nil {
		return nil, err
	}
	return order.DecodeEnvelope(der)
}
