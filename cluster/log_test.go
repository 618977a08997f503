package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

func bigTable() []byte { return bytes.Repeat([]byte("0123456789abcdef"), 32<<10) }

func tableFiles(t *testing.T, dir string) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, tablesFolder, "*"))
	check(err)
	return files
}

func openLog(t *testing.T, dir string) *logStore {
	t.Helper()
	s, err := openLogStore(dir, hclog.NewNullLogger())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func entry(index, term uint64, table []byte) *raft.Log {
	return &raft.Log{Index: index, Term: term, Type: raft.LogCommand, Data: fmt.Appendf(nil, "entry %d", index), Extensions: table}
}

func TestATableLiesBesideItsEntry(t *testing.T) {
	s := openLog(t, t.TempDir())
	table := bigTable()
	check(s.StoreLogs([]*raft.Log{entry(1, 1, nil), entry(2, 1, table), entry(3, 1, bigTable()[1:])}))
	var got raft.Log
	check(s.GetLog(2, &got))
	if !bytes.Equal(got.Extensions, table) || string(got.Data) != "entry 2" {
		t.Errorf("got %q with %d bytes", got.Data, len(got.Extensions))
	}
	if b := must(os.ReadFile(TablePath(s.dir, 2, 1))); !bytes.Equal(b, table) {
		t.Error("the file is not the table, byte for byte")
	}
	check(s.GetLog(1, &got))
	if len(got.Extensions) != 0 {
		t.Error("an entry without a table has one")
	}
	var raw raft.Log
	check(s.bolt.GetLog(2, &raw))
	if len(raw.Extensions) != stubSize {
		t.Errorf("the log itself holds %d bytes of the table", len(raw.Extensions))
	}
	if err := s.GetLog(4, &got); !errors.Is(err, raft.ErrLogNotFound) {
		t.Errorf("no such entry: %v", err)
	}
	// A new leader replaces entries 2 and 3: stubs and tables go, others stay.
	check(s.DeleteRange(2, 3))
	check(s.StoreLog(entry(2, 7, table)))
	if files := tableFiles(t, s.dir); len(files) != 1 || files[0] != TablePath(s.dir, 2, 7) {
		t.Errorf("left: %v", files)
	}
}

// TestAnEntryIsNotThereWithoutItsTable: a table that cannot be written keeps its entry out of the log, and those that come with it.
func TestAnEntryIsNotThereWithoutItsTable(t *testing.T) {
	s := openLog(t, t.TempDir())
	check(s.StoreLog(entry(1, 1, nil)))
	check(os.Remove(filepath.Join(s.dir, tablesFolder)))
	if err := s.StoreLogs([]*raft.Log{entry(2, 1, nil), entry(3, 1, bigTable())}); err == nil {
		t.Error("a table was stored where there is no folder for it")
	}
	if last := must(s.LastIndex()); last != 1 {
		t.Errorf("the log ends at %d, and the table of an entry in it is nowhere", last)
	}
}

func TestALinkedTableIsNeverWrittenAgain(t *testing.T) {
	s := openLog(t, t.TempDir())
	first, other := bigTable(), bytes.Repeat([]byte("x"), SmallTable)
	check(s.StoreLog(entry(1, 1, first)))
	link := filepath.Join(t.TempDir(), "link")
	check(os.Link(TablePath(s.dir, 1, 1), link))
	check(s.StoreLog(entry(1, 1, other)))
	if !bytes.Equal(must(os.ReadFile(link)), first) {
		t.Error("the state machine's link now reads otherwise")
	}
}

func TestATableThatNoEntryNamesIsRemovedAtStart(t *testing.T) {
	dir := t.TempDir()
	s := openLog(t, dir)
	check(s.StoreLogs([]*raft.Log{entry(1, 1, bigTable()), entry(2, 1, nil)}))
	// The crash came before the stubs: of a new entry, of one that has no table, of one that another leader replaced.
	for _, at := range [][2]uint64{{3, 1}, {2, 1}, {1, 9}} {
		check(writeTable(TablePath(dir, at[0], at[1]), []byte("rubbish")))
	}
	check(os.WriteFile(filepath.Join(dir, tablesFolder, "notes.txt"), nil, 0o600))
	check(s.recover(0, 0))
	left := tableFiles(t, dir)
	if len(left) != 2 || left[0] != TablePath(dir, 1, 1) {
		t.Errorf("left: %v", left)
	}
}

func TestADamagedTableIsNoticed(t *testing.T) {
	damages := map[string]func(path string){
		"missing":   func(path string) { check(os.Remove(path)) },
		"truncated": func(path string) { check(os.Truncate(path, 10)) },
		"flipped": func(path string) {
			b := must(os.ReadFile(path))
			b[len(b)/2] ^= 1
			check(os.WriteFile(path, b, 0o600))
		},
		"longer": func(path string) {
			check(os.WriteFile(path, append(must(os.ReadFile(path)), 0), 0o600))
		},
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			s := openLog(t, t.TempDir())
			var reported error
			s.damaged = func(err error) { reported = err }
			check(s.StoreLogs([]*raft.Log{entry(1, 1, bigTable()), entry(2, 1, nil)}))
			damage(TablePath(s.dir, 1, 1))
			var got raft.Log
			if err := s.GetLog(1, &got); !errors.Is(err, ErrDamaged) || !errors.Is(reported, ErrDamaged) || got.Index != 0 {
				t.Errorf("read: %v, reported: %v, got %+v", err, reported, got)
			}
			if err := s.recover(0, 0); !errors.Is(err, ErrDamaged) || !contains(err, damageHint) {
				t.Errorf("start: %v", err)
			}
			// A snapshot has it: members that need the entry get that.
			s.covered = func() uint64 { return 1 }
			if err := s.GetLog(1, &got); !errors.Is(err, raft.ErrLogNotFound) {
				t.Errorf("read below a snapshot: %v", err)
			}
			check(s.recover(1, 1))
		})
	}
}

