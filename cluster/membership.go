package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

const (
	methodRemove   = "remove"
	methodTransfer = "transfer"
	configTimeout  = 2 * time.Second // for Raft to take a change of its configuration
	pollEvery      = 20 * time.Millisecond
)

// Bootstrap starts a cluster of this node alone, and returns once it leads.
func (c *Cluster) Bootstrap(ctx context.Context) error {
	c.changing.Lock()
	defer c.changing.Unlock()
	if c.Bootstrapped() {
		return ErrAlreadyBootstrapped
	}
	if err := c.setIdentity(newIdentity()); err != nil {
		return err
	}
	future := c.raft.BootstrapCluster(raft.Configuration{Servers: []raft.Server{{
		Suffrage: raft.Voter, ID: serverID(c.cfg.Number), Address: raft.ServerAddress(c.Address()),
	}}})
	if err := wait(ctx, future); err != nil {
		if errors.Is(err, raft.ErrCantBootstrap) {
			return ErrAlreadyBootstrapped
		}
		return fmt.Errorf("bootstrap: %w", err)
	}
	return c.ReadIndex(ctx)
}

// Bootstrapped tells whether this node belongs to a cluster.
func (c *Cluster) Bootstrapped() bool { return len(c.servers()) > 0 }

// Leave takes this node out of the cluster; a leader hands over first. Afterwards the node is to be closed. To come back it
// joins again, with a token, best with an empty folder.
func (c *Cluster) Leave(ctx context.Context) error {
	err := c.Remove(ctx, c.cfg.Number)
	if errors.Is(err, ErrNotMember) {
		return nil
	}
	return err
}

// Remove takes the node with that number out of the cluster. A leader that is to go hands over first.
func (c *Cluster) Remove(ctx context.Context, number uint32) error {
	_, err := c.atLeader(ctx, methodRemove, encodeNumber(number), c.removeHere)
	return err
}

func encodeNumber(number uint32) []byte { return binary.BigEndian.AppendUint32(nil, number) }

func decodeNumber(b []byte) (uint32, error) {
	if len(b) != 4 {
		return 0, fmt.Errorf("a number of %d bytes", len(b))
	}
	return binary.BigEndian.Uint32(b), nil
}

func (c *Cluster) removeHere(ctx context.Context, body []byte) ([]byte, error) {
	number, err := decodeNumber(body)
	if err != nil {
		return nil, err
	}
	if c.raft.State() != raft.Leader {
		return nil, errNotLeader
	}
	target, ok := c.server(number)
	if !ok {
		return nil, fmt.Errorf("%w: %d", ErrNotMember, number)
	}
	if target.Suffrage == raft.Voter && c.voters() == 1 {
		return nil, ErrLastVoter
	}
	if number == c.cfg.Number {
		if err := wait(ctx, c.raft.LeadershipTransfer()); err != nil {
			return nil, c.raftError(err)
		}
		return nil, fmt.Errorf("%w: it has handed over, to be removed by the new leader", errNotLeader)
	}
	if err := c.change(ctx, c.raft.RemoveServer(target.ID, 0, configTimeout)); err != nil {
		return nil, err
	}
	c.logger.Info("removed a member", "number", number)
	return nil, nil
}

// change waits for a change of Raft's configuration. A configuration that Raft does not take is a final error.
func (c *Cluster) change(ctx context.Context, future raft.Future) error {
	err := wait(ctx, future)
	for _, passing := range []error{
		errMaybe, raft.ErrNotLeader, raft.ErrEnqueueTimeout, raft.ErrLeadershipTransferInProgress, raft.ErrLeadershipLost, raft.ErrRaftShutdown,
	} {
		if errors.Is(err, passing) {
			return c.raftError(err)
		}
	}
	if err != nil {
		return fmt.Errorf("change the membership: %w", err)
	}
	return nil
}

func (c *Cluster) voters() (n int) {
	for _, s := range c.servers() {
		if s.Suffrage == raft.Voter {
			n++
		}
	}
	return n
}

// TransferLeadership makes that node the leader; 0 means any other voter. It returns once this node sees it lead.
func (c *Cluster) TransferLeadership(ctx context.Context, number uint32) error {
	answer, err := c.atLeader(ctx, methodTransfer, encodeNumber(number), c.transferHere)
	if err != nil {
		return err
	}
	old, err := decodeNumber(answer)
	if err != nil {
		return err
	}
	return c.until(ctx, func() bool {
		leader, _ := c.leader.get()
		return leader != 0 && (leader == number || number == 0 && leader != old)
	})
}

// transferHere answers with the number of this node, which has handed over.
func (c *Cluster) transferHere(ctx context.Context, body []byte) ([]byte, error) {
	number, err := decodeNumber(body)
	if err != nil {
		return nil, err
	}
	if c.raft.State() != raft.Leader {
		return nil, errNotLeader
	}
	var future raft.Future
	switch target, ok := c.server(number); {
	case number == c.cfg.Number:
		return encodeNumber(number), nil
	case number == 0 && c.voters() == 1:
		return nil, ErrLastVoter
	case number == 0:
		future = c.raft.LeadershipTransfer()
	case !ok || target.Suffrage != raft.Voter:
		return nil, fmt.Errorf("%w: %d is no voter", ErrNotMember, number)
	default:
		future = c.raft.LeadershipTransferToServer(target.ID, target.Address)
	}
	if err := wait(ctx, future); err != nil {
		if errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrLeadershipTransferInProgress) || errors.Is(err, errMaybe) {
			return nil, c.raftError(err)
		}
		return nil, fmt.Errorf("%w: node %d did not take over: %w", ErrUnreachable, number, err)
	}
	return encodeNumber(c.cfg.Number), nil
}

// moveLoop corrects, whenever this node comes to lead, its own address in the membership: the configuration may have given it
// another since. A follower that moved joins again.
func (c *Cluster) moveLoop() {
	for leading := range c.Leading() {
		me, ok := c.server(c.cfg.Number)
		if !leading || !ok || string(me.Address) == c.Address() {
			continue
		}
		err := c.change(c.ctx, c.raft.AddVoter(me.ID, raft.ServerAddress(c.Address()), 0, configTimeout))
		c.logger.Info("this node has moved", "from", me.Address, "to", c.Address(), "error", err)
	}
}

// until waits for a condition that no channel tells of.
func (c *Cluster) until(ctx context.Context, condition func() bool) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-c.ctx.Done():
			return c.closedError()
		}
	}
	return nil
}
