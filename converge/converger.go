package converge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// Converger brings this node's unit to what the replicated state wants of it, and tells the state what the unit then
// says. It is the same code at start, after a crash and in the middle of a rotation: it looks at the state, takes the
// one step that is due, proposes the statement, and looks again. Its unit obeys only on evidence, so all that this code
// can do wrong is to stall.
type Converger struct {
	speaker *Speaker
	unit    *cryptounit.Unit
	number  uint32
	// settled is told after each look whether nothing was left to do.
	settled func(bool)
}

// NewConverger makes a converger.
func NewConverger(speaker *Speaker, settled func(bool)) *Converger {
	return &Converger{speaker, speaker.config.Unit, speaker.config.Number, settled}
}

// retryAfter is how long the converger waits after a step that failed before it looks again without being woken.
const retryAfter = 500 * time.Millisecond

// Run converges until ctx ends.
func (c *Converger) Run(ctx context.Context) {
	for ctx.Err() == nil {
		_, changed := c.speaker.config.Store.Watch()
		acted, err := c.Step(ctx)
		c.settled(!acted && err == nil)
		if acted {
			continue
		}
		var retry <-chan time.Time
		if err != nil {
			c.speaker.config.Logger.Warn("the unit could not take its step yet", "error", err)
			retry = time.After(retryAfter)
		}
		select {
		case <-ctx.Done():
		case <-changed:
		case <-c.speaker.nudged:
		case <-retry:
		}
	}
}

// Step takes the step that is due, if any.
func (c *Converger) Step(ctx context.Context) (acted bool, err error) {
	view, err := c.speaker.config.Store.View()
	if err != nil {
		return false, err
	}
	defer view.Close()
	rotation, some := view.Rotation()
	if some && idle(rotation.State) {
		return false, nil
	}
	if acted, err := c.clearing(ctx, view); acted || err != nil {
		return acted, err
	}
	if former, some, err := c.overtaken(view, rotation); some || err != nil {
		if err == nil {
			err = c.catchUp(ctx, view, former)
		}
		return err == nil, err
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
		c.speaker.config.Logger.Info("the unit carried an order out", "order", standing.Number, "kind", standing.Kind)
		return true, nil
	}
	if take == nil {
		return false, nil
	}
	c.speaker.config.Hold(rotation.State.String())
	if err := c.speaker.stateWith(ctx, take); err != nil {
		return false, err
	}
	c.speaker.config.Logger.Info("the unit took a step", "rotation", rotation.State.String(), "order", rotation.Number, "registers", c.unit.Status().Registers)
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
func (c *Converger) rotationStep(view *fsm.View, rotation fsm.Rotation) step {
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
func (c *Converger) due(view *fsm.View, rotation fsm.Rotation, record *order.Record) step {
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
		if record.Order.Generator == 0 && due(order.StepLoad, order.Loaded) && c.loadedParts(rotation) {
			return on(c.loadAgain)
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
