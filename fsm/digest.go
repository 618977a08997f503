package fsm

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// digestAt is a digest of the whole state at one index, under way or done.
type digestAt struct {
	done chan struct{}
	sum  [32]byte
	err  error
}

// maxDigests is how many are remembered.
const maxDigests = 16

// promiseDigest comes before the index can be seen: who has waited for it then finds that the digest is on its way.
func (s *Store) promiseDigest(index uint64) *digestAt {
	d := &digestAt{done: make(chan struct{})}
	s.mu.Lock()
	defer s.mu.Unlock()
	for old := range s.digests {
		if len(s.digests) >= maxDigests && old+maxDigests < index {
			delete(s.digests, old)
		}
	}
	s.digests[index] = d
	return d
}

// beginDigest hashes a snapshot of the state just committed, beside the apply goroutine.
func (s *Store) beginDigest(d *digestAt) {
	s.mu.Lock()
	snap, views := s.db.NewSnapshot(), s.views
	views.Add(1)
	s.mu.Unlock()
	go func() {
		defer views.Done()
		defer close(d.done)
		defer snap.Close()
		d.sum, d.err = hashAll(snap)
	}()
}

// hashAll is SHA-256 over every key and value, each behind its length, in order.
func hashAll(from reader) (sum [32]byte, err error) { return hashRanges(from, [][2][]byte{{nil, nil}}) }

func hashRanges(from reader, ranges [][2][]byte) (sum [32]byte, err error) {
	h := sha256.New()
	var length [8]byte
	add := func(b []byte) {
		binary.BigEndian.PutUint64(length[:], uint64(len(b)))
		h.Write(length[:])
		h.Write(b)
	}
	for _, r := range ranges {
		err := scanRange(from, r[0], r[1], func(key, value []byte) (bool, error) {
			add(key)
			add(value)
			return true, nil
		})
		if err != nil {
			return sum, err
		}
	}
	h.Sum(sum[:0])
	return sum, nil
}

// DigestAt is the digest of the state at the index of a DigestState entry. It waits until this node has it. An entry that
// was applied before this process began, or long ago, is ErrNotFound.
func (s *Store) DigestAt(ctx context.Context, index uint64) (sum [32]byte, err error) {
	if err := s.WaitApplied(ctx, index); err != nil {
		return sum, err
	}
	s.mu.RLock()
	d := s.digests[index]
	s.mu.RUnlock()
	if d == nil {
		return sum, fmt.Errorf("%w: a digest at index %d", ErrNotFound, index)
	}
	select {
	case <-ctx.Done():
		return sum, ctx.Err()
	case <-d.done:
		return d.sum, d.err
	}
}

// Digest is SHA-256 over what the state says: every record but the applied index and the results that are remembered, which an
// entry that is refused leaves too.
func (v *View) Digest() ([32]byte, error) {
	return hashRanges(v.snap, [][2][]byte{{nil, {spaceMeta}}, {{spaceMeta + 1}, {spaceResult}}, {{spaceResult + 1}, nil}})
}
