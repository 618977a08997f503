package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

const (
	minTrailing   = 256 // entries that stay in the log below a snapshot at least
	snapshotRetry = time.Second
)

// Snapshot takes a snapshot now, unless nothing has been applied since the start.
func (c *Cluster) Snapshot(ctx context.Context) error {
	c.snapshotting.Lock()
	defer c.snapshotting.Unlock()
	if err := c.cfg.FSM.Flush(); err != nil {
		return err
	}
	if err := c.keepTrailing(); err != nil {
		return err
	}
	err := wait(ctx, c.raft.Snapshot())
	if errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take a snapshot: %w", err)
	}
	return nil
}

// keepTrailing has Raft keep so many entries below the next snapshot as make up Sizes.TrailingBytes.
func (c *Cluster) keepTrailing() error {
	trailing := uint64(minTrailing)
	last := c.raft.LastIndex()
	if from := c.log.sizes.newest(c.cfg.Sizes.TrailingBytes); from == 0 {
		trailing = max(trailing, last) // all of it is less than that
	} else if from < last {
		trailing = max(trailing, last-from)
	}
	reload := c.raft.ReloadableConfig()
	reload.TrailingLogs = trailing
	return c.raft.ReloadConfig(reload)
}

// due tells whether the log has grown enough since the last snapshot.
func (c *Cluster) due() bool {
	newest := c.snapshots.newestIndex()
	return c.raft.AppliedIndex() > newest && c.log.sizes.above(newest) >= c.cfg.Sizes.SnapshotBytes
}

// snapshotLoop takes a snapshot when so many bytes of log have come since the last.
func (c *Cluster) snapshotLoop() {
	for {
		select {
		case <-c.grown:
		case <-c.ctx.Done():
			return
		}
		for c.due() {
			err := c.Snapshot(c.ctx)
			if err != nil && c.ctx.Err() == nil {
				c.logger.Warn("no snapshot yet", "error", err)
			}
			// After a success it may still be due: the snapshot is of the applied state, and the log goes on.
			select {
			case <-time.After(snapshotRetry):
			case <-c.ctx.Done():
				return
			}
		}
	}
}
