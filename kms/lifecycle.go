package kms

import (
	"context"
	"time"

	"tumbler/fsm"
)

// Delete puts a key into state 5 (destroyed) and keeps its material until it is purged.
func (s *Service) Delete(ctx context.Context, caller Caller, idOrAlias string) (Key, error) {
	c, key, err := s.beginOn(ctx, caller, ActionDelete, idOrAlias)
	if err != nil {
		return Key{}, err
	}
	defer c.end()
	if key.State == fsm.KeyDestroyed {
		return Key{}, ErrKeyDeleted.with("key %s was deleted at %s", FormatID(key.ID), key.Deleted.At.Time().Format(time.RFC3339))
	}
	err = s.propose(ctx, &fsm.DeleteKey{Key: key.ID, Record: key.Record, By: c.by(), At: fsm.TimeOf(c.now())})
	return c.after(key.ID, err)
}

// Restore takes a deleted key back to the state it had.
func (s *Service) Restore(ctx context.Context, caller Caller, idOrAlias string) (Key, error) {
	c, key, err := s.beginOn(ctx, caller, ActionRestore, idOrAlias)
	if err != nil {
		return Key{}, err
	}
	defer c.end()
	since, err := c.deleted(key)
	if err != nil {
		return Key{}, err
	}
	if since < s.cfg.RestoreAfter {
		return Key{}, ErrTooEarly.with("key %s may be restored %s after it was deleted", FormatID(key.ID), s.cfg.RestoreAfter)
	}
	if since > s.cfg.RestoreUntil {
		return Key{}, ErrTooLate.with("key %s could be restored until %s after it was deleted", FormatID(key.ID), s.cfg.RestoreUntil)
	}
	err = s.propose(ctx, &fsm.RestoreKey{Key: key.ID, Record: key.Record, By: c.by(), At: fsm.TimeOf(c.now())})
	return c.after(key.ID, err)
}

// Purge removes a deleted key for good; it gives the key as it was last.
func (s *Service) Purge(ctx context.Context, caller Caller, idOrAlias string) (Key, error) {
	c, key, err := s.beginOn(ctx, caller, ActionPurge, idOrAlias)
	if err != nil {
		return Key{}, err
	}
	defer c.end()
	since, err := c.deleted(key)
	if err != nil {
		return Key{}, err
	}
	if since < s.cfg.PurgeAfter {
		return Key{}, ErrTooEarly.with("key %s may be purged %s after it was deleted", FormatID(key.ID), s.cfg.PurgeAfter)
	}
	out := c.show(key)
	if err := s.propose(ctx, &fsm.PurgeKey{Key: key.ID, Record: key.Record, By: c.by(), At: fsm.TimeOf(c.now())}); err != nil {
		return Key{}, explain(err)
	}
	return out, nil
}

// deleted is how long ago the key was deleted.
func (c *call) deleted(key fsm.Key) (time.Duration, error) {
	if key.State != fsm.KeyDestroyed {
		return 0, ErrKeyState.with("key %s is in state %d: delete it first", FormatID(key.ID), key.State)
	}
	return c.now().Sub(key.Deleted.At.Time()), nil
}

// after gives the key as the command has left it, which this node has applied.
func (c *call) after(id fsm.ID, err error) (Key, error) {
	if err != nil {
		return Key{}, explain(err)
	}
	view, err := c.s.cfg.Reader.View()
	if err != nil {
		return Key{}, explain(unavailable(err, "it was done, but this node's state cannot be read"))
	}
	c.end()
	c.view = view
	key, err := c.view.Key(id)
	if err != nil {
		return Key{}, explain(err)
	}
	return c.show(key), nil
}
