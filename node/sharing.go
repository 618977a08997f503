package node

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"tumbler/fsm"
	"tumbler/kms"
)

// sharedEntries is how many entries of clients' changes one node has under way: what comes meanwhile shares the next one.
const sharedEntries = 4

// sharing has the changes of a node's clients share entries of the log when there are many: each entry costs encoding, a call to
// the leader and one to every follower, whatever is in it. Who comes while few entries are under way does not wait. Its methods
// are safe for concurrent use.
type sharing struct {
	propose func(context.Context, fsm.Command) (fsm.Result, error)
	shares  func(fsm.Kind) bool // at the cluster's level

	mu      sync.Mutex
	flying  int
	waiting []*share
}

// share is one client's change that waits for an entry, and then for its result.
type share struct {
	ctx     context.Context
	command fsm.Command
	done    chan struct{} // closed once result and err are there
	result  fsm.Result
	err     error
}

// Propose has a command decided, in an entry of its own or in one that it shares.
func (s *sharing) Propose(ctx context.Context, command fsm.Command) (fsm.Result, error) {
	if !s.shares(command.Kind()) {
		return s.propose(ctx, command)
	}
	s.mu.Lock()
	if s.flying < sharedEntries {
		s.flying++
		s.mu.Unlock()
		defer s.landed()
		return s.propose(ctx, command)
	}
	own := &share{ctx: ctx, command: command, done: make(chan struct{})}
	s.waiting = append(s.waiting, own)
	s.mu.Unlock()
	select {
	case <-own.done:
		return own.result, own.err
	case <-ctx.Done():
		return s.leave(own)
	}
}

// leave is for a caller who waits no longer.
func (s *sharing) leave(own *share) (fsm.Result, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.waiting, own); i >= 0 {
		s.waiting = slices.Delete(s.waiting, i, i+1)
		return fsm.Result{}, fmt.Errorf("%w: nothing was done: %w", kms.ErrUnavailable, context.Cause(own.ctx))
	}
	select {
	case <-own.done:
		return own.result, own.err
	default:
		return fsm.Result{}, fmt.Errorf("%w: %w", kms.ErrOutcomeUnknown, context.Cause(own.ctx))
	}
}

// landed has who waits go on in the place of an entry that is decided.
func (s *sharing) landed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.flying--
	if len(s.waiting) == 0 {
		return
	}
	next := s.waiting[:min(len(s.waiting), fsm.MaxGroup)]
	s.waiting = slices.Clone(s.waiting[len(next):])
	s.flying++
	go func() {
		defer s.landed()
		s.fly(next)
	}()
}

// fly proposes one entry, until it is decided or none of its callers waits any more.
func (s *sharing) fly(shares []*share) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var callers atomic.Int64
	callers.Store(int64(len(shares)))
	for _, one := range shares {
		stop := context.AfterFunc(one.ctx, func() {
			if callers.Add(-1) == 0 {
				cancel()
			}
		})
		defer stop()
		defer close(one.done)
	}
	if len(shares) == 1 {
		shares[0].result, shares[0].err = s.propose(ctx, shares[0].command)
		return
	}
	group := new(fsm.Group)
	for _, one := range shares {
		group.Commands = append(group.Commands, fsm.Grouped{Command: one.command})
	}
	result, err := s.propose(ctx, group)
	if err == nil && len(result.Grouped) != len(shares) {
		err = fmt.Errorf("%w: %d answers to %d commands", kms.ErrOutcomeUnknown, len(result.Grouped), len(shares))
	}
	for i, one := range shares {
		if one.err = err; err == nil {
			one.result, one.err = result.Grouped[i], result.Grouped[i].Refused()
		}
	}
}
