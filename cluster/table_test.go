package cluster

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/hashicorp/raft"
)

func TestASmallTableIsInTheLog(t *testing.T) {
	s := openLog(t, t.TempDir())
	large := bytes.Repeat([]byte("x"), SmallTable)
	check(s.StoreLogs([]*raft.Log{entry(1, 1, large[1:]), entry(2, 1, large)}))
	if files := tableFiles(t, s.dir); len(files) != 1 || files[0] != TablePath(s.dir, 2, 1) {
		t.Errorf("the files of tables are %v", files)
	}
	check(s.recover(0, 0))
	var got raft.Log
	check(s.GetLog(1, &got))
	if !bytes.Equal(got.Extensions, large[1:]) {
		t.Errorf("got %d bytes", len(got.Extensions))
	}
	shown := must(s.entries(1, 1))[0]
	if shown.ExtensionSize != SmallTable-1 || shown.ExtensionDigest != sha256.Sum256(large[1:]) {
		t.Errorf("it is shown as %+v", shown)
	}
	check(s.bolt.GetLog(1, &got))
	got.Extensions[len(got.Extensions)/2] ^= 1
	check(s.bolt.StoreLog(&got))
	if err := s.GetLog(1, &got); !errors.Is(err, ErrDamaged) {
		t.Errorf("a flipped bit: %v", err)
	}
}

func TestDigestsOfNewTablesAreKnown(t *testing.T) {
	s := openLog(t, t.TempDir())
	check(s.StoreLogs([]*raft.Log{entry(1, 1, []byte("small")), entry(2, 1, bigTable()), entry(3, 1, nil)}))
	for index, table := range map[uint64][]byte{1: []byte("small"), 2: bigTable()} {
		if digest, known := s.digests.find(index, 1); !known || digest != sha256.Sum256(table) {
			t.Errorf("entry %d: known: %t, %x", index, known, digest)
		}
	}
	for _, other := range [][2]uint64{{0, 0}, {1, 2}, {3, 1}, {257, 1}} {
		if _, known := s.digests.find(other[0], other[1]); known {
			t.Errorf("entry %d of term %d has a digest", other[0], other[1])
		}
	}
	check(s.StoreLog(entry(2, 2, []byte("another leader's"))))
	if digest, known := s.digests.find(2, 2); !known || digest != sha256.Sum256([]byte("another leader's")) {
		t.Errorf("replaced: known: %t, %x", known, digest)
	}
}
