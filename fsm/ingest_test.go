package fsm

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"path/filepath"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// A table whose range lies inside a file of the lowest level, which has nothing there, goes to that level all the same.
func TestATableGoesToTheLowestLevel(t *testing.T) {
	dir := t.TempDir()
	db, err := pebble.Open(filepath.Join(dir, "store-0"), PebbleOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	first, last := blobKey(1, 1), blobKey(9, 9)
	for _, key := range [][]byte{first, last} {
		if err := db.Set(key, []byte("around"), pebble.NoSync); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := db.Compact(t.Context(), first, after(last), false); err != nil {
		t.Fatal(err)
	}
	table, err := BuildTable(2, []BlobRecord{{Number: 5, Blob: []byte("blob")}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "table.sst")
	if err := writeSync(vfs.Default, path, bytes.NewReader(table)); err != nil {
		t.Fatal(err)
	}
	if err := db.Ingest(t.Context(), []string{path}); err != nil {
		t.Fatal(err)
	}
	if lowest := db.Metrics().Levels[6].TablesIngested; lowest != 1 {
		t.Errorf("%d tables were ingested into the lowest level, want 1: %v", lowest, db.Metrics())
	}
}

// A digest that the log knows is taken, and held against what the command says; one that it does not know is computed.
func TestTheDigestOfATableComesFromTheLog(t *testing.T) {
	table := threeBlobs(t, nil)
	log := &raft.Log{Index: 7, Term: 2, Extensions: table}
	for name, c := range map[string]struct {
		digest  [sha256.Size]byte
		known   bool
		refused bool
	}{
		"known":   {sha256.Sum256(table), true, false},
		"another": {[sha256.Size]byte{1}, true, true},
		"unknown": {[sha256.Size]byte{1}, false, false},
	} {
		s := &Store{config: Config{TableDigest: func(index, term uint64) ([sha256.Size]byte, bool) {
			if index != log.Index || term != log.Term {
				t.Errorf("it is asked for entry %d of term %d", index, term)
			}
			return c.digest, c.known
		}}}
		err := checkTable(carrying(table), 2, table, func() [sha256.Size]byte { return s.digestOf(log) }, ignore)
		if refused := errors.Is(err, ErrTable); refused != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}
