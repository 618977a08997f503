package fsm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// crafted is a table as a lying owner might write it.
func crafted(t testing.TB, o sstable.WriterOptions, write func(*sstable.Writer) error) []byte {
	t.Helper()
	memory := vfs.NewMem()
	file, err := memory.Create("table", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	w := sstable.NewWriter(objstorageprovider.NewFileWritable(file), o)
	if err := errors.Join(write(w), w.Close()); err != nil {
		t.Fatal(err)
	}
	written, err := memory.Open("table")
	if err != nil {
		t.Fatal(err)
	}
	defer written.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(written); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// threeBlobs is a table of numbers 5 to 7 of epoch 2, with what may be written besides.
func threeBlobs(t testing.TB, besides func(*sstable.Writer) error) []byte {
	t.Helper()
	return crafted(t, tableOptions(), func(w *sstable.Writer) error {
		for n := uint64(5); n < 8; n++ {
			if err := w.Set(blobKey(2, n), []byte{byte(n)}); err != nil {
				return err
			}
		}
		if besides == nil {
			return nil
		}
		return besides(w)
	})
}

// carrying is the command that a table goes with.
func carrying(table []byte) *PutBatch {
	return &PutBatch{From: 5, To: 9, Table: sha256.Sum256(table), Size: uint32(len(table)), Count: 3, Counts: Counts{KMS: 3}}
}

func TestTables(t *testing.T) {
	good := threeBlobs(t, nil)
	built, err := BuildTable(2, []BlobRecord{{Number: 5, Blob: []byte{5}}, {Number: 6, Blob: []byte{6}}, {Number: 7, Blob: []byte{7}}})
	if err != nil || !bytes.Equal(good, built) {
		t.Fatal("a table is not the same bytes again", err)
	}
	one := func(key []byte, seq pebble.SeqNum, kind pebble.InternalKeyKind, value []byte) []byte {
		return crafted(t, tableOptions(), func(w *sstable.Writer) error {
			return w.Raw().Add(pebble.MakeInternalKey(key, seq, kind), value, false)
		})
	}
	later := tableOptions()
	later.TableFormat = sstable.TableFormatPebblev5
	set := pebble.InternalKeyKindSet
	for name, table := range map[string][]byte{
		"a range deletion":   threeBlobs(t, func(w *sstable.Writer) error { return w.DeleteRange(blobKey(1, 1), blobKey(1, 9)) }),
		"a range key":        threeBlobs(t, func(w *sstable.Writer) error { return w.RangeKeySet(blobKey(2, 5), blobKey(2, 9), nil, nil) }),
		"another epoch":      one(blobKey(1, 5), 0, set, []byte{1}),
		"a number below":     one(blobKey(2, 4), 0, set, []byte{1}),
		"a number above":     one(blobKey(2, 9), 0, set, []byte{1}),
		"a key":              one(space(spaceKey, make([]byte, 16)), 0, set, []byte{1}),
		"the cluster":        one(keyCluster, 0, set, []byte{1}),
		"a longer key":       one(append(blobKey(2, 5), 0), 0, set, []byte{1}),
		"a deletion":         one(blobKey(2, 5), 0, pebble.InternalKeyKindDelete, nil),
		"a merge":            one(blobKey(2, 5), 0, pebble.InternalKeyKindMerge, []byte{1}),
		"a sequence number":  one(blobKey(2, 5), 7, set, []byte{1}),
		"an empty blob":      one(blobKey(2, 5), 0, set, nil),
		"too large a blob":   one(blobKey(2, 5), 0, set, make([]byte, MaxBlob+1)),
		"another format":     crafted(t, later, func(w *sstable.Writer) error { return w.Set(blobKey(2, 5), []byte{5}) }),
		"fewer blobs":        one(blobKey(2, 5), 0, set, []byte{5}),
		"more blobs":         threeBlobs(t, func(w *sstable.Writer) error { return w.Set(blobKey(2, 8), []byte{8}) }),
		"nothing":            crafted(t, tableOptions(), func(*sstable.Writer) error { return nil }),
		"no table":           []byte("this is no table, but it has the digest that the command names"),
		"cut off":            good[:len(good)/2],
		"its end alone":      good[len(good)-60:],
		"no bytes":           nil,
		"more than may come": make([]byte, MaxTableSize+1),
		"the same number twice": crafted(t, tableOptions(), func(w *sstable.Writer) error {
			return errors.Join(w.Set(blobKey(2, 5), []byte{5}), w.Raw().Add(pebble.MakeInternalKey(blobKey(2, 6), 1, set), []byte{6}, false),
				w.Raw().Add(pebble.MakeInternalKey(blobKey(2, 6), 0, set), []byte{7}, false))
		}),
	} {
		for _, count := range []uint32{1, 3} { // whatever the command says of it
			c := carrying(table)
			c.Count, c.Counts = count, Counts{KMS: uint64(count)}
			if name == "fewer blobs" && count == 1 {
				continue
			}
			if err := checkTable(c, 2, table, sum(table), ignore); !errors.Is(err, ErrTable) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for name, change := range map[string]func(*PutBatch){
		"digest":       func(c *PutBatch) { c.Table[0] ^= 1 },
		"size":         func(c *PutBatch) { c.Size++ },
		"count":        func(c *PutBatch) { c.Count++ },
		"too many":     func(c *PutBatch) { c.Count = MaxTableCount + 1 },
		"classes":      func(c *PutBatch) { c.Counts.EP11++ },
		"none, but it": func(c *PutBatch) { c.Count, c.Counts = 0, Counts{} },
		"range":        func(c *PutBatch) { c.To = 7 },
	} {
		c := carrying(good)
		change(c)
		if err := checkTable(c, 2, good, sum(good), ignore); !errors.Is(err, ErrTable) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := checkTable(&PutBatch{From: 5, To: 9}, 2, nil, sum(nil), ignore); err != nil {
		t.Errorf("a range without a blob: %v", err)
	}
	if err := checkTable(&PutBatch{From: 5, To: 9, Counts: Counts{KMS: 1}}, 2, nil, sum(nil), ignore); !errors.Is(err, ErrTable) {
		t.Errorf("counts without a blob: %v", err)
	}
	if err := checkTable(carrying(good), 2, good, sum(good), ignore); err != nil {
		t.Error(err)
	}
}

// ingests: Pebble takes the table. If it did not, the entry would stop every node.
func ingests(t testing.TB, table []byte) {
	t.Helper()
	path := t.TempDir() + "/table"
	if err := writeSync(vfs.Default, path, bytes.NewReader(table)); err != nil {
		t.Fatal(err)
	}
	disk, err := pebble.Open(t.TempDir(), &pebble.Options{DisableWAL: true, FormatMajorVersion: pebble.FormatColumnarBlocks, Logger: quiet{}})
	if err != nil {
		t.Fatal(err)
	}
	defer disk.Close()
	if err := disk.Ingest(context.Background(), []string{path}); err != nil {
		t.Fatalf("it was accepted, and cannot be ingested: %v", err)
	}
	if err := scan(disk, epochKey(2), func(_, value []byte) (bool, error) { return true, nil }); err != nil {
		t.Fatalf("it was accepted, and cannot be read: %v", err)
	}
}

type quiet struct{}

func (quiet) Infof(string, ...any)  {}
func (quiet) Errorf(string, ...any) {}
func (quiet) Fatalf(format string, _ ...any) {
	panic(format)
}

// TestEveryChangedBitOfATable: with the digest made anew, a table with any one bit changed is refused, or is as good as
// before; it never stops the node.
func TestEveryChangedBitOfATable(t *testing.T) {
	good := threeBlobs(t, nil)
	accepted := 0
	for i := range good {
		spoiled := bytes.Clone(good)
		spoiled[i] ^= 1 << (i % 8)
		err := checkTable(carrying(good), 2, spoiled, sum(spoiled), ignore)
		if !errors.Is(err, ErrTable) {
			t.Fatalf("byte %d, under the old digest: %v", i, err)
		}
		if err := checkTable(carrying(spoiled), 2, spoiled, sum(spoiled), ignore); err == nil {
			accepted++
			ingests(t, spoiled)
		} else if !errors.Is(err, ErrTable) {
			t.Fatalf("byte %d: %v", i, err)
		}
		if err := checkTable(carrying(good[:i]), 2, good[:i], sum(good[:i]), ignore); !errors.Is(err, ErrTable) {
			t.Fatalf("the first %d bytes: %v", i, err)
		}
	}
	t.Logf("%d of %d changes are of no consequence", accepted, len(good))
}

// FuzzTable: whatever is accepted can be ingested and read.
func FuzzTable(f *testing.F) {
	f.Add(threeBlobs(f, nil))
	f.Add(threeBlobs(f, func(w *sstable.Writer) error { return w.DeleteRange(blobKey(1, 1), blobKey(1, 9)) }))
	f.Add([]byte("no table"))
	f.Fuzz(func(t *testing.T, table []byte) {
		switch err := checkTable(carrying(table), 2, table, sum(table), ignore); {
		case err == nil:
			ingests(t, table)
		case !errors.Is(err, ErrTable):
			t.Fatal(err)
		}
	})
}

func ignore(_, _ []byte) {}

func sum(table []byte) func() [sha256.Size]byte {
	return func() [sha256.Size]byte { return sha256.Sum256(table) }
}
