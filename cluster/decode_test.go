package cluster

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

func FuzzStub(f *testing.F) {
	f.Add(stubOf(bigTable()).encode())
	f.Add(stubOf([]byte("table")).encode())
	f.Add(append([]byte(smallMagic), bytes.Repeat([]byte{1}, smallSize)...))
	f.Add([]byte(stubMagic))
	f.Add(bytes.Repeat([]byte{0xff}, stubSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := decodeStub(b)
		if err != nil {
			return
		}
		if !bytes.Equal(s.encode(), b) {
			t.Errorf("%x decodes and encodes to %x", b, s.encode())
		}
	})
}

func testMeta() *raft.SnapshotMeta {
	return &raft.SnapshotMeta{
		Version: 1, ID: "00000000000000000007-00000000000000000002-000001", Index: 7, Term: 2, ConfigurationIndex: 3, Size: 4096,
		Configuration: raft.Configuration{Servers: []raft.Server{
			{Suffrage: raft.Voter, ID: "1", Address: "127.0.0.1:8444"}, {Suffrage: raft.Nonvoter, ID: "2", Address: "127.0.0.1:8454"},
		}},
	}
}

// The formats below are forever.
func TestGoldenFormats(t *testing.T) {
	golden := func(name string, got []byte) {
		t.Helper()
		path := filepath.Join("testdata", name)
		if want := must(os.ReadFile(path)); !bytes.Equal(got, want) {
			t.Errorf("%s: got\n%q, want\n%q", path, got, want)
		}
	}
	golden("stub", stub{size: 5, digest: sha256.Sum256([]byte("table"))}.encode())
	golden("smalltable", stubOf([]byte("table")).encode())
	golden("meta", must(encodeMeta(testMeta())))
	golden("proposal", encodeProposal([]byte("data"), []byte("table")))
	golden("error.json", encodeError(&RemoteError{Node: 2, Method: "x", Message: "gone", kind: ErrNotMember}, 3))
	golden("gossip.json", must(json.Marshal(gossipMeta{Number: 2, Address: "127.0.0.1:8444", API: "127.0.0.1:8443", Role: "recovery"})))
	golden("tablename", []byte(tableName(12, 3)))
}

func FuzzSnapshotMeta(f *testing.F) {
	good := must(encodeMeta(testMeta()))
	f.Add(good)
	f.Add(bytes.Replace(good, []byte("4096"), []byte("4097"), 1))
	line, _, _ := bytes.Cut(good, []byte("\n"))
	f.Add(line)
	f.Fuzz(func(t *testing.T, b []byte) {
		// As a whole, and, to get past the digest, as its first line.
		if m, err := decodeMeta(b); err == nil && !bytes.Equal(must(encodeMeta(m)), b) {
			t.Errorf("%q decodes and encodes to something else", b)
		}
		m, err := parseMeta(b)
		if err != nil {
			return
		}
		again, err := decodeMeta(must(encodeMeta(m)))
		if err != nil || again.Index != m.Index || len(again.Configuration.Servers) != len(m.Configuration.Servers) {
			t.Errorf("%q: %v", b, err)
		}
	})
}

func FuzzProposal(f *testing.F) {
	f.Add(encodeProposal([]byte("data"), []byte("table")))
	f.Add([]byte{0, 0, 0, 0, 0, 0, 0, 1, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		data, table, err := decodeProposal(b)
		if err != nil {
			return
		}
		if !bytes.Equal(encodeProposal(data, table), b) {
			t.Errorf("%x decodes and encodes to something else", b)
		}
	})
}

