package kmstest

import (
	"context"
	"slices"

	"tumbler/fsm"
)

// Propose applies a command at once.
func (s *State) Propose(ctx context.Context, command fsm.Command) (fsm.Result, error) {
	if err := ctx.Err(); err != nil {
		return fsm.Result{}, err
	}
	s.mu.Lock()
	before := s.hooks.propose
	s.mu.Unlock()
	if before != nil {
		if err := before(command); err != nil {
			return fsm.Result{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return fsm.Result{}, s.apply(command)
}

func (s *State) apply(command fsm.Command) error {
	switch c := command.(type) {
	case *fsm.CreateAPIKey:
		s.now.apiKeys[c.APIKey.ID] = c.APIKey
		return nil
	case *fsm.DeleteAPIKey:
		delete(s.now.apiKeys, c.ID)
		return nil
	case *fsm.CreateKey:
		return s.create(c)
	case *fsm.CreateKeys:
		return s.createMany(c)
	case *fsm.AddKeyVersion:
		return s.addVersion(c)
	case *fsm.DeleteKey:
		return s.change(c.Key, c.Record, func(k *fsm.Key) error {
			k.Before, k.State, k.Deleted = k.State, fsm.KeyDestroyed, fsm.Stamp{At: c.At, By: c.By}
			return nil
		})
	case *fsm.RestoreKey:
		return s.change(c.Key, c.Record, func(k *fsm.Key) error {
			if k.State != fsm.KeyDestroyed {
				return fsm.ErrKeyState
			}
			k.State, k.Deleted = k.Before, fsm.Stamp{}
			return nil
		})
	case *fsm.PurgeKey:
		return s.change(c.Key, c.Record, func(k *fsm.Key) error {
			if k.State != fsm.KeyDestroyed {
				return fsm.ErrKeyState
			}
			k.Purged = true
			return nil
		})
	}
	return fsm.ErrInvalid
}

func (s *State) create(c *fsm.CreateKey) error {
	if _, exists := s.now.keys[c.Key]; exists {
		return fsm.ErrKeyExists
	}
	for _, alias := range c.Metadata.Aliases {
		if _, taken := s.now.aliases[alias]; taken {
			return fsm.ErrAliasTaken
		}
	}
	number, err := s.material(c.Material)
	if err != nil {
		return err
	}
	stamp := fsm.Stamp{At: c.At, By: c.By}
	s.now.keys[c.Key] = fsm.Key{
		ID: c.Key, Class: c.Class, Metadata: c.Metadata, State: c.State, Record: 1, Created: stamp, Updated: stamp,
		Versions: []fsm.KeyVersion{{Number: 1, ID: c.Key, Blob: number, Imported: c.Imported, Created: stamp}},
	}
	for _, alias := range c.Metadata.Aliases {
		s.now.aliases[alias] = c.Key
	}
	return nil
}

func (s *State) createMany(c *fsm.CreateKeys) error {
	for _, k := range c.Keys {
		if _, exists := s.now.keys[k.Key]; exists {
			return fsm.ErrKeyExists
		}
	}
	for _, k := range c.Keys {
		m := fsm.Material{Order: c.Order}
		for i, blob := range k.Blobs {
			m.Blobs = append(m.Blobs, fsm.PatternBlob{Pattern: c.Patterns[i], Blob: blob})
		}
		one := fsm.CreateKey{Key: k.Key, Class: c.Class, Metadata: k.Metadata, State: fsm.KeyActive, Material: m, Imported: k.Imported, By: c.By, At: c.At}
		if err := s.create(&one); err != nil {
			return err
		}
	}
	return nil
}

func (s *State) addVersion(c *fsm.AddKeyVersion) error {
	key, ok := s.now.keys[c.Key]
	if !ok || key.Purged {
		return fsm.ErrKeyNotFound
	}
	if key.Record != c.Record {
		return fsm.ErrRecordChanged
	}
	if c.Replaces != 0 {
		return s.replace(key, c)
	}
	number, err := s.material(c.Material)
	if err != nil {
		return err
	}
	return s.change(c.Key, c.Record, func(k *fsm.Key) error {
		k.Versions = append(slices.Clone(k.Versions), fsm.KeyVersion{
			Number: uint32(len(k.Versions)) + 1, ID: c.Version, Blob: number, Imported: c.Imported, Created: fsm.Stamp{At: c.At, By: c.By},
		})
		return nil
	})
}

// replace gives a version whose blob was set aside another one.
func (s *State) replace(key fsm.Key, c *fsm.AddKeyVersion) error {
	at := slices.IndexFunc(key.Versions, func(v fsm.KeyVersion) bool { return v.Number == c.Replaces })
	if at < 0 || !s.now.aside[key.Versions[at].Blob] {
		return fsm.ErrBlobUnknown
	}
	number, err := s.material(c.Material)
	if err != nil {
		return err
	}
	delete(s.now.aside, key.Versions[at].Blob)
	return s.change(c.Key, c.Record, func(k *fsm.Key) error {
		k.Versions = slices.Clone(k.Versions)
		k.Versions[at].Blob = number
		return nil
	})
}

func (s *State) change(id fsm.ID, record uint64, how func(*fsm.Key) error) error {
	key, ok := s.now.keys[id]
	if !ok || key.Purged {
		return fsm.ErrKeyNotFound
	}
	if record != 0 && key.Record != record {
		return fsm.ErrRecordChanged
	}
	if err := how(&key); err != nil {
		return err
	}
	key.Record++
	s.now.keys[id] = key
	return nil
}

// material accepts the blobs that the state asks for now, and no others.
func (s *State) material(m fsm.Material) (uint64, error) {
	service := s.now.service
	if service.MasterKeyRotationInProgress {
		return 0, fsm.ErrMasterKeyRotationInProgress
	}
	if len(service.Patterns) == 0 {
		return 0, fsm.ErrNoMasterKey
	}
	if m.Order != service.Order || len(m.Blobs) != len(service.Patterns) {
		return 0, fsm.ErrSealAgain
	}
	for i, blob := range m.Blobs {
		if blob.Pattern != service.Patterns[i] {
			return 0, fsm.ErrSealAgain
		}
	}
	number := s.now.cluster.NextBlob
	s.now.cluster.NextBlob++
	epochs := []uint64{s.now.cluster.Epochs.Current, s.now.cluster.Epochs.Next}
	for i, blob := range m.Blobs {
		s.now.blobs[place{epochs[i], number}] = blob.Blob
	}
	return number, nil
}
