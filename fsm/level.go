package fsm

import (
	"fmt"

	"tumbler/cryptounit/order"
)

// FeatureLevel is the highest that this release understands. A cluster is founded at it, or raised to it by one entry once
// every member understands it; until then nobody proposes what an older member could not apply.
//
// Level 2: PaceRewrap, CreateKeys; orders of the kinds administrators and destroy-retired, and the list of retired keys.
//
// Level 3: DisownStatement, and what brought a unit to its generation is kept.
//
// Level 4: Group; nothing is asked about a blob that was set aside.
//
// Level 5: ClearCurrent; an approval is taken when its step may come next, and not before; orders of the importer suites of smart
// cards.
const FeatureLevel = 5

// LevelOf is the feature level that a cluster must have before a command may be proposed.
func LevelOf(kind Kind) uint32 {
	switch {
	case kind <= KindRemoveUnit:
		return 1
	case kind <= KindCreateKeys:
		return levelRetired
	case kind <= KindDisownStatement:
		return levelStated
	case kind <= KindGroup:
		return levelGroup
	}
	return levelClear
}

// Level is the feature level that a cluster must have before this very command may be proposed: an order of an importer suite
// that older releases do not know is none to them.
func Level(command Command) uint32 {
	needs := LevelOf(command.Kind())
	submit, ok := command.(*SubmitOrder)
	if !ok {
		return needs
	}
	signed, err := order.DecodeSignedOrder(submit.Order)
	if err != nil {
		return needs
	}
	if o, err := signed.Decode(); err == nil && o.Suite != order.SuiteHPKE {
		return max(needs, levelCards)
	}
	return needs
}

// allowed refuses a command of a level that the cluster does not have yet.
func (t *tx) allowed(command Command) error {
	level := t.control.cluster.FeatureLevel
	if needs := Level(command); needs > max(level, 1) { // level 0: it is not founded yet
		return ErrFeatureLevel.with("%T needs level %d, the cluster's is %d until every member runs a release that knows it", command, needs, level)
	}
	return nil
}

// levelCards is where an order may name an importer suite of smart cards.
const levelCards = 5

// levelClear is where current registers are emptied through the log.
const levelClear = 5

// levelLift is where a unit that was left behind by a recovery may show that it has the master key all the same.
const levelLift = 5

// levelTurn is where approvals wait for their turn.
const levelTurn = 5

// levelGroup is where commands share entries.
const levelGroup = 4

// levelAside is where a blob that was set aside is in question no more.
const levelAside = 4

// levelStated is where Unit.Stated is kept.
const levelStated = 3

// levelRetired is where retired keys are listed, and orders of these kinds accepted.
const levelRetired = 2

// atLevel refuses an order of a kind that nodes of the cluster may not know.
func (t *tx) atLevel(needs uint32, kind order.Kind) error {
	if level := t.control.cluster.FeatureLevel; level < needs {
		return ErrFeatureLevel.with("an order of kind %v needs level %d, the cluster's is %d until every member runs a release that knows it", kind, needs, level)
	}
	return nil
}

// understood stops a node at a level above its release's: what follows in the log means what it cannot know. It is no
// refusal, for a newer member accepts the same entry.
func understood(level uint32) error {
	if level > FeatureLevel {
		return fmt.Errorf("%w: the cluster is at feature level %d, and this release understands %d: run a newer release on this node", ErrUndecodable, level, FeatureLevel)
	}
	return nil
}

func (t *tx) raiseFeatureLevel(c *RaiseFeatureLevel) (Result, error) {
	if err := understood(c.Level); err != nil {
		return Result{}, err
	}
	if level := t.control.cluster.FeatureLevel; c.Level < level {
		return Result{}, ErrFeatureLevel.with("%d: it is %d already", c.Level, level)
	}
	t.cluster().FeatureLevel = c.Level
	t.notable()
	return Result{}, nil
}

// FeatureLevel is the cluster's; 0 before its founding.
func (s *Store) FeatureLevel() uint32 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.published.control.cluster.FeatureLevel
}
