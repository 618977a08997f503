//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
)

// key is a root key of the load.
type key struct {
	name   string
	number int
	id     string // "": its create was not answered
	// what was wrapped under it, and how that looks; nil: nothing yet
	data, wrapped []byte
	doubtful      bool // a delete was sent
	dead          bool // it was deleted
}

// bucket begins the names of keys that are listed together.
func (k *key) bucket() string { return bucketName(k.number) }

func bucketName(number int) string { return fmt.Sprintf("b%06d-", number/bucketSize) }

// keys is those that the load made. Its methods may be called by many at once.
type keys struct {
	mu     sync.Mutex
	byName map[string]*key
	alive  []*key // as far as we know
	named  int
	made   int
}

// next names a key that is not there yet.
func (s *keys) next() *key {
	s.mu.Lock()
	defer s.mu.Unlock()
	k := &key{name: fmt.Sprintf("%s%d", bucketName(s.named), s.named), number: s.named}
	s.named++
	s.made++
	s.byName[k.name] = k
	return k
}

func (s *keys) born(k *key, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.id == "" {
		k.id = id
		s.alive = append(s.alive, k)
	}
}

// found takes up a key whose create was not answered.
func (s *keys) found(name, id string) {
	s.mu.Lock()
	k := s.byName[name]
	s.mu.Unlock()
	s.born(k, id)
}

// drop: it was refused, so there never was such a key.
func (s *keys) drop(k *key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byName, k.name)
	s.made--
}

// any gives a key that lives as far as we know; nil: there is none.
func (s *keys) any(random *rand.Rand) *key {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.alive) == 0 {
		return nil
	}
	return s.alive[random.IntN(len(s.alive))]
}

func (s *keys) doubt(k *key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.doubtful = true
}

func (s *keys) mayBeGone(k *key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.doubtful
}

// buried: it is deleted for certain. It stays in the list for a while, so that others call it still.
func (s *keys) buried(k *key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.dead = true
}

func (s *keys) keep(k *key, data, wrapped []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if k.wrapped == nil { // the oldest has seen the most master keys
		k.data, k.wrapped = data, wrapped
	}
}

func (s *keys) kept(k *key) (data, wrapped []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.data, k.wrapped
}

// of gives the names in a bucket.
func (s *keys) of(bucket string) (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.byName {
		if len(name) > len(bucket) && name[:len(bucket)] == bucket {
			names = append(names, name)
		}
	}
	return names
}

func (s *keys) all() (all []*key) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.byName {
		all = append(all, k)
	}
	return all
}

// forget leaves out of the load what is deleted, or never came to be, and names it: it was looked at for the last time.
func (s *keys) forget() (names []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, k := range s.byName {
		if k.dead || k.id == "" {
			delete(s.byName, name)
			names = append(names, name)
		}
	}
	s.alive = slices.DeleteFunc(s.alive, func(k *key) bool { return k.dead })
	return names
}

func (s *keys) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.alive)
}

func (s *keys) total() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.made
}
