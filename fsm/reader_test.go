package fsm

import (
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// TestAnIteratorLivesForOneBatch: the files that a long reading began with leave the disk while it goes on.
func TestAnIteratorLivesForOneBatch(t *testing.T) {
	const keys = 2*scanKeys + 1
	db := newState(t).store.db
	write := func(numbers ...uint64) {
		t.Helper()
		for _, n := range numbers {
			for epoch := uint64(1); epoch <= 2; epoch++ {
				if err := db.Set(blobKey(epoch, n), []byte("blob"), pebble.NoSync); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for n := uint64(1); n <= keys; n++ {
		write(n)
	}
	if err := db.Flush(); err != nil {
		t.Fatal(err)
	}
	kept := func() int64 { return db.Metrics().Table.ZombieCount }
	for what, read := range map[string]func(v *View, each func() error) error{
		"Blobs": func(v *View, each func() error) error {
			return v.Blobs(1, 1, keys+1, func(uint64, []byte) (bool, error) { return true, each() })
		},
		"Pairs": func(v *View, each func() error) error {
			return v.Pairs(1, 2, 1, keys+1, func(uint64, []byte, []byte) error { return each() })
		},
	} {
		v := &View{snap: db.NewSnapshot()}
		count := 0
		err := read(v, func() error {
			switch count++; count {
			case 1:
				write(1, keys) // anew: a compaction then makes new files of all
				if err := db.Compact(t.Context(), epochKey(1), epochKey(3), false); err != nil {
					return err
				}
				if kept() == 0 {
					t.Errorf("%s: no file is kept for who reads it", what)
				}
			case scanKeys + 1:
				if n := kept(); n != 0 {
					t.Errorf("%s: %d files are kept for who read a batch", what, n)
				}
			}
			return nil
		})
		if err != nil || count != keys {
			t.Errorf("%s: %d of %d, %v", what, count, keys, err)
		}
		if err := v.snap.Close(); err != nil {
			t.Error(err)
		}
	}
}
