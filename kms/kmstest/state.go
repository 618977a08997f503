package kmstest

import (
	"context"
	"maps"
	"slices"
	"sync"

	"tumbler/fsm"
	"tumbler/kms"
)

// State is a replicated state of one node.
type State struct {
	mu    sync.Mutex
	now   content
	hooks hooks
}

type hooks struct {
	propose func(fsm.Command) error // before a command is judged; an error is the answer
	view    func()                  // after a view was taken
}

type content struct {
	cluster fsm.Cluster
	service fsm.ServiceState
	keys    map[fsm.ID]fsm.Key
	aliases map[string]fsm.ID
	apiKeys map[fsm.ID]fsm.APIKeyRecord
	blobs   map[place][]byte
	aside   map[uint64]bool
}

type place struct{ epoch, number uint64 }

// NewState makes the state of a cluster that is founded and has a master key of that pattern.
func NewState(instance fsm.ID, pattern fsm.Pattern) *State {
	return &State{now: content{
		cluster: fsm.Cluster{Instance: instance, Pattern: pattern, Epochs: fsm.Epochs{Current: 1, Last: 1}, NextBlob: 1},
		service: fsm.ServiceState{Bootstrapped: true, Patterns: []fsm.Pattern{pattern}},
		keys:    map[fsm.ID]fsm.Key{}, aliases: map[string]fsm.ID{}, apiKeys: map[fsm.ID]fsm.APIKeyRecord{}, blobs: map[place][]byte{}, aside: map[uint64]bool{},
	}}
}

// BeforePropose has f judge every command first; nil ends that.
func (s *State) BeforePropose(f func(fsm.Command) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.propose = f
}

// AfterView has f run whenever a view was taken; nil ends that.
func (s *State) AfterView(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks.view = f
}

// SetService sets what the state asks for and refuses, and no pattern at all is an instance without a master key.
func (s *State) SetService(service fsm.ServiceState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.service = service
}

// BeginRewrap asks for pairs from now on, or refuses new material if the policy is documented.
func (s *State) BeginRewrap(order fsm.Digest, to fsm.Pattern, policy string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.cluster.Epochs.Next = s.now.cluster.Epochs.Last + 1
	s.now.cluster.Epochs.Last++
	s.now.service.Order, s.now.service.Policy = order, policy
	s.now.service.Rotation = fsm.StateRewrapping
	s.now.service.MasterKeyRotationInProgress = policy == "documented"
	s.now.service.Patterns = []fsm.Pattern{s.now.cluster.Pattern, to}
}

// Flip makes the next epoch current, after rewrap has turned each blob of 1..N that has no pair yet.
func (s *State) Flip(rewrap func(blob []byte) []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	epochs := s.now.cluster.Epochs
	blobs := maps.Clone(s.now.blobs)
	for at, blob := range s.now.blobs {
		next := place{epochs.Next, at.number}
		if at.epoch == epochs.Current && blobs[next] == nil {
			blobs[next] = rewrap(blob)
		}
	}
	maps.DeleteFunc(blobs, func(at place, _ []byte) bool { return at.epoch != epochs.Next })
	s.now.blobs = blobs
	s.now.cluster.Pattern = s.now.service.Patterns[1]
	s.now.cluster.Epochs.Current, s.now.cluster.Epochs.Next = epochs.Next, 0
	s.now.service = fsm.ServiceState{Bootstrapped: true, Patterns: []fsm.Pattern{s.now.cluster.Pattern}}
}

// SetAside takes a blob out of every epoch, as a quorum's order does.
func (s *State) SetAside(number uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.aside[number] = true
	maps.DeleteFunc(s.now.blobs, func(at place, _ []byte) bool { return at.number == number })
}

// ReadIndex is at once.
func (s *State) ReadIndex(ctx context.Context) error { return ctx.Err() }

// View gives the state as it is now.
func (s *State) View() (kms.View, error) {
	s.mu.Lock()
	out := view{s.now}
	out.keys, out.aliases, out.apiKeys, out.blobs = maps.Clone(s.now.keys), maps.Clone(s.now.aliases), maps.Clone(s.now.apiKeys), maps.Clone(s.now.blobs)
	out.aside = maps.Clone(s.now.aside)
	after := s.hooks.view
	s.mu.Unlock()
	if after != nil {
		after()
	}
	return out, nil
}

type view struct{ content }

func (v view) Cluster() fsm.Cluster           { return v.cluster }
func (v view) ServiceState() fsm.ServiceState { return v.service }
func (v view) Close() error                   { return nil }

func (v view) Key(id fsm.ID) (fsm.Key, error) {
	key, ok := v.keys[id]
	if !ok || key.Purged {
		return fsm.Key{}, fsm.ErrNotFound
	}
	return key, nil
}

func (v view) KeyByAlias(alias string) (fsm.Key, error) {
	id, ok := v.aliases[alias]
	if !ok {
		return fsm.Key{}, fsm.ErrNotFound
	}
	return v.Key(id)
}

func (v view) APIKey(id fsm.ID) (fsm.APIKeyRecord, error) {
	record, ok := v.apiKeys[id]
	if !ok {
		return record, fsm.ErrNotFound
	}
	return record, nil
}

func (v view) Blob(epoch, number uint64) (fsm.BlobRecord, error) {
	blob, ok := v.blobs[place{epoch, number}]
	switch {
	case v.aside[number]:
		return fsm.BlobRecord{}, fsm.ErrSetAside
	case !ok:
		return fsm.BlobRecord{}, fsm.ErrNotFound
	}
	return fsm.BlobRecord{Number: number, Blob: slices.Clone(blob)}, nil
}

func (v view) Keys(f fsm.KeyFilter, offset, limit int) ([]fsm.Key, error) {
	var out []fsm.Key
	for _, key := range v.keys {
		state := f.States == nil && key.State != fsm.KeyDestroyed || slices.Contains(f.States, key.State)
		if state && !key.Purged && key.Class == f.Class && (f.Extractable == nil || *f.Extractable == key.Metadata.Extractable) {
			out = append(out, key)
		}
	}
	slices.SortFunc(out, func(a, b fsm.Key) int {
		return slices.Compare(a.ID[:], b.ID[:])
	})
	out = out[min(offset, len(out)):]
	return out[:min(limit, len(out))], nil
}
