package fsm

import "fmt"

// EpochBytes is what the current epoch's blobs take on this node's disk, roughly: what is in memory only is not in it.
func (s *Store) EpochBytes() (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.stopped != nil {
		return 0, s.stopped
	}
	prefix := epochKey(s.published.control.cluster.Epochs.Current)
	bytes, err := s.db.EstimateDiskUsage(prefix, after(prefix))
	if err != nil {
		return 0, fmt.Errorf("measuring the current epoch: %w", err)
	}
	return bytes, nil
}
