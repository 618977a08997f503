package cluster

import (
	"sort"
	"sync"
)

// logSizes tells how many bytes of log lie above an index, to within markEvery. What was in the log before the start is
// counted roughly; it decides nothing but when a snapshot is due.
type logSizes struct {
	mu    sync.Mutex
	total int64
	marks []mark // by index
}

// mark: total bytes up to and including index.
type mark struct {
	index uint64
	total int64
}

const markEvery = 256 << 10

func (s *logSizes) add(index uint64, bytes int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total += bytes
	if n := len(s.marks); n == 0 || s.total-s.marks[n-1].total >= markEvery {
		s.marks = append(s.marks, mark{index, s.total})
	}
}

// cut forgets marks in a range that was deleted.
func (s *logSizes) cut(from, to uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.marks[:0]
	tail := len(s.marks) > 0 && to >= s.marks[len(s.marks)-1].index
	for _, m := range s.marks {
		if m.index < from || m.index > to {
			kept = append(kept, m)
		}
	}
	s.marks = kept
	if n := len(kept); tail && n > 0 {
		s.total = kept[n-1].total
	}
}

// above is the number of bytes after the index.
func (s *logSizes) above(index uint64) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.marks), func(i int) bool { return s.marks[i].index > index })
	switch {
	case i > 0:
		return s.total - s.marks[i-1].total
	case len(s.marks) > 0:
		return s.total - s.marks[0].total + markEvery
	default:
		return 0
	}
}

// newest is the lowest index above which there are at most that many bytes, or 0 if all that is known is less.
func (s *logSizes) newest(bytes int64) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := sort.Search(len(s.marks), func(i int) bool { return s.total-s.marks[i].total <= bytes })
	if i == 0 || len(s.marks) == 0 {
		return 0
	}
	return s.marks[min(i, len(s.marks)-1)].index
}
