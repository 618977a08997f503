package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Taken is a snapshot that stays until it is closed, as a stream: a tar of the checkpoint folder, see StateMachine.
type Taken struct {
	io.ReadCloser
	Folder string // the checkpoint itself; link or read, never change
	Size   int64  // of the stream, in bytes
}

// Take takes a snapshot now and gives it: of a state that holds all that this node had applied before.
func (c *Cluster) Take(ctx context.Context) (*Taken, error) {
	if err := c.Snapshot(ctx); err != nil {
		return nil, err
	}
	for {
		metas, err := c.snapshots.List()
		if err != nil {
			return nil, err
		}
		if len(metas) == 0 {
			return nil, errors.New("this node has no state yet of which a snapshot could be taken")
		}
		meta, stream, err := c.snapshots.Open(metas[0].ID)
		switch {
		case errors.Is(err, os.ErrNotExist) && ctx.Err() == nil: // a newer one came in between
			continue
		case err != nil:
			return nil, fmt.Errorf("open the snapshot: %w", err)
		}
		return &Taken{ReadCloser: stream, Folder: c.snapshots.checkpoint(meta.ID), Size: meta.Size}, nil
	}
}