func FuzzGossipMeta(f *testing.F) {
	f.Add([]byte(`{"n":2,"a":"127.0.0.1:8444","i":"127.0.0.1:8443","r":"recovery"}`))
	f.Add([]byte(`{"n":2,"a":"127.0.0.1:8444"}}`))
	f.Add([]byte(`{"n":2,"a":"127.0.0.1:8444"}]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeGossipMeta(b)
		if err != nil {
			return
		}
		if m.Number == 0 || !bytes.Equal(must(json.Marshal(m)), b) {
			t.Errorf("%q is %+v, which is written otherwise", b, m)
		}
	})
}

func FuzzWireError(f *testing.F) {
	f.Add(encodeError(errNotLeader, 3))
	f.Add([]byte("plain text"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := decodeError(b, 1, "x"); err.Message == "" {
			t.Error("an error without a message")
		}
	})
}

// FuzzCalls: what nodes say to each other as JSON is read as before when it is written again. A later release may say more.
func FuzzCalls(f *testing.F) {
	f.Add([]byte(`{"number":2,"cluster":"00","address":"127.0.0.1:8444","token":"x"}`))
	f.Add([]byte(`{"last":9,"applied":8,"delay":7,"lag":6}`))
	f.Add([]byte(`{"message":"gone","code":"not-member","leader":3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		sameAgain[helloAnswer](t, b)
		sameAgain[joinRequest](t, b)
		sameAgain[position](t, b)
		sameAgain[Load](t, b)
		sameAgain[wireError](t, b)
	})
}

func sameAgain[T any](t *testing.T, b []byte) {
	t.Helper()
	var first, second T
	if json.Unmarshal(b, &first) != nil {
		return
	}
	written := must(json.Marshal(first))
	if err := json.Unmarshal(written, &second); err != nil || !bytes.Equal(must(json.Marshal(second)), written) {
		t.Errorf("%q is %s, and that %+v, %v", b, written, second, err)
	}
}

// FuzzCommitment: what is cut off an answer is what was put there.
func FuzzCommitment(f *testing.F) {
	f.Add(commitment{1, applied{2, 3}}.appendTo([]byte("answer")))
	f.Add(make([]byte, commitmentSize-1))
	f.Fuzz(func(t *testing.T, b []byte) {
		answer, c, err := cutCommitment(b)
		if err == nil && !bytes.Equal(c.appendTo(answer), b) {
			t.Errorf("%x is %x and %+v", b, answer, c)
		}
	})
}

func FuzzNodeURI(f *testing.F) {
	f.Add("tumbler://node/7")
	f.Add("tumbler://node/007")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := parseNodeURI(text)
		if err == nil && nodeURI+string(serverID(n)) != text {
			t.Errorf("%q is taken for node %d", text, n)
		}
	})
}

func FuzzTableName(f *testing.F) {
	f.Add(tableName(1, 2))
	f.Fuzz(func(t *testing.T, name string) {
		if index, term, ok := parseTableName(name); ok && tableName(index, term) != name {
			t.Errorf("%q is taken for %d, %d", name, index, term)
		}
	})
}

func FuzzArchive(f *testing.F) {
	folder := f.TempDir()
	check(os.MkdirAll(filepath.Join(folder, "a", "b"), 0o700))
	check(os.WriteFile(filepath.Join(folder, "a", "file"), []byte("content"), 0o600))
	var good bytes.Buffer
	check(writeArchive(&good, folder))
	f.Add(good.Bytes())
	f.Add(good.Bytes()[:600])
	for _, header := range []tar.Header{
		{Name: "file", Typeflag: tar.TypeReg, Mode: 0o644}, {Name: "file", Typeflag: tar.TypeReg, Mode: 0o600, Uname: "root"},
		{Name: "folder/", Typeflag: tar.TypeDir, Mode: 0o700, Format: tar.FormatGNU}, {Name: "./file", Typeflag: tar.TypeReg, Mode: 0o600},
	} {
		var other bytes.Buffer
		w := tar.NewWriter(&other)
		check(w.WriteHeader(&header))
		check(w.Close())
		f.Add(other.Bytes())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		above := t.TempDir()
		into := filepath.Join(above, "into")
		check(os.Mkdir(into, 0o700))
		err := readArchive(bytes.NewReader(b), into)
		if left := must(os.ReadDir(above)); len(left) != 1 {
			t.Errorf("something was written outside the folder: %v", left)
		}
		if err != nil {
			return
		}
		var again bytes.Buffer
		check(writeArchive(&again, into))
		if !bytes.Equal(again.Bytes(), b) {
			t.Errorf("%x is unpacked, and packed as %x", b, again.Bytes())
		}
	})
}

