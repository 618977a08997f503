package node

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// stater puts what this node's unit says to the state, one thing at a time: from before the unit signs until the state has
// answered nothing else is signed. A statement that was overtaken by a later one would be refused for its generation, and
// that looks like a unit that was rolled back.
type stater struct {
	mu      sync.Mutex
	replica agreement
	log     hclog.Logger
	// troubled is told why a unit could not write its file.
	troubled func(error)
	// refused is told of what the state refused, and says what that means.
	refused func(context.Context, order.SignedStatement, error) error
}

// State has the unit say something and proposes it.
func (s *stater) State(ctx context.Context, say func() (order.SignedStatement, error)) error {
	return s.stateWith(ctx, func() (order.SignedStatement, []order.Envelope, error) {
		statement, err := say()
		return statement, nil, err
	})
}

// stateWith is State for what comes with envelopes.
func (s *stater) stateWith(ctx context.Context, say func() (order.SignedStatement, []order.Envelope, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	statement, envelopes, err := say()
	if err != nil {
		s.troubled(err)
		return err
	}
	command := &fsm.SubmitStatement{At: fsm.TimeOf(time.Now())}
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
	if _, err := s.replica.Propose(ctx, command); err != nil {
		return fmt.Errorf("stating %v: %w", said.Kind, s.refused(ctx, statement, err))
	}
	s.log.Debug("the unit stated", "statement", said.Kind.String(), "order", said.Order.String(), "generation", said.Generation)
	return nil
}

// alone runs what must not come between a statement and its answer.
func (s *stater) alone(do func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return do()
}
