package kms

import (
	"context"
	"time"

	"tumbler/fsm"
)

// generatedSize is the size in bytes of a key that the unit makes.
const generatedSize = 32

// NewKey describes a key to create or, with a payload, to import.
type NewKey struct {
	Name        string
	Description string
	Aliases     []string
	Tags        []string
	Extractable bool      // a standard key; else a root key
	Expires     time.Time // zero: never
	Payload     []byte    // nil: the unit makes 32 bytes. It is erased before Create returns
}

// Create makes or imports a key. A standard key's payload is in the answer.
func (s *Service) Create(ctx context.Context, caller Caller, want NewKey) (Key, error) {
	defer clear(want.Payload)
	action := ActionCreate
	if want.Payload != nil {
		action = ActionImport
	}
	c, err := s.begin(ctx, caller, action, "")
	if err != nil {
		return Key{}, err
	}
	defer c.end()
	now := c.now()
	metadata, err := want.metadata(now)
	if err != nil {
		return Key{}, err
	}
	id := newID()
	header := Header{Use: UseRoot, Class: fsm.ClassKMS, Instance: c.cluster.Instance, Key: id, Version: 1, Owner: ownerKMS}
	if want.Extractable {
		header.Use = UseStandard
	}
	var last [][]byte
	err = c.seal(func(under []fsm.Pattern) (blobs [][]byte, err error) {
		last, err = c.material(header, want.Payload, under)
		return last, err
	}, func(m fsm.Material) fsm.Command {
		return &fsm.CreateKey{
			Key: id, Class: fsm.ClassKMS, Metadata: metadata, State: fsm.KeyActive, Material: m,
			Imported: want.Payload != nil, By: c.by(), At: fsm.TimeOf(now),
		}
	})
	if err != nil {
		return Key{}, err
	}
	stamp := fsm.Stamp{At: fsm.TimeOf(now), By: c.by()}
	out := c.show(fsm.Key{
		ID: id, Class: fsm.ClassKMS, Metadata: metadata, State: fsm.KeyActive, Created: stamp, Updated: stamp,
		Versions: []fsm.KeyVersion{{Number: 1, ID: id, Imported: want.Payload != nil, Created: stamp}},
	})
	if want.Extractable {
		// The unit that has just sealed it opens it; should it have dropped that master key since, the key is there
		// all the same, and Get gives its payload.
		out.Payload, _ = s.cfg.Unit.Export(last[0])
	}
	return out, nil
}

// material makes new material, or seals what the caller brought.
func (c *call) material(h Header, payload []byte, under []fsm.Pattern) ([][]byte, error) {
	blobs, err := c.s.cfg.Unit.Make([]KeyToMake{{Header: h, Material: payload, Size: generatedSize}}, under)
	if err != nil {
		return nil, err
	}
	return blobs[0], nil
}

// Rotate gives a root key new material: made by the unit, or payload if the key was imported. What was wrapped before
// still unwraps.
func (s *Service) Rotate(ctx context.Context, caller Caller, idOrAlias string, payload []byte) error {
	defer clear(payload)
	c, key, err := s.beginOn(ctx, caller, ActionRotate, idOrAlias)
	if err != nil {
		return err
	}
	defer c.end()
	if err := c.rotatable(key, payload); err != nil {
		return err
	}
	id := newID()
	header := Header{
		Use: UseRoot, Class: fsm.ClassKMS, Instance: c.cluster.Instance, Key: key.ID, Version: key.Current().Number + 1, Owner: ownerKMS,
	}
	return c.seal(func(under []fsm.Pattern) ([][]byte, error) {
		return c.material(header, payload, under)
	}, func(m fsm.Material) fsm.Command {
		return &fsm.AddKeyVersion{
			Key: key.ID, Record: key.Record, Version: id, Material: m, Imported: payload != nil, By: c.by(), At: fsm.TimeOf(c.now()),
		}
	})
}

func (c *call) rotatable(key fsm.Key, payload []byte) error {
	switch state := stateOf(key, c.now()); {
	case key.Metadata.Extractable:
		return ErrNotRoot.with("key %s is a standard key: only a root key is rotated", FormatID(key.ID))
	case state != fsm.KeyActive:
		return ErrKeyState.with("key %s is in state %d: only an active key (1) is rotated", FormatID(key.ID), state)
	case key.Current().Imported && payload == nil:
		return ErrField.with("payload: key %s was imported, so its new material must be given", FormatID(key.ID))
	case !key.Current().Imported && payload != nil:
		return ErrField.with("payload: key %s was made here, so is its new material: give none", FormatID(key.ID))
	case payload != nil:
		return checkRootPayload(len(payload))
	}
	return nil
}