func TestALogThatASnapshotReplacedIsDropped(t *testing.T) {
	for name, c := range map[string]struct {
		snapshotIndex, snapshotTerm uint64
		left                        uint64
	}{
		"no snapshot":                  {0, 0, 5},
		"a snapshot of this log":       {3, 2, 5},
		"a snapshot of another way":    {3, 4, 0},
		"a snapshot beyond the log":    {9, 4, 0},
		"a snapshot of the last entry": {5, 2, 5},
	} {
		t.Run(name, func(t *testing.T) {
			s := openLog(t, t.TempDir())
			for i := uint64(1); i <= 5; i++ {
				check(s.StoreLog(entry(i, 2, bigTable())))
			}
			check(s.recover(c.snapshotIndex, c.snapshotTerm))
			if last := must(s.LastIndex()); last != c.left {
				t.Errorf("the log ends at %d", last)
			}
			if files := tableFiles(t, s.dir); len(files) != int(c.left) {
				t.Errorf("%d tables", len(files))
			}
		})
	}
}

func TestALogWithoutItsHeadIsRefused(t *testing.T) {
	s := openLog(t, t.TempDir())
	check(s.StoreLogs([]*raft.Log{entry(5, 1, nil), entry(6, 1, nil)}))
	if err := s.recover(3, 1); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
	check(s.recover(4, 1))
}

func TestLongRangesAreDeletedWhole(t *testing.T) {
	s := openLog(t, t.TempDir())
	const n = 2*deleteChunk + 100
	var entries []*raft.Log
	for i := uint64(1); i <= n; i++ {
		entries = append(entries, entry(i, 1, nil))
	}
	check(s.StoreLogs(entries))
	check(s.DeleteRange(1, deleteChunk+50))
	if first := must(s.FirstIndex()); first != deleteChunk+51 {
		t.Errorf("the log starts at %d", first)
	}
	check(s.StoreLogs(entries[:deleteChunk+50]))
	check(s.DeleteRange(30, n))
	if last := must(s.LastIndex()); last != 29 {
		t.Errorf("the log ends at %d", last)
	}
	for i := uint64(1); i <= 29; i++ {
		check(s.GetLog(i, new(raft.Log)))
	}
	check(s.DeleteRange(1, 29))
	if first, last := must(s.FirstIndex()), must(s.LastIndex()); first != 0 || last != 0 {
		t.Errorf("left: %d to %d", first, last)
	}
}

