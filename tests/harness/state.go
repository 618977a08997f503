package harness

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	raftboltdb "github.com/hashicorp/raft-boltdb/v2"

	"tumbler/cluster"
	"tumbler/fsm"
)

// State is what a node that has ended left on its disk: its store, with its log applied to the end, as its next start
// will do it. It is read from a copy.
func (c *Cluster) State(number uint32) *fsm.View {
	c.t.Helper()
	n := c.Node(number)
	if n.Running() {
		c.t.Fatalf("node %d runs, and its disk cannot be read", number)
	}
	view, err := recovered(c.t, n.DataDir())
	if err != nil {
		c.t.Fatalf("the disk of node %d: %v", number, err)
	}
	return view
}

func recovered(t testing.TB, dataDir string) (*fsm.View, error) {
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "state"), os.DirFS(filepath.Join(dataDir, "state"))); err != nil {
		return nil, err
	}
	raftDir := filepath.Join(dataDir, "raft")
	if err := copyFile(filepath.Join(dir, "log.bolt"), filepath.Join(raftDir, "log.bolt")); err != nil {
		return nil, err
	}
	store, err := fsm.Open(fsm.Config{Dir: filepath.Join(dir, "state")})
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { _ = store.Close() })
	log, err := raftboltdb.New(raftboltdb.Options{Path: filepath.Join(dir, "log.bolt"), MsgpackUseNewTimeFormat: true})
	if err != nil {
		return nil, err
	}
	defer func() { _ = log.Close() }()
	if err := replay(store, log, raftDir); err != nil {
		return nil, err
	}
	view, err := store.View()
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { view.Close() })
	return view, nil
}

// replay applies what the log has and the store has not.
func replay(store *fsm.Store, log raft.LogStore, raftDir string) error {
	first, err := log.FirstIndex()
	if err != nil {
		return err
	}
	last, err := log.LastIndex()
	if err != nil {
		return err
	}
	for index := max(first, store.AppliedIndex()+1); index <= last; index++ {
		var entry raft.Log
		if err := log.GetLog(index, &entry); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		if entry.Extensions, err = cluster.Table(raftDir, &entry); err != nil {
			return fmt.Errorf("entry %d: %w", index, err)
		}
		if failed, ok := store.Apply(&entry).(error); ok {
			return fmt.Errorf("entry %d: %w", index, failed)
		}
	}
	return nil
}

func copyFile(to, from string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	return errors.Join(err, target.Close())
}

// Blobs is every wrapped key of an epoch, byte by byte.
type Blobs struct {
	Epoch  uint64
	Count  uint64
	Digest string // SHA-256 over each number and its blob, by number
}

// BlobsOf reads an epoch of a view.
func BlobsOf(view *fsm.View, epoch uint64) (Blobs, error) {
	b, hash := Blobs{Epoch: epoch}, sha256.New()
	err := view.Blobs(epoch, 1, view.Cluster().NextBlob, func(n uint64, blob []byte) (bool, error) {
		b.Count++
		var head [16]byte
		binary.BigEndian.PutUint64(head[:8], n)
		binary.BigEndian.PutUint64(head[8:], uint64(len(blob)))
		hash.Write(head[:])
		hash.Write(blob)
		return true, nil
	})
	b.Digest = hex.EncodeToString(hash.Sum(nil))
	return b, err
}

// Disks is what every node has on its disk of the current epoch, by number.
type Disks map[uint32]Blobs

// StoppedBlobs stops every node, reads every blob from every disk, and starts the nodes again. Blobs of another epoch than
// the current one fail the test.
func (c *Cluster) StoppedBlobs() Disks {
	c.t.Helper()
	c.Stop(c.All()...)
	disks := Disks{}
	for _, number := range c.All() {
		view := c.State(number)
		epochs := view.Cluster().Epochs
		for epoch := uint64(1); epoch <= epochs.Last; epoch++ {
			blobs, err := BlobsOf(view, epoch)
			switch {
			case err != nil:
				c.t.Fatalf("epoch %d of node %d: %v", epoch, number, err)
			case epoch == epochs.Current:
				disks[number] = blobs
			case blobs.Count > 0:
				c.t.Errorf("node %d still has %d blobs of epoch %d; the current one is %d", number, blobs.Count, epoch, epochs.Current)
			}
		}
	}
	c.Start(c.All()...)
	return disks
}
