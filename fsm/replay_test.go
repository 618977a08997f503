package fsm

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	"pgregory.net/rapid"

	"tumbler/cryptounit/order"
)

// event is what befalls a replica between two batches.
type event int

const (
	nothing  event = iota
	crash          // the process dies: what was not flushed is gone
	snapshot       // flushed, and a checkpoint made
	recovery       // the store is lost, the newest checkpoint is there
	restart        // the process ends in good order
)

// replay applies a log to a fresh replica in batches, with something befalling it after each.
func replay(t testing.TB, log []*raft.Log, size int, befalls func(batch int) event) *Store {
	t.Helper()
	dir, kept := t.TempDir(), filepath.Join(t.TempDir(), "kept")
	store := openStore(t, dir)
	for i, from := 0, 0; from < len(log); i, from = i+1, from+size {
		apply(t, store, log[from:min(from+size, len(log))])
		last := log[min(from+size, len(log))-1].Index
		switch befalls(i) {
		case nothing:
		case crash:
			store = recoverStore(t, store, dir, kept, last)
			apply(t, store, log[:last])
		case restart:
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			store = recoverStore(t, nil, dir, kept, last)
			apply(t, store, log[:last])
		case snapshot:
			keepSnapshot(t, store, kept)
		case recovery:
			if _, err := os.Stat(kept); err != nil {
				continue
			}
			if err := store.Close(); err != nil {
				t.Fatal(err)
			}
			dir = t.TempDir()
			store = recoverStore(t, nil, dir, kept, last)
			apply(t, store, log[:last])
		}
	}
	return store
}

// kill ends a store as the end of its process does: what was not flushed is gone.
func kill(t testing.TB, store *Store) {
	t.Helper()
	_ = store.fail(errors.New("killed"))
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

func apply(t testing.TB, store *Store, log []*raft.Log) {
	t.Helper()
	for i, answer := range store.ApplyBatch(log) {
		if _, answered := answer.([]byte); !answered && log[i].Type == raft.LogCommand { // anything else ends the node
			t.Fatalf("entry %d is answered with %v", log[i].Index, answer)
		}
	}
}

func recoverStore(t testing.TB, store *Store, dir, kept string, last uint64) *Store {
	t.Helper()
	if store != nil {
		kill(t, store)
	}
	if _, err := os.Stat(kept); err != nil {
		kept = ""
	}
	again := openStore(t, dir)
	if err := again.Recover(kept, last, last); err != nil {
		t.Fatal(err)
	}
	return again
}

// folderSink takes a snapshot's folder over by rename.
type folderSink struct {
	raft.SnapshotSink
	to string
}

func (s folderSink) AdoptFolder(path string) error {
	if err := os.RemoveAll(s.to); err != nil {
		return err
	}
	return os.Rename(path, s.to)
}
func (folderSink) Close() error  { return nil }
func (folderSink) Cancel() error { return nil }

func keepSnapshot(t testing.TB, store *Store, to string) {
	t.Helper()
	snap, err := store.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if err := snap.Persist(folderSink{to: to}); err != nil {
		t.Fatal(err)
	}
	snap.Release()
}

func digestOf(t testing.TB, store *Store) [32]byte {
	t.Helper()
	v, err := store.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	sum, err := hashAll(v.snap)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// TestOneLogAnyBatches: whatever batches raft makes of a log, and whatever befalls a node meanwhile, it comes to one state.
func TestOneLogAnyBatches(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	for i := range 5 {
		w.createKey(byte(i + 1))
	}
	w.register()
	w.must(w.order(order.Rotate, nil))
	w.until(StateRewrapping)
	w.createKey(9)
	r, _, _ := w.evidence()
	w.must(&AssignPartitions{Order: r.Order, Assignments: []Assignment{{Owner: 1}}, At: w.clock})
	batch, table, _ := w.batch(w.store, 1, 0, 1, 4)
	if _, err := w.propose(batch, table); err != nil {
		t.Fatal(err)
	}
	w.must(&AssignPartitions{Order: r.Order, Assignments: []Assignment{{Lease: 1, Owner: 2, Reset: true}}, At: w.clock})
	w.rewrap(1, 3)
	w.until(StateComplete)
	for _, c := range []Command{&DeleteKey{Key: ID{2}}, &DeleteKey{Key: ID{2}}, &PurgeKey{Key: ID{2}}, &SweepPurged{Limit: 9}, &DigestState{}} {
		_, _ = w.propose(c, nil) // one of them is refused
	}
	want := digestOf(t, w.store)
	for _, size := range []int{1, len(w.log)} {
		for _, small := range []int{1, MaxTableSize} {
			store := openStore(t, t.TempDir())
			store.config.SmallTable = small
			for from := 0; from < len(w.log); from += size {
				apply(t, store, w.log[from:from+size])
			}
			if got := digestOf(t, store); got != want {
				t.Fatalf("by %d entries, with tables from %d bytes ingested, it came to %x, not %x", size, small, got, want)
			}
		}
	}
	fewer(t, "12")
	rapid.Check(t, func(rt *rapid.T) {
		size := rapid.IntRange(len(w.log)/20, len(w.log)).Draw(rt, "size")
		events := rapid.SliceOfN(rapid.IntRange(int(nothing), int(restart)), 1, 8).Draw(rt, "events")
		store := replay(t, w.log, size, func(i int) event { return event(events[i%len(events)]) })
		if got := digestOf(t, store); got != want {
			rt.Fatalf("it came to %x, not %x", got, want)
		}
		if err := store.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// fewer lowers the number of replays, which take files and time, unless the command line asks for another.
func fewer(t *testing.T, checks string) {
	t.Helper()
	f := flag.Lookup("rapid.checks")
	if f == nil || f.Value.String() != f.DefValue {
		return
	}
	if err := f.Value.Set(checks); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(f.DefValue) })
}
