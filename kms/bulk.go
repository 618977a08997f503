package kms

import (
	"context"
	"fmt"

	"tumbler/fsm"
)

// MaxBulk is how many keys one CreateMany makes at most, and maxBulkMaterial how many bytes of material they have in all:
// what one entry of the log takes, as a pair for each key during a rotation.
const (
	MaxBulk         = 2000
	maxBulkMaterial = 1 << 20
)

// BulkKey is one key of CreateMany. Its id is the caller's choice, so that the call can be made again when its outcome is
// unknown: then the keys are there (ErrKeyExists) or they are not.
type BulkKey struct {
	ID string // a UUID in lower case; "": the service chooses
	NewKey
}

// CreateMany makes or imports up to MaxBulk keys in one entry of the log, all of them or none, and gives their ids in the
// order given. Payloads are erased before it returns, and are in no answer.
func (s *Service) CreateMany(ctx context.Context, caller Caller, want []BulkKey) ([]string, error) {
	defer func() {
		for i := range want {
			clear(want[i].Payload)
		}
	}()
	c, err := s.begin(ctx, caller, ActionBulk, fmt.Sprintf("%d keys", len(want)))
	if err != nil {
		return nil, err
	}
	defer c.end()
	keys, err := c.bulk(want)
	if err != nil {
		return nil, err
	}
	err = c.sealMany(want, keys)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = FormatID(k.Key)
	}
	return ids, nil
}

// bulk checks what is wanted, and gives the keys without their blobs.
func (c *call) bulk(want []BulkKey) ([]fsm.BulkKey, error) {
	if len(want) == 0 || len(want) > MaxBulk {
		return nil, ErrBody.with("resources: %d keys; want 1 to %d in a call", len(want), MaxBulk)
	}
	size := 0
	keys := make([]fsm.BulkKey, len(want))
	for i, w := range want {
		metadata, err := w.metadata(c.now())
		if err != nil {
			return nil, inBulk(i, err)
		}
		keys[i] = fsm.BulkKey{Key: newID(), Metadata: metadata, Imported: w.Payload != nil}
		if w.ID != "" {
			id, ok := ParseID(w.ID)
			if !ok {
				return nil, inBulk(i, ErrField.with("id: %q is not a UUID in lower case", printable(w.ID)))
			}
			keys[i].Key = id
		}
		size += max(len(w.Payload), generatedSize)
	}
	if size > maxBulkMaterial {
		return nil, ErrTooLarge.with("%d bytes of material; at most %d in a call: send fewer keys at a time", size, maxBulkMaterial)
	}
	return keys, nil
}

// inBulk says which key a refusal is about.
func inBulk(i int, err error) error {
	if told(err) {
		refused := *err.(*Error) //nolint:errorlint // told has looked, and what metadata gives is not wrapped
		refused.Detail = fmt.Sprintf("resources[%d]: %s", i, refused.Detail)
		return &refused
	}
	return err
}

// sealMany seals every key and proposes them together; again if the state has moved on meanwhile.
func (c *call) sealMany(want []BulkKey, keys []fsm.BulkKey) error {
	command := &fsm.CreateKeys{Class: fsm.ClassKMS, Keys: keys, By: c.by(), At: fsm.TimeOf(c.now())}
	return c.seal(func(under []fsm.Pattern) ([][]byte, error) {
		command.Patterns = under
		made := make([]KeyToMake, len(keys))
		for i := range keys {
			h := Header{Use: UseRoot, Class: fsm.ClassKMS, Instance: c.cluster.Instance, Key: keys[i].Key, Version: 1, Owner: ownerKMS}
			if want[i].Extractable {
				h.Use = UseStandard
			}
			made[i] = KeyToMake{Header: h, Material: want[i].Payload, Size: generatedSize}
		}
		blobs, err := c.s.cfg.Unit.Make(made, under)
		for i := range blobs {
			keys[i].Blobs = blobs[i]
		}
		return nil, err
	}, func(m fsm.Material) fsm.Command {
		command.Order = m.Order
		return command
	})
}
