package fsm

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// filled is a world with a few keys, and where its newest snapshot lies.
func filled(t *testing.T) (*world, string) {
	t.Helper()
	w := newWorld(t, 2, 1)
	w.must(w.order(1, nil))
	w.until(StateComplete)
	w.createKey(1)
	kept := filepath.Join(t.TempDir(), "kept")
	keepSnapshot(t, w.store, kept)
	return w, kept
}

func archive(t *testing.T, folder string) io.ReadCloser {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	if err := w.AddFS(os.DirFS(folder)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return io.NopCloser(&b)
}

// TestSnapshotIsExact: a snapshot holds what was applied before it, durably, and nothing after.
func TestSnapshotIsExact(t *testing.T) {
	w, kept := filled(t)
	at, want := w.store.AppliedIndex(), digestOf(t, w.store)
	w.createKey(2)
	fresh := openStore(t, t.TempDir())
	if err := fresh.Restore(archive(t, kept)); err != nil {
		t.Fatal(err)
	}
	if got := digestOf(t, fresh); got != want || fresh.AppliedIndex() != at {
		t.Fatalf("restored %x at %d, it was %x at %d", got, fresh.AppliedIndex(), want, at)
	}
	apply(t, fresh, w.log)
	if digestOf(t, fresh) != digestOf(t, w.store) {
		t.Fatal("the tail of the log leads elsewhere after a restore")
	}
	kill(t, fresh)
	again := openStore(t, fresh.config.Dir)
	if got := again.AppliedIndex(); got != at {
		t.Fatalf("after a restart it is at %d, the snapshot was at %d", got, at)
	}
}

// TestASnapshotHoldsNothingThatCameAfterIt: entries are applied between its making and its taking over.
func TestASnapshotHoldsNothingThatCameAfterIt(t *testing.T) {
	w, _ := filled(t)
	at, want, kept := w.store.AppliedIndex(), digestOf(t, w.store), filepath.Join(t.TempDir(), "kept")
	made, err := w.store.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	w.createKey(2)
	if err := made.Persist(folderSink{to: kept}); err != nil {
		t.Fatal(err)
	}
	fresh := openStore(t, t.TempDir())
	if err := fresh.Restore(archive(t, kept)); err != nil {
		t.Fatal(err)
	}
	if got := digestOf(t, fresh); got != want || fresh.AppliedIndex() != at {
		t.Errorf("restored %x at %d, it was %x at %d", got, fresh.AppliedIndex(), want, at)
	}
}

// TestASnapshotHasBothEpochs: whoever is restored in the middle of a rewrap has what was written, ingested or not.
func TestASnapshotHasBothEpochs(t *testing.T) {
	for _, small := range []int{1, MaxTableSize} {
		w := rotating(t, 4)
		w.store.config.SmallTable = small
		r, _, _ := w.evidence()
		w.must(&AssignPartitions{Order: r.Order, Assignments: []Assignment{{Owner: 1}}})
		batch, table, _ := w.batch(w.store, 1, 0, 1, 4)
		if _, err := w.propose(batch, table); err != nil {
			t.Fatal(err)
		}
		kept := filepath.Join(t.TempDir(), "kept")
		keepSnapshot(t, w.store, kept)
		fresh := openStore(t, t.TempDir())
		if err := fresh.Restore(archive(t, kept)); err != nil {
			t.Fatal(err)
		}
		if digestOf(t, fresh) != digestOf(t, w.store) {
			t.Errorf("with tables from %d bytes ingested, a snapshot is not the state", small)
		}
	}
}

// listed are the files of a folder with their sizes.
func listed(t *testing.T, folder string) (files []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, fmt.Sprintf("%s, %d bytes", e.Name(), info.Size()))
	}
	return files
}

