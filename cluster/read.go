package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

const (
	methodReadIndex = "read-index"
	methodTerm      = "term"
)

// ReadIndex returns once this node's state holds every command whose proposer had its answer when ReadIndex was called.
//
// Raft's VerifyLeader does not give that: it counts acknowledgements that were sent before the call, so that a leader which
// was paused and deposed meanwhile believes itself. Here the leader notes the last command that it has applied, after an
// entry of its own term, and then asks: a majority that, asked after the batch of readers was closed, is still in the
// leader's term can have elected no other before.
//
// It tries while the context lives; then the error is ErrNoLeader.
func (c *Cluster) ReadIndex(ctx context.Context) error {
	var last error
	for {
		index, err := c.asks.join(ctx)
		switch {
		case err == nil:
			return c.cfg.FSM.WaitApplied(ctx, index)
		case ctx.Err() != nil:
			return givenUp(context.Cause(ctx), false, last)
		case !errors.Is(err, context.DeadlineExceeded):
			return err
		}
		last = err
	}
}

// askIndex asks the leader, for all who read here.
func (c *Cluster) askIndex() (uint64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), c.cfg.Timeouts.Call) // atLeader ends with the cluster
	defer cancel()
	body, err := c.atLeader(ctx, methodReadIndex, nil, c.readIndexHere)
	if err != nil {
		if errors.Is(err, ErrOutcomeUnknown) { // a read has no outcome
			err = fmt.Errorf("%w: %w", ErrNoLeader, err)
		}
		return 0, err
	}
	return decodeIndex(body)
}

func encodeIndex(index uint64) []byte { return binary.BigEndian.AppendUint64(nil, index) }

func decodeIndex(b []byte) (uint64, error) {
	if len(b) != 8 {
		return 0, fmt.Errorf("an index of %d bytes", len(b))
	}
	return binary.BigEndian.Uint64(b), nil
}

// readIndexHere joins this leader's next round.
func (c *Cluster) readIndexHere(ctx context.Context, _ []byte) ([]byte, error) {
	if c.raft.State() != raft.Leader {
		return nil, errNotLeader
	}
	index, err := c.reads.join(ctx)
	if err != nil {
		return nil, err
	}
	return encodeIndex(index), nil
}

// readRound learns an index below which every command that was answered before the round lies.
func (c *Cluster) readRound() (uint64, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Timeouts.Call)
	defer cancel()
	term := c.raft.CurrentTerm()
	if c.raft.State() != raft.Leader {
		return 0, errNotLeader
	}
	if c.ownTerm.Load() != term {
		// The term was read first, so the barrier is of this term or a later one: all that earlier leaders answered is
		// then in this state machine.
		if err := wait(ctx, c.raft.Barrier(enqueueTimeout)); err != nil {
			return 0, fmt.Errorf("%w: %w", errNotLeader, err)
		}
		c.ownTerm.Store(term)
	}
	index := c.cfg.FSM.AppliedIndex()
	if err := c.confirmTerm(ctx, term); err != nil {
		return 0, fmt.Errorf("%w: %w", errNotLeader, err)
	}
	if c.raft.State() != raft.Leader || c.raft.CurrentTerm() != term {
		return 0, errNotLeader
	}
	return index, nil
}

// confirmTerm asks the voters for their term until a majority is in this one, or can no longer be.
func (c *Cluster) confirmTerm(ctx context.Context, term uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var others []uint32
	voters, same := 0, 0
	for _, server := range c.servers() {
		if server.Suffrage != raft.Voter {
			continue
		}
		voters++
		if server.number == c.cfg.Number {
			same++
		} else {
			others = append(others, server.number)
		}
	}
	answers := make(chan error, len(others))
	for _, number := range others {
		go func() { answers <- c.askTerm(ctx, number, term) }()
	}
	var failures []error
	for left := len(others); same <= voters/2; left-- {
		if same+left <= voters/2 {
			return fmt.Errorf("no majority confirms that node %d leads: %w", c.cfg.Number, errors.Join(failures...))
		}
		if err := <-answers; err != nil {
			failures = append(failures, err)
		} else {
			same++
		}
	}
	return nil
}

func (c *Cluster) askTerm(ctx context.Context, number uint32, term uint64) error {
	answer, err := c.calls.call(ctx, number, methodTerm, nil)
	if err != nil {
		return err
	}
	got, err := decodeIndex(answer)
	if err != nil {
		return err
	}
	if got != term {
		return fmt.Errorf("node %d is in term %d, not %d", number, got, term)
	}
	return nil
}

// answerTerm tells the leader which term this node is in.
func (c *Cluster) answerTerm(context.Context, uint32, []byte) ([]byte, error) {
	return encodeIndex(c.raft.CurrentTerm()), nil
}
