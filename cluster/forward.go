package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// retryEvery is how long a request waits for a change of leader before it tries again anyway.
const retryEvery = 50 * time.Millisecond

// errMaybe: the request may have had its effect; it can be made again.
var errMaybe = errors.New("the leader did not confirm")

// local does a request on this node, if it leads: else it gives errNotLeader, and has done nothing.
type local func(ctx context.Context, body []byte) ([]byte, error)

// atLeader has the leader do a request, wherever it is: here, or by a call of the method. It tries again while the context
// lives, until an attempt ends in anything but errNotLeader, errMaybe or an unreachable leader.
func (c *Cluster) atLeader(ctx context.Context, method string, body []byte, here local) ([]byte, error) {
	var hint uint32 // whom the last node that was asked takes for the leader
	var last error
	maybe, hinted := false, false
	for {
		if err := c.usable(); err != nil {
			if maybe {
				err = fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
			}
			return nil, err
		}
		number, changed := c.leader.get()
		if hint != 0 && hint != c.cfg.Number {
			number = hint
		}
		hint = 0
		if number != 0 {
			answer, err := c.attempt(ctx, number, changed, method, body, here)
			var remote *RemoteError
			switch {
			case err == nil:
				return answer, nil
			case errors.Is(err, errNotLeader):
				if errors.As(err, &remote) && remote.leader != number {
					hint = remote.leader
				}
			case errors.Is(err, errMaybe):
				maybe = true
			default:
				return nil, err
			}
			last = err
		}
		if hint != 0 && !hinted { // at once, but once: two nodes may each take the other for the leader
			hinted = true
			continue
		}
		hinted = false
		if err := c.pause(ctx, changed); err != nil {
			return nil, givenUp(err, maybe, last)
		}
	}
}

// attempt asks one node. A call is given up when another leader is known, for the old one may be stuck; but for a transfer,
// whose purpose that is.
func (c *Cluster) attempt(ctx context.Context, number uint32, changed <-chan struct{}, method string, body []byte, here local) ([]byte, error) {
	if number == c.cfg.Number {
		return here(ctx, body)
	}
	if method == methodTransfer {
		changed = nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	defer close(done)
	go func() {
		select {
		case <-changed:
			cancel()
		case <-c.ctx.Done():
			cancel()
		case <-done:
		}
	}()
	answer, err := c.calls.call(ctx, number, method, body)
	var dial *dialError
	var remote *RemoteError
	switch {
	case err == nil:
		answer, said, err := cutCommitment(answer)
		if err == nil {
			c.learn(number, said)
		}
		return answer, err
	case errors.As(err, &dial):
		return nil, fmt.Errorf("%w: %w", errNotLeader, err)
	case errors.As(err, &remote):
		if errors.Is(err, ErrShutdown) {
			return nil, fmt.Errorf("%w: %w", errMaybe, err)
		}
		return nil, err
	case errors.Is(err, ErrTooLarge):
		return nil, err
	default: // the connection broke, or the attempt was given up
		return nil, fmt.Errorf("%w: %w", errMaybe, err)
	}
}

// pause waits for a change of leader, for a moment at most.
func (c *Cluster) pause(ctx context.Context, changed <-chan struct{}) error {
	timer := time.NewTimer(retryEvery)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-c.ctx.Done():
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return nil
}

func givenUp(cause error, maybe bool, last error) error {
	kind := ErrNoLeader
	if maybe {
		kind = ErrOutcomeUnknown
	}
	if last != nil {
		return fmt.Errorf("%w (%w; last: %v)", kind, cause, last) //nolint:errorlint // what one try said is no answer to the call
	}
	return fmt.Errorf("%w (%w)", kind, cause)
}

// usable is the reason why this node cannot take part, if there is one.
func (c *Cluster) usable() error {
	if c.ctx.Err() != nil {
		return c.closedError()
	}
	if !c.Bootstrapped() {
		return ErrNotBootstrapped
	}
	return nil
}

func (c *Cluster) closedError() error {
	if err := c.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrShutdown, err)
	}
	return ErrShutdown
}
