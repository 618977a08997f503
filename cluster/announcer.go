package cluster

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	methodCommitted = "committed"
	announceEvery   = 3 * time.Millisecond // at most; what comes meanwhile is told together
)

// announceLoop tells the other members what is committed whenever this node, leading, has applied something. It is a
// courtesy: who does not hear of it learns it from Raft.
func (c *Cluster) announceLoop() {
	telling := map[uint32]*atomic.Bool{}
	pause := time.NewTimer(announceEvery)
	defer pause.Stop()
	for {
		select {
		case <-c.last.moved:
		case <-c.ctx.Done():
			return
		}
		pause.Reset(announceEvery)
		select {
		case <-pause.C:
		case <-c.ctx.Done():
			return
		}
		said := c.commitment()
		if said.term == 0 {
			continue
		}
		for _, server := range c.servers() {
			if server.number == c.cfg.Number {
				continue
			}
			if telling[server.number] == nil {
				telling[server.number] = new(atomic.Bool)
			}
			c.announce(server.number, said, telling[server.number])
		}
	}
}

// announce tells one member, unless it has not answered the last time yet.
func (c *Cluster) announce(number uint32, said commitment, telling *atomic.Bool) {
	if !telling.CompareAndSwap(false, true) {
		return
	}
	c.wg.Go(func() {
		defer telling.Store(false)
		ctx, cancel := context.WithTimeout(c.ctx, c.cfg.Timeouts.Call)
		defer cancel()
		_, _ = c.calls.call(ctx, number, methodCommitted, said.appendTo(nil)) // it learns it from Raft otherwise
	})
}

// answerCommitted takes what a leader says.
func (c *Cluster) answerCommitted(_ context.Context, peer uint32, body []byte) ([]byte, error) {
	rest, said, err := cutCommitment(body)
	if err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", errCommitment, len(rest))
	}
	if _, member := c.server(peer); !member {
		return nil, fmt.Errorf("%w: node %d", ErrNotMember, peer)
	}
	c.learn(peer, said)
	return nil, nil
}