func TestAFolderHasOneUser(t *testing.T) {
	dir := t.TempDir()
	openLog(t, dir)
	_, err := openLogStore(dir, hclog.NewNullLogger())
	var config *ConfigError
	if !errors.As(err, &config) || config.Key != "dir" || !contains(err, "another process") {
		t.Errorf("got %v", err)
	}
}

func TestLogSizes(t *testing.T) {
	var s logSizes
	for i := uint64(1); i <= 100; i++ {
		s.add(i, 1<<20)
	}
	near := func(what string, got, want int64) {
		t.Helper()
		if got < want-2<<20 || got > want+2<<20 {
			t.Errorf("%s: %d, want about %d", what, got, want)
		}
	}
	near("above 60", s.above(60), 40<<20)
	near("above all", s.above(100), 0)
	near("above none", s.above(0), 100<<20)
	near("the newest 30 MiB", int64(s.newest(30<<20)), 70)
	if got := s.newest(1 << 40); got != 0 {
		t.Errorf("more than there is: %d", got)
	}
	s.cut(1, 50)
	near("above none after a cut", s.above(0), 50<<20)
	s.cut(90, 100)
	s.add(90, 1<<20)
	near("above 89", s.above(89), 1<<20)
}

func TestBacklogBoundsTablesThatWait(t *testing.T) {
	var mu sync.Mutex
	applied, committed := uint64(0), uint64(0)
	waited := make(chan uint64, 1)
	b := backlog{
		limit:     100,
		applied:   func() uint64 { mu.Lock(); defer mu.Unlock(); return applied },
		committed: func() uint64 { mu.Lock(); defer mu.Unlock(); return committed },
		wait:      func(_ context.Context, index uint64) error { waited <- index; return nil },
	}
	expect := func(what string, want uint64) {
		t.Helper()
		got := uint64(0)
		select {
		case got = <-waited:
		default:
		}
		if got != want {
			t.Errorf("%s: waited for %d, want %d", what, got, want)
		}
	}
	ctx := context.Background()
	for i := uint64(1); i <= 5; i++ {
		b.room(ctx, i, 40)
	}
	expect("nothing is committed, so nothing can be waited for", 0)
	committed = 5
	b.room(ctx, 6, 40)
	expect("200 bytes wait, 100 may", 3)
	applied = 4
	b.room(ctx, 7, 40)
	expect("40 bytes wait", 0)
	b.room(ctx, 5, 40) // a new leader goes back to 5
	b.room(ctx, 6, 90)
	committed = 6
	b.room(ctx, 7, 1)
	expect("entries 5 and 6 again", 5)
}

func TestALogThatGrowsIsSnapshottedAndCut(t *testing.T) {
	f := newFarm(t)
	config := f.config(1)
	config.Sizes = Sizes{SnapshotBytes: 1 << 20, TrailingBytes: 1 << 20, ApplyBacklog: 100_000, AppendEntries: 4}
	n := f.open(config)
	f.noError(n.Bootstrap(f.ctx()))
	for i := range 60 {
		_, err := n.Propose(f.ctx(), fmt.Appendf(nil, "w%d", i), bigTable())
		f.noError(err)
	}
	f.waitFor("a snapshot", func() bool { return n.snapshots.newestIndex() > 0 })
	f.waitFor("the log to be small again", func() bool { return !n.due() })
	// At least minTrailing entries stay, so make more of them.
	for i := range minTrailing + 50 {
		f.propose(n, fmt.Sprintf("small%d", i))
	}
	_, err := n.Propose(f.ctx(), []byte("large"), bytes.Repeat(bigTable(), 20))
	f.noError(err)
	f.waitFor("the log to be cut", func() bool { return must(n.log.FirstIndex()) > 1 })
	f.waitFor("the cut tables to go", func() bool { return len(tableFiles(t, config.Dir)) < 60 })
	n = f.restart(f.killed(n))
	f.noError(n.ReadIndex(f.ctx()))
	if n.fsm.Count("w0") != 1 || n.fsm.Count("large") != 1 {
		t.Error("the restart lost something")
	}
}

