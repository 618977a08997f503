package cluster

import (
	"context"
	"fmt"
	"net"
	"time"
)

const gossipLook = time.Second

// gossipLoop brings members together that do not hear of each other: it asks those that answer calls where their gossip is.
func (c *Cluster) gossipLoop() {
	ticker := time.NewTicker(gossipLook)
	defer ticker.Stop()
	for {
		c.meet()
		select {
		case <-ticker.C:
		case <-c.ctx.Done():
			return
		}
	}
}

func (c *Cluster) meet() {
	alive := c.gossip.alive()
	for _, s := range c.servers() {
		if _, heard := alive[s.number]; heard || s.number == c.cfg.Number {
			continue
		}
		ctx, cancel := context.WithTimeout(c.ctx, gossipLook)
		err := c.meetOne(ctx, s.number)
		cancel()
		if err != nil && c.ctx.Err() == nil {
			c.logger.Debug("gossip does not reach a member", "number", s.number, "error", err)
		}
	}
}

func (c *Cluster) meetOne(ctx context.Context, number uint32) error {
	answer, err := c.calls.call(ctx, number, methodGossip, nil)
	if err != nil {
		return err
	}
	if _, _, err := net.SplitHostPort(string(answer)); err != nil {
		return fmt.Errorf("its address of gossip: %w", err)
	}
	return c.gossip.hear([]string{string(answer)})
}

func (c *Cluster) answerGossip(context.Context, uint32, []byte) ([]byte, error) {
	return []byte(c.gossip.address), nil
}
