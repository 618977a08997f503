package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

const methodPropose = "propose"

// enqueueTimeout is how long a proposal waits for Raft to take it before the leader is looked for again.
const enqueueTimeout = 500 * time.Millisecond

// Propose replicates data, with extensions, unless empty, as a table beside the log, and returns the state machine's
// answer. The slices must not be changed afterwards, not even after an error.
//
// The same bytes may be proposed more than once, by Propose itself after an election: the state machine must recognise a
// repeated command. When the context ends first, the error is ErrOutcomeUnknown if the command may yet be committed, and
// ErrNoLeader if it cannot; both also wrap the context's error.
func (c *Cluster) Propose(ctx context.Context, data, extensions []byte) ([]byte, error) {
	if len(data) == 0 {
		return nil, errors.New("cluster: an empty proposal")
	}
	body := encodeProposal(data, extensions)
	if len(body) > maxBody {
		return nil, fmt.Errorf("%w: a proposal of %d bytes, and the limit is %d", ErrTooLarge, len(body), maxBody)
	}
	return c.atLeader(ctx, methodPropose, body, c.proposal(c.cfg.Number))
}

// A proposal's body is the length of data, big endian, data and extensions.
func encodeProposal(data, extensions []byte) []byte {
	b := make([]byte, 0, 8+len(data)+len(extensions))
	b = binary.BigEndian.AppendUint64(b, uint64(len(data)))
	return append(append(b, data...), extensions...)
}

var errProposal = errors.New("not a proposal")

func decodeProposal(b []byte) (data, extensions []byte, err error) {
	if len(b) < 9 {
		return nil, nil, fmt.Errorf("%w: %d bytes", errProposal, len(b))
	}
	n := binary.BigEndian.Uint64(b)
	b = b[8:]
	if n == 0 || n > uint64(len(b)) {
		return nil, nil, fmt.Errorf("%w: %d bytes of data in %d", errProposal, n, len(b))
	}
	return b[:n:n], b[n:], nil
}

// forwarded gives another node's command to Raft.
func (c *Cluster) forwarded(ctx context.Context, peer uint32, body []byte) ([]byte, error) {
	return c.members(c.proposal(peer))(ctx, peer, body)
}

// proposal is the request that gives a command of some node to Raft.
func (c *Cluster) proposal(from uint32) local {
	return func(ctx context.Context, body []byte) ([]byte, error) {
		data, extensions, err := decodeProposal(body)
		if err != nil {
			return nil, err
		}
		if c.raft.State() != raft.Leader {
			return nil, errNotLeader
		}
		if answer, err := c.cfg.Examine(ctx, from, data); err != nil {
			return nil, fmt.Errorf("%w: %w", errNotLeader, err) // whoever leads next may be able to
		} else if answer != nil {
			return answer, nil
		}
		return c.apply(ctx, data, extensions)
	}
}

// apply has Raft agree on a command.
func (c *Cluster) apply(ctx context.Context, data, extensions []byte) ([]byte, error) {
	future := c.raft.ApplyLog(raft.Log{Data: data, Extensions: extensions}, enqueueTimeout)
	if err := wait(ctx, future); err != nil {
		return nil, c.raftError(err)
	}
	switch response := future.Response().(type) {
	case []byte:
		return response, nil
	default: // the command is committed and this node fails; another may answer
		return nil, fmt.Errorf("%w: node %d cannot apply the command: %v", errMaybe, c.cfg.Number, response)
	}
}

// wait waits for Raft, or for the context.
func wait(ctx context.Context, future raft.Future) error {
	done := make(chan error, 1)
	go func() { done <- future.Error() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errMaybe, context.Cause(ctx))
	}
}

// raftError tells errors before which nothing happened from those after which anything may have.
func (c *Cluster) raftError(err error) error {
	switch {
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrEnqueueTimeout), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		return fmt.Errorf("%w: %w", errNotLeader, err)
	case errors.Is(err, raft.ErrRaftShutdown):
		return fmt.Errorf("%w: %w", errMaybe, c.closedError())
	default: // leadership lost, or the disk failed
		return fmt.Errorf("%w: %w", errMaybe, err)
	}
}