// TestRecover: before Raft starts, a store behind the newest snapshot is restored from it, and one that cannot be right stops.
func TestRecover(t *testing.T) {
	w, kept := filled(t)
	at, was := w.store.AppliedIndex(), listed(t, kept)
	t.Run("behind", func(t *testing.T) {
		store := openStore(t, t.TempDir())
		if err := store.Recover(kept, at+1, at+1); err != nil || store.AppliedIndex() != at { // a barrier raised raft's meta
			t.Fatal(store.AppliedIndex(), err)
		}
	})
	t.Run("leaves the snapshot as it is", func(t *testing.T) { // it is sent to others as so many bytes
		if now := listed(t, kept); !slices.Equal(now, was) {
			t.Fatalf("the checkpoint held %v, and holds %v", was, now)
		}
	})
	t.Run("ahead", func(t *testing.T) {
		if err := w.store.Recover("", at-1, at-1); !errors.Is(err, ErrAhead) {
			t.Fatal(err)
		}
	})
	for name, founding := range map[string]Bootstrap{
		"foreign":               {Cluster: ID{99}, Instance: ID{98}, Incarnation: 1, FeatureLevel: 1},
		"since it was restored": {Cluster: ID{1}, Instance: ID{2}, Incarnation: 2, FeatureLevel: 1},
	} {
		t.Run(name, func(t *testing.T) {
			store := openStore(t, t.TempDir())
			other, err := Encode(&founding, RequestID{})
			if err != nil {
				t.Fatal(err)
			}
			apply(t, store, []*raft.Log{{Index: 1, Type: raft.LogCommand, Data: other}})
			if err := store.Recover(kept, at, at); !errors.Is(err, ErrForeign) {
				t.Fatal(err)
			}
			if err := store.Restore(archive(t, kept)); !errors.Is(err, ErrForeign) || store.AppliedIndex() != 1 {
				t.Fatal(err)
			}
		})
	}
	t.Run("leftovers", func(t *testing.T) {
		store := openStore(t, t.TempDir())
		half := filepath.Join(store.config.Dir, "checkpoint-7-1")
		if err := os.Mkdir(half, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := store.Recover("", 0, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(half); !os.IsNotExist(err) {
			t.Fatal("it is still there", err)
		}
	})
}

// TestBrokenArchiveChangesNothing: half a snapshot, or one that is none, leaves the store as it was.
func TestBrokenArchiveChangesNothing(t *testing.T) {
	w, kept := filled(t)
	before := digestOf(t, w.store)
	whole, err := io.ReadAll(archive(t, kept))
	if err != nil {
		t.Fatal(err)
	}
	var outside bytes.Buffer
	tw := tar.NewWriter(&outside)
	if err := tw.WriteHeader(&tar.Header{Name: "../escaped", Typeflag: tar.TypeReg, Mode: 0o600}); err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"half": whole[:len(whole)/2], "empty": nil, "text": []byte("not an archive"), "outside": outside.Bytes()} {
		if err := w.store.Restore(io.NopCloser(bytes.NewReader(bad))); err == nil {
			t.Errorf("%s: it was restored", name)
		}
		if digestOf(t, w.store) != before {
			t.Errorf("%s: the store changed", name)
		}
	}
	w.createKey(3) // and it goes on
}

// switching is a disk of which a crash leaves an image when the store's pointer has just been switched, durably.
type switching struct {
	*vfs.MemFS
	image *vfs.MemFS
}

func (d *switching) Rename(from, to string) error {
	if err := d.MemFS.Rename(from, to); err != nil || filepath.Base(to) != pointerName {
		return err
	}
	if err := syncDir(d.MemFS, filepath.Dir(to)); err != nil {
		return err
	}
	d.image = d.CrashClone(vfs.CrashCloneCfg{})
	return nil
}

// TestARestoreIsDurable: after a crash, be it between the switch to the new store and its opening, there is the new store, whole.
func TestARestoreIsDurable(t *testing.T) {
	w, kept := filled(t)
	at, want := w.store.AppliedIndex(), digestOf(t, w.store)
	openOn := func(files vfs.FS) *Store {
		t.Helper()
		store, err := Open(Config{Dir: "/state", FS: files, CacheSize: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		return store
	}
	is := func(when string, image *vfs.MemFS) {
		t.Helper()
		if store := openOn(image); store.AppliedIndex() != at || digestOf(t, store) != want {
			t.Errorf("%s: the store is at %d, not at %d, or another", when, store.AppliedIndex(), at)
		}
	}
	restored := func(files vfs.FS) {
		t.Helper()
		store := openOn(files)
		if err := errors.Join(syncDir(files, "/"), store.Restore(archive(t, kept))); err != nil {
			t.Fatal(err)
		}
	}
	disk := vfs.NewCrashableMem()
	restored(disk)
	is("a crash after the restore", disk.CrashClone(vfs.CrashCloneCfg{}))
	switched := &switching{MemFS: vfs.NewCrashableMem()}
	restored(switched)
	is("a crash after the switch", switched.image)
}

// TestARestoreWaitsForNoView: who holds a view open may be waiting for an entry that comes after the restore. What the view shows
// stays until it is closed, and no longer.
func TestARestoreWaitsForNoView(t *testing.T) {
	w, kept := filled(t)
	w.createKey(2)
	behind := openStore(t, t.TempDir())
	apply(t, behind, w.log[:1])
	view, err := behind.View()
	if err != nil {
		t.Fatal(err)
	}
	folder, at := behind.folder, view.Index()
	if err := behind.Restore(archive(t, kept)); err != nil {
		t.Fatal(err)
	}
	apply(t, behind, w.log)
	if behind.AppliedIndex() != w.store.AppliedIndex() || view.Index() != at {
		t.Errorf("it is at %d, the log at %d, the view at %d", behind.AppliedIndex(), w.store.AppliedIndex(), view.Index())
	}
	if _, err := view.Digest(); err != nil {
		t.Error(err)
	}
	view.Close()
	if err := behind.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(behind.config.Dir, folder)); !os.IsNotExist(err) {
		t.Errorf("the former store is still there: %v", err)
	}
}

// TestTableIsLinked: a table that lies beside the log is linked, and one that does not is written.
func TestTableIsLinked(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(1, nil))
	w.until(StateComplete)
	w.createKey(1)
	w.register()
	w.must(w.order(2, nil))
	w.until(StateRewrapping)
	dir := t.TempDir()
	path := filepath.Join(dir, "table")
	w.other.config.TablePath = func(_, _ uint64) string { return path }
	r, _, _ := w.evidence()
	w.must(&AssignPartitions{Order: r.Order, Assignments: []Assignment{{Owner: 1}}, At: w.clock})
	batch, table, _ := w.batch(w.store, 1, 0, 0, 0)
	if err := os.WriteFile(path, table, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := w.propose(batch, table); err != nil {
		t.Fatal(err)
	}
	w.must(w.verified(w.other, 2, 0))
	w.until(StateComplete)
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, table) {
		t.Fatal("the log's own file was touched", err)
	}
	if digestOf(t, w.store) != digestOf(t, w.other) {
		t.Fatal("linked and written differ")
	}
}

// TestDigestAt: every node answers with the same digest, of that index and not of a later one.
func TestDigestAt(t *testing.T) {
	w, _ := filled(t)
	r := w.must(&DigestState{})
	w.createKey(5)
	one, err := w.store.DigestAt(context.Background(), r.Index)
	if err != nil {
		t.Fatal(err)
	}
	other, err := w.other.DigestAt(context.Background(), r.Index)
	if err != nil || one != other {
		t.Fatalf("%x and %x, %v", one, other, err)
	}
	later := w.must(&DigestState{})
	if next, err := w.store.DigestAt(context.Background(), later.Index); err != nil || next == one {
		t.Fatal("a key more and the same digest", err)
	}
	if _, err := w.store.DigestAt(context.Background(), r.Index-1); !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
}

// TestADigestIsThereAsSoonAsItsIndex: who waits for the index is never told that there is no digest.
func TestADigestIsThereAsSoonAsItsIndex(t *testing.T) {
	w, _ := filled(t)
	for range 300 {
		index, missing := w.index+1, make(chan error, 1)
		go func() {
			for w.store.AppliedIndex() < index { // looks all the time: the moment is short
				runtime.Gosched()
			}
			_, err := w.store.DigestAt(context.Background(), index)
			missing <- err
		}()
		if r := w.must(&DigestState{}); r.Index != index {
			t.Fatalf("the entry is at %d, not %d", r.Index, index)
		}
		if err := <-missing; err != nil {
			t.Fatal(err)
		}
	}
}