func TestAnArchiveIsOfKnownSize(t *testing.T) {
	folder, into := t.TempDir(), t.TempDir()
	long := strings.Repeat("long-name-", 20)
	check(os.MkdirAll(filepath.Join(folder, "sub", long, "empty"), 0o700))
	check(os.WriteFile(filepath.Join(folder, "sub", long, long), bytes.Repeat([]byte("x"), 1000), 0o600))
	check(os.WriteFile(filepath.Join(folder, "nothing"), nil, 0o600))
	check(os.WriteFile(filepath.Join(folder, "block"), make([]byte, 512), 0o600))
	var b bytes.Buffer
	check(writeArchive(&b, folder))
	if size := must(archiveSize(folder)); size != int64(b.Len()) {
		t.Errorf("%d bytes, announced %d", b.Len(), size)
	}
	check(readArchive(bytes.NewReader(b.Bytes()), into))
	var again bytes.Buffer
	check(writeArchive(&again, into))
	if !bytes.Equal(b.Bytes(), again.Bytes()) {
		t.Error("what is unpacked is not what was packed")
	}
	check(os.Symlink("/etc/passwd", filepath.Join(folder, "link")))
	if err := writeArchive(io.Discard, folder); err == nil {
		t.Error("a link was packed")
	}
}

func TestAnArchiveStaysInItsFolder(t *testing.T) {
	for name, header := range map[string]tar.Header{
		"above":     {Name: "../out", Typeflag: tar.TypeReg, Mode: 0o600},
		"absolute":  {Name: "/tmp/out", Typeflag: tar.TypeReg, Mode: 0o600},
		"link":      {Name: "link", Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		"device":    {Name: "device", Typeflag: tar.TypeChar},
		"attribute": {Name: "file", Typeflag: tar.TypeReg, PAXRecords: map[string]string{"comment": "x"}},
	} {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		check(w.WriteHeader(&header))
		check(w.Close())
		if err := readArchive(&b, t.TempDir()); err == nil {
			t.Errorf("%s was unpacked", name)
		}
	}
}

func newSnapshots(t *testing.T) *snapshotStore {
	t.Helper()
	return must(openSnapshotStore(t.TempDir(), hclog.NewNullLogger()))
}

func (s *snapshotStore) create(t *testing.T, index uint64) *snapshotSink {
	t.Helper()
	return must(s.Create(1, index, 2, testMeta().Configuration, 3, nil)).(*snapshotSink)
}

// adopt makes a complete snapshot with one file.
func (s *snapshotStore) adopt(t *testing.T, index uint64, content string) string {
	t.Helper()
	folder := filepath.Join(filepath.Dir(s.dir), "made")
	check(os.Mkdir(folder, 0o700))
	check(os.WriteFile(filepath.Join(folder, "file"), []byte(content), 0o600))
	sink := s.create(t, index)
	check(sink.AdoptFolder(folder))
	check(sink.Close())
	check(sink.Close()) // Raft's and the state machine's
	check(sink.Cancel())
	return sink.ID()
}

func TestASnapshotTravels(t *testing.T) {
	s, other := newSnapshots(t), newSnapshots(t)
	id := s.adopt(t, 7, "state")
	meta, r, err := s.Open(id)
	check(err)
	sink := other.create(t, 7)
	n, err := io.Copy(sink, r)
	check(err)
	check(r.Close())
	check(sink.Close())
	if n != meta.Size {
		t.Errorf("%d bytes, announced %d", n, meta.Size)
	}
	if b := must(os.ReadFile(filepath.Join(other.checkpoint(sink.ID()), "file"))); string(b) != "state" {
		t.Errorf("received %q", b)
	}
	metas := must(other.List())
	if len(metas) != 1 || metas[0].Index != 7 || metas[0].Term != 2 || metas[0].ConfigurationIndex != 3 || len(metas[0].Configuration.Servers) != 2 {
		t.Errorf("got %+v", metas)
	}
}

func TestAStreamThatEndsEarlyIsNoSnapshot(t *testing.T) {
	s, other := newSnapshots(t), newSnapshots(t)
	_, r, err := s.Open(s.adopt(t, 7, strings.Repeat("state", 1000)))
	check(err)
	whole := must(io.ReadAll(r))
	check(r.Close())
	for _, n := range []int{0, 100, 512, 1000, len(whole) - 1024, len(whole) - 1} {
		sink := other.create(t, 7)
		_, err := sink.Write(whole[:n])
		check(err)
		if err := sink.Close(); err == nil {
			t.Errorf("%d of %d bytes made a snapshot", n, len(whole))
		}
	}
	sink := other.create(t, 7)
	_, err = sink.Write(whole[:700])
	check(err)
	check(sink.Cancel())
	if _, err := sink.Write(whole); !errors.Is(err, errSink) {
		t.Errorf("writing after the end: %v", err)
	}
	if err := other.create(t, 8).Close(); err == nil {
		t.Error("nothing made a snapshot")
	}
	if left := must(os.ReadDir(other.dir)); len(must(other.List())) != 0 || len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

func TestOldSnapshotsGoWhenNobodyReadsThem(t *testing.T) {
	s := newSnapshots(t)
	first := s.adopt(t, 7, "first")
	_, r, err := s.Open(first)
	check(err)
	s.adopt(t, 8, "second")
	third := s.adopt(t, 8, "third") // the same index again
	if metas := must(s.List()); len(metas) != 2 || metas[0].ID != third || metas[1].ID != first {
		t.Errorf("got %+v", metas)
	}
	if b := must(io.ReadAll(r)); !bytes.Contains(b, []byte("first")) {
		t.Error("the reader lost its snapshot")
	}
	check(r.Close())
	if metas := must(s.List()); len(metas) != 1 || s.newestIndex() != 8 {
		t.Errorf("got %+v", metas)
	}
	if _, _, err := s.Open(first); err == nil {
		t.Error("a snapshot that is gone was opened")
	}
}

func TestAnUnfinishedSnapshotIsRemovedAtStart(t *testing.T) {
	s := newSnapshots(t)
	id := s.adopt(t, 7, "good")
	_, err := s.create(t, 9).Write([]byte("the crash comes here"))
	check(err)
	again := must(openSnapshotStore(filepath.Dir(s.dir), hclog.NewNullLogger()))
	if left := must(os.ReadDir(s.dir)); len(left) != 1 || left[0].Name() != id || again.newestIndex() != 7 {
		t.Errorf("left: %v", left)
	}
}

func TestADamagedSnapshotIsNoticed(t *testing.T) {
	for name, damage := range map[string]func(folder string){
		"no meta":          func(folder string) { check(os.Remove(filepath.Join(folder, metaName))) },
		"a truncated meta": func(folder string) { check(os.Truncate(filepath.Join(folder, metaName), 30)) },
		"a huge meta":      func(folder string) { check(os.Truncate(filepath.Join(folder, metaName), maxMetaFile+1)) },
		"another's meta": func(folder string) {
			check(os.WriteFile(filepath.Join(folder, metaName), must(encodeMeta(testMeta())), 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSnapshots(t)
			id := s.adopt(t, 9, "state")
			damage(filepath.Join(s.dir, id))
			if _, err := s.List(); !errors.Is(err, ErrDamaged) {
				t.Errorf("list: %v", err)
			}
			if _, _, err := s.Open(id); !errors.Is(err, ErrDamaged) {
				t.Errorf("open: %v", err)
			}
			if _, err := openSnapshotStore(filepath.Dir(s.dir), hclog.NewNullLogger()); !errors.Is(err, ErrDamaged) {
				t.Errorf("start: %v", err)
			}
		})
	}
	s := newSnapshots(t)
	id := s.adopt(t, 9, strings.Repeat("x", 1000))
	check(os.Truncate(filepath.Join(s.checkpoint(id), "file"), 10))
	if _, _, err := s.Open(id); !errors.Is(err, ErrDamaged) {
		t.Errorf("a truncated checkpoint: %v", err)
	}
}
