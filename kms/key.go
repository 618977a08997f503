package kms

import (
	"context"
	"time"

	"tumbler/fsm"
)

// State of a key, numbered as the interface has it.
type State = fsm.KeyState

// The states that answers show.
const (
	Active      = fsm.KeyActive
	Deactivated = fsm.KeyDeactivated
	Destroyed   = fsm.KeyDestroyed
)

// Key is a key as its callers see it.
type Key struct {
	ID       string
	Metadata fsm.KeyMetadata
	State    State   // deactivated once it has expired
	Version  Version // the current one
	Imported bool
	Payload  []byte // of a standard key, and only where it was asked for
	Created  fsm.Stamp
	Updated  fsm.Stamp
	Rotated  time.Time // zero: never
	Deletion *Deletion // nil unless deleted
	Instance string
}

// Version names one material of a key.
type Version struct {
	ID      string
	Created time.Time
}

// Deletion says when and by whom a key was deleted, and what may be done about it from when on.
type Deletion struct {
	At           time.Time
	By           string
	PurgeFrom    time.Time
	RestoreUntil time.Time
	PurgeAllowed bool
}

func versionOf(v fsm.KeyVersion) Version {
	return Version{ID: FormatID(v.ID), Created: v.Created.At.Time()}
}

// stateOf is the key's state now: a key whose time is over is deactivated, which no command says.
func stateOf(k fsm.Key, now time.Time) fsm.KeyState {
	expires := k.Metadata.Expires.Time()
	if k.State == fsm.KeyActive && !expires.IsZero() && !now.Before(expires) {
		return fsm.KeyDeactivated
	}
	return k.State
}

func (c *call) show(k fsm.Key) Key {
	now := c.now()
	current := k.Current()
	out := Key{
		ID: FormatID(k.ID), Metadata: k.Metadata, State: stateOf(k, now), Version: versionOf(current),
		Imported: current.Imported, Created: k.Created, Updated: k.Updated, Instance: FormatID(c.cluster.Instance),
	}
	if len(k.Versions) > 1 {
		out.Rotated = current.Created.At.Time()
	}
	if k.State == fsm.KeyDestroyed {
		at := k.Deleted.At.Time()
		out.Deletion = &Deletion{
			At: at, By: k.Deleted.By, PurgeFrom: at.Add(c.s.cfg.PurgeAfter), RestoreUntil: at.Add(c.s.cfg.RestoreUntil),
			PurgeAllowed: !now.Before(at.Add(c.s.cfg.PurgeAfter)),
		}
	}
	return out
}

// Get gives a key; of a standard key the payload too. A deleted key is ErrKeyDeleted.
func (s *Service) Get(ctx context.Context, caller Caller, idOrAlias string) (Key, error) {
	c, key, err := s.beginOn(ctx, caller, ActionGet, idOrAlias)
	if err != nil {
		return Key{}, err
	}
	defer c.end()
	if key.State == fsm.KeyDestroyed {
		return Key{}, ErrKeyDeleted.with("key %s was deleted; its metadata can still be read", FormatID(key.ID))
	}
	out := c.show(key)
	if !key.Metadata.Extractable {
		return out, nil
	}
	err = c.open(key.Current().Blob, func(blob []byte) (err error) {
		out.Payload, err = s.cfg.Unit.Export(blob)
		return err
	})
	if err != nil {
		return Key{}, explain(err)
	}
	return out, nil
}

// Metadata gives a key, deleted or not, without payload.
func (s *Service) Metadata(ctx context.Context, caller Caller, idOrAlias string) (Key, error) {
	c, key, err := s.beginOn(ctx, caller, ActionMetadata, idOrAlias)
	if err != nil {
		return Key{}, err
	}
	defer c.end()
	return c.show(key), nil
}

// Versions gives a key's versions, the newest first: at most limit from offset on, and how many there are.
func (s *Service) Versions(ctx context.Context, caller Caller, idOrAlias string, limit, offset int) ([]Version, int, error) {
	c, err := s.begin(ctx, caller, ActionVersions, idOrAlias)
	if err != nil {
		return nil, 0, err
	}
	defer c.end()
	if limit, err = checkPage(limit, offset); err != nil {
		return nil, 0, err
	}
	key, err := c.key(idOrAlias)
	if err != nil {
		return nil, 0, err
	}
	out := []Version{}
	for i := len(key.Versions) - 1 - offset; i >= 0 && len(out) < limit; i-- {
		out = append(out, versionOf(key.Versions[i]))
	}
	return out, len(key.Versions), nil
}
