package converge

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// Log is the log that nodes agree on, as who speaks for a unit needs it.
type Log interface {
	// Propose returns once this node has applied the command; a refusal of the state is a *fsm.Refusal.
	Propose(ctx context.Context, command fsm.Command) (fsm.Result, error)
	// ReadIndex returns once this node's state holds everything that was committed before the call.
	ReadIndex(ctx context.Context) error
}

// Config is what a Speaker is made of.
type Config struct {
	Number uint32
	Role   order.Role
	Unit   *cryptounit.Unit
	Store  *fsm.Store
	Log    Log
	// Describe adds to the unit's registration where its node is reached and what room its disk has; nil: nothing.
	Describe func(*fsm.RegisterUnit)
	// Fail ends the node: its unit was rolled back.
	Fail func(error)
	// Troubled is told why the unit could not do or write something; nil: nobody is.
	Troubled func(error)
	// Leave has something done that takes the master key out of the unit, unless no other unit would keep it; nil: it is done.
	Leave func(ctx context.Context, do func() error) error
	// Hold, if set, lets a test hold the unit before a step, by the state of the rotation.
	Hold func(point string)
	// Turn is held from before the unit signs until the state has answered; nil: a mutex.
	Turn sync.Locker
	// Now is the time of what is proposed; nil: time.Now.
	Now    func() time.Time
	Logger hclog.Logger
}

// Speaker puts what this node's unit says to the state, one thing at a time: from before the unit signs until the state has
// answered nothing else is signed. A statement that was overtaken by a later one would be refused for its generation, and
// that looks like a unit that was rolled back. It makes the unit known to the state, at start and whenever an order is about to
// be judged, and judges whether the unit was rolled back.
type Speaker struct {
	config Config
	nudged chan struct{} // the unit has something to say that the state has not heard, although the state did not change
}

// NewSpeaker makes a speaker.
func NewSpeaker(config Config) *Speaker {
	if config.Turn == nil {
		config.Turn = new(sync.Mutex)
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Troubled == nil {
		config.Troubled = func(error) {}
	}
	if config.Hold == nil {
		config.Hold = func(string) {}
	}
	if config.Leave == nil {
		config.Leave = func(_ context.Context, do func() error) error { return do() }
	}
	if config.Describe == nil {
		config.Describe = func(*fsm.RegisterUnit) {}
	}
	if config.Logger == nil {
		config.Logger = hclog.NewNullLogger()
	}
	return &Speaker{config, make(chan struct{}, 1)}
}

// now is the time of a proposal.
func (s *Speaker) now() fsm.Time { return fsm.TimeOf(s.config.Now()) }

// State has the unit say something and proposes it.
func (s *Speaker) State(ctx context.Context, say func() (order.SignedStatement, error)) error {
	return s.stateWith(ctx, func() (order.SignedStatement, []order.Envelope, error) {
		statement, err := say()
		return statement, nil, err
	})
}

// stateWith is State for what comes with envelopes.
func (s *Speaker) stateWith(ctx context.Context, say func() (order.SignedStatement, []order.Envelope, error)) error {
	s.config.Turn.Lock()
	defer s.config.Turn.Unlock()
	statement, envelopes, err := say()
	if err != nil {
		s.config.Troubled(err)
		return err
	}
	return s.submit(ctx, statement, envelopes)
}

// nudge has the converger look again.
func (s *Speaker) nudge() {
	select {
	case s.nudged <- struct{}{}:
	default:
	}
}

// submit proposes what the unit has said; the caller has the turn.
func (s *Speaker) submit(ctx context.Context, statement order.SignedStatement, envelopes []order.Envelope) (err error) {
	command := &fsm.SubmitStatement{At: s.now()}
	if command.Statement, err = statement.Encode(); err != nil {
		return err
	}
	for i := range envelopes {
		der, err := envelopes[i].Encode()
		if err != nil {
			return err
		}
		command.Envelopes = append(command.Envelopes, der)
	}
	said, err := statement.Decode()
	if err != nil {
		return err
	}
	if _, err := s.config.Log.Propose(ctx, command); err != nil {
		return fmt.Errorf("stating %v: %w", said.Kind, s.refused(ctx, statement, err))
	}
	s.config.Logger.Debug("the unit stated", "statement", said.Kind.String(), "order", said.Order.String(), "generation", said.Generation)
	return nil
}

// Alone runs what must not come between a statement and its answer.
func (s *Speaker) Alone(do func() error) error {
	s.config.Turn.Lock()
	defer s.config.Turn.Unlock()
	return do()
}
