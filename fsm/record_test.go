package fsm

import (
	"archive/tar"
	"bytes"
	"errors"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FuzzRecords: a record of the store is read as before when it is written again.
func FuzzRecords(f *testing.F) {
	for _, record := range []any{
		Cluster{ID: ID{1}, Retired: []RetiredKey{{Units: []uint32{4}}}}, Unit{Number: 1, Stated: []byte{1}}, Key{Versions: []KeyVersion{{Number: 1}}},
		Rotation{}, OrderRecord{}, APIKeyRecord{Name: "app"}, TokenRecord{Unit: 2}, resultRecord{Request: make([]byte, 24)},
	} {
		value, err := encoding.Marshal(record)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(value)
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		sameAgain[Cluster](t, value)
		sameAgain[Unit](t, value)
		sameAgain[Key](t, value)
		sameAgain[Rotation](t, value)
		sameAgain[OrderRecord](t, value)
		sameAgain[APIKeyRecord](t, value)
		sameAgain[TokenRecord](t, value)
		sameAgain[resultRecord](t, value)
	})
}

func sameAgain[T any](t *testing.T, value []byte) {
	t.Helper()
	var first, second T
	if decoding.Unmarshal(value, &first) != nil {
		return
	}
	written, err := encoding.Marshal(first)
	if err != nil {
		t.Fatalf("%x is read as %+v, which cannot be written: %v", value, first, err)
	}
	err = decoding.Unmarshal(written, &second)
	again, failed := encoding.Marshal(second)
	if err != nil || failed != nil || !bytes.Equal(again, written) {
		t.Errorf("%x is written as %x, and that as %x, %v, %v", value, written, again, err, failed)
	}
}

// FuzzUnpack: whatever a snapshot's tar says, nothing is written outside its folder.
func FuzzUnpack(f *testing.F) {
	for _, name := range []string{"000004.sst", "folder/file", "../out", "/out", "a/../../out"} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		if err := errors.Join(w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o600}), w.Close()); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		files := vfs.NewMem()
		if err := files.MkdirAll("above/into", 0o700); err != nil {
			t.Fatal(err)
		}
		_ = unpack(files, bytes.NewReader(b), "above/into")
		for folder, want := range map[string][]string{"": {"above"}, "above": {"into"}} {
			if there, err := files.List(folder); err != nil || !slices.Equal(there, want) {
				t.Errorf("%q holds %q, %v", folder, there, err)
			}
		}
	})
}
