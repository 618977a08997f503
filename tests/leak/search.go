package leak

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// searcher looks for many patterns at once.
type searcher struct {
	starts  [1 << 16]bool // the first two bytes of a pattern
	by      map[[2]byte][]pattern
	longest int
}

func newSearcher(all []pattern) *searcher {
	s := &searcher{by: map[[2]byte][]pattern{}}
	for _, p := range all {
		start := [2]byte(p.bytes)
		s.starts[uint16(start[0])<<8|uint16(start[1])] = true
		s.by[start] = append(s.by[start], p)
		s.longest = max(s.longest, len(p.bytes))
	}
	return s
}

// at gives the pattern that b begins with, or nil.
func (s *searcher) at(b []byte) *pattern {
	for i, p := range s.by[[2]byte(b)] {
		if bytes.HasPrefix(b, p.bytes) {
			return &s.by[[2]byte(b)][i]
		}
	}
	return nil
}

// search tells of every pattern that begins in the first n bytes of b.
func (s *searcher) search(b []byte, n int, found func(at int, p *pattern)) {
	for i := range min(n, len(b)-1) {
		if s.starts[uint16(b[i])<<8|uint16(b[i+1])] {
			if p := s.at(b[i:]); p != nil {
				found(i, p)
			}
		}
	}
}

// place is somewhere that was searched.
type place struct {
	name  string
	bytes int64
	found int
	by    []finding // one for each kind and form
}

// finding is what was found of one kind in one form.
type finding struct {
	what  string
	count int
	first string // where
}

// add counts a finding.
func (p *place) add(what, where string) {
	p.found++
	for i := range p.by {
		if p.by[i].what == what {
			p.by[i].count++
			return
		}
	}
	p.by = append(p.by, finding{what, 1, where})
}

// bytesOf searches bytes that are called source.
func (s *searcher) bytesOf(p *place, source string, b []byte) {
	_ = s.stream(p, source, bytes.NewReader(b)) // which never fails
}

// stream searches what a reader gives.
func (s *searcher) stream(p *place, source string, r io.Reader) error {
	buffer := make([]byte, 1<<20)
	var held, offset int
	for {
		n, err := io.ReadFull(r, buffer[held:])
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if err != nil && !ended {
			return fmt.Errorf("%s: %w", source, err)
		}
		whole := buffer[:held+n]
		p.bytes += int64(n)
		begin := len(whole)
		if !ended { // what begins later may go on in the next bytes
			begin -= s.longest - 1
		}
		s.search(whole, begin, func(at int, what *pattern) {
			p.add(what.what, fmt.Sprintf("%s at %d", source, offset+at))
		})
		if ended {
			return nil
		}
		held = copy(buffer, whole[begin:])
		offset += begin
	}
}

// files searches every file at or below some paths, which are told relative to a folder.
func (s *searcher) files(name, folder string, paths ...string) (*place, error) {
	p := &place{name: name}
	for _, path := range paths {
		err := filepath.WalkDir(path, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || !entry.Type().IsRegular() {
				return err
			}
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			return s.stream(p, strings.TrimPrefix(path, folder+"/"), file)
		})
		if err != nil {
			return p, err
		}
	}
	return p, nil
}
