package cluster

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// tally is the replicated state of the tests: a set of words, each with the number of times that it was applied, and the
// sizes of its tables. The word "fail" is an error.
type tally struct {
	flushes atomic.Int64 // ahead of snapshots
	dir     string       // Config.Dir
	spare   string       // for checkpoints

	mu       sync.Mutex
	index    uint64
	counts   map[string]int
	tables   map[string]int
	restores int
	moved    chan struct{} // closed when index changes
	hold     chan struct{} // if set, Apply waits until it is closed
}

func newTally(dir string) *tally {
	return &tally{dir: dir, spare: dir + "-spare", counts: map[string]int{}, tables: map[string]int{}, moved: make(chan struct{})}
}

func (f *tally) Apply(entry *raft.Log) any { return f.ApplyBatch([]*raft.Log{entry})[0] }

func (f *tally) ApplyBatch(entries []*raft.Log) []any {
	f.mu.Lock()
	hold := f.hold
	f.mu.Unlock()
	if hold != nil {
		<-hold
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]any, len(entries))
	for i, entry := range entries {
		if entry.Type != raft.LogCommand {
			continue
		}
		if entry.Index <= f.index {
			out[i] = []byte("old")
			continue
		}
		word := string(entry.Data)
		if word == "fail" {
			out[i] = errors.New("this state machine is broken")
			continue
		}
		if len(entry.Extensions) > 0 {
			b, err := os.ReadFile(TablePath(f.dir, entry.Index, entry.Term))
			if err != nil || string(b) != string(entry.Extensions) {
				out[i] = fmt.Errorf("the table of entry %d is not in its file: %w", entry.Index, err)
				continue
			}
		}
		f.counts[word]++
		f.tables[word] = len(entry.Extensions)
		f.index = entry.Index
		out[i] = []byte(fmt.Sprintf("%s %d", word, f.counts[word]))
	}
	close(f.moved)
	f.moved = make(chan struct{})
	return out
}

func (f *tally) AppliedIndex() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.index
}

func (f *tally) WaitApplied(ctx context.Context, index uint64) error {
	for {
		f.mu.Lock()
		done, moved := f.index >= index, f.moved
		f.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Hold stops Apply until the returned function is called.
func (f *tally) Hold() (release func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	hold := make(chan struct{})
	f.hold = hold
	return sync.OnceFunc(func() {
		f.mu.Lock()
		f.hold = nil
		f.mu.Unlock()
		close(hold)
	})
}

type tallyState struct {
	Index  uint64
	Counts map[string]int
	Tables map[string]int
}

func (f *tally) Flush() error { f.flushes.Add(1); return nil }

func (f *tally) Snapshot() (raft.FSMSnapshot, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := os.MkdirAll(f.spare, 0o700); err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp(f.spare, "")
	if err != nil {
		return nil, err
	}
	b := must(json.Marshal(tallyState{f.index, f.counts, f.tables}))
	if err := os.Mkdir(filepath.Join(folder, "sub"), 0o700); err != nil {
		return nil, err
	}
	return folderSnapshot(folder), os.WriteFile(filepath.Join(folder, "sub", "state.json"), b, 0o600)
}

type folderSnapshot string

func (s folderSnapshot) Persist(sink raft.SnapshotSink) error {
	return sink.(interface{ AdoptFolder(string) error }).AdoptFolder(string(s))
}

func (s folderSnapshot) Release() {}

func (f *tally) Restore(r io.ReadCloser) error {
	defer r.Close()
	in := tar.NewReader(r)
	for {
		header, err := in.Next()
		if err != nil {
			return err
		}
		if header.Name == "sub/state.json" {
			if err := f.load(in); err != nil {
				return err
			}
			break
		}
	}
	inner := r
	for {
		wrapped, ok := inner.(raft.ReadCloserWrapper)
		if !ok {
			break
		}
		inner = wrapped.WrappedReadCloser()
	}
	folder := inner.(interface{ Folder() string }).Folder()
	_, err := os.Stat(filepath.Join(folder, "sub", "state.json"))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.restores++
	return err
}

func (f *tally) load(r io.Reader) error {
	var state tallyState
	if err := json.NewDecoder(r).Decode(&state); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.index, f.counts, f.tables = state.Index, state.Counts, state.Tables
	close(f.moved)
	f.moved = make(chan struct{})
	return nil
}

// Recover is Config.Recover of a state machine that is in memory alone.
func (f *tally) Recover(d Durable) error {
	if d.Snapshot == "" {
		return nil
	}
	in, err := os.Open(filepath.Join(d.Snapshot, "sub", "state.json"))
	if err != nil {
		return err
	}
	defer in.Close()
	return f.load(in)
}

func (f *tally) Count(word string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[word]
}