func (f *farm) killed(n *node) *node {
	f.t.Helper()
	f.kill(n)
	return n
}

func TestADamagedLogStopsTheStart(t *testing.T) {
	f := newFarm(t)
	n := f.cluster(1)[0]
	_, err := n.Propose(f.ctx(), []byte("w"), bigTable())
	f.noError(err)
	f.kill(n)
	file := tableFiles(t, n.config.Dir)[0]
	check(os.Truncate(file, 100))
	start := time.Now()
	_, err = f.tryOpen(n.config)
	f.isError(err, ErrDamaged)
	if !contains(err, file) || time.Since(start) > 30*time.Second {
		t.Errorf("got %v", err)
	}
	// What was opened before is closed again.
	check(writeTable(file, bigTable()))
	n = f.restart(n)
	f.noError(n.ReadIndex(f.ctx()))
}

// A log file that was cut off is named, wherever the cut is: Bolt alone would panic.
func TestALogThatWasCutOffIsNamed(t *testing.T) {
	f := newFarm(t)
	n := f.cluster(1)[0]
	for i := range 40 {
		f.propose(n, fmt.Sprintf("%d%04000d", i, 0))
	}
	f.kill(n)
	file := filepath.Join(n.config.Dir, "log.bolt")
	content := must(os.ReadFile(file))
	for _, size := range []int{len(content) * 3 / 4, len(content) / 2, 5 * os.Getpagesize(), 2 * os.Getpagesize()} {
		check(os.WriteFile(file, content[:size], 0o600))
		_, err := f.tryOpen(n.config)
		f.isError(err, ErrDamaged)
		if !contains(err, file) {
			t.Errorf("cut to %d bytes: %v", size, err)
		}
	}
	check(os.WriteFile(file, content, 0o600))
	n = f.restart(n)
	f.noError(n.ReadIndex(f.ctx()))
}

func TestAnEmptyJoinerCatchesUpFromASnapshot(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(2)
	f.propose(nodes[1], "w0")
	for i := range minTrailing + 60 {
		f.propose(nodes[i%2], fmt.Sprintf("%d%02000d", i, 0))
	}
	_, err := nodes[1].Propose(f.ctx(), []byte("table"), bigTable())
	f.noError(err)
	leader := f.leader(nodes...)
	leader.cfg.Sizes.TrailingBytes = 1
	f.noError(leader.Snapshot(f.ctx()))
	if leader.fsm.flushes.Load() == 0 {
		t.Error("entries wait for all of the snapshot: nothing was flushed ahead of it")
	}
	if first := must(leader.log.FirstIndex()); first == 1 {
		t.Fatal("the log was not cut: the test shows nothing")
	}
	third := f.open(f.config(3))
	f.noError(third.Join(f.ctx(), leader.Address(), goodToken))
	if third.fsm.restores != 1 {
		t.Errorf("%d restores", third.fsm.restores)
	}
	if third.fsm.Count("w0") != 1 || third.fsm.Count("table") != 1 {
		t.Error("the snapshot does not hold the state")
	}
	if got := must(third.snapshots.List()); len(got) != 1 || got[0].Index != leader.snapshots.newestIndex() {
		t.Errorf("snapshots: %+v", got)
	}
	f.propose(third, "after")
	third = f.restart(f.killed(third))
	f.noError(third.ReadIndex(f.ctx()))
	if third.fsm.Count("after") != 1 || third.fsm.Count("w0") != 1 {
		t.Error("the restart lost something")
	}
}
