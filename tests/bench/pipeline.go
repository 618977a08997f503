package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hashicorp/raft"
	"golang.org/x/sync/errgroup"

	"tumbler/cluster"
	"tumbler/fsm"
	"tumbler/rewrap"
)

// The records of the bare pipeline: as large as the blob of a 32-byte key, with the keys and in the order of a rewrap.
const (
	recordSize = 147
	batchSize  = fsm.MaxTableCount
)

// pipelineNode is one process of the bare pipeline. It obeys a line of standard input at a time (bootstrap; join ADDRESS;
// propose FIRST COUNT; wait INDEX) and answers each with a line.
type pipelineNode struct {
	db      *pebble.DB
	dir     string
	cluster *cluster.Cluster

	mu       sync.Mutex
	applied  uint64
	advanced chan struct{}
}

func runPipelineNode(number uint, dir string, port int) (err error) {
	n := &pipelineNode{dir: filepath.Join(dir, fmt.Sprintf("pipeline-%d", number)), advanced: make(chan struct{})}
	cache := pebble.NewCache(64 << 20)
	defer cache.Unref()
	options := fsm.PebbleOptions(cache)
	options.Logger = quietly{pebble.DefaultLogger}
	if n.db, err = pebble.Open(filepath.Join(n.dir, "store"), options); err != nil {
		return err
	}
	defer func() { _ = n.db.Close() }() // what was measured is over
	address := func(offset int) string { return fmt.Sprintf("localhost:%d", port+10*int(number)+offset) }
	pki := func(name string) string { return filepath.Join(dir, "pki", name) }
	n.cluster, err = cluster.Open(cluster.Config{
		Number: uint32(number), Dir: filepath.Join(n.dir, "raft"), Address: address(1), FSM: n,
		Admit:    func(context.Context, uint32, string) error { return nil },
		Gossip:   cluster.Gossip{Address: address(2), Keyring: [][]byte{make([]byte, 32)}},
		TLS:      cluster.TLSFiles{Certificate: pki(fmt.Sprintf("node-%d.pem", number)), Key: pki(fmt.Sprintf("node-%d.key", number)), CA: pki("ca.pem")},
		Timeouts: cluster.Timeouts{Heartbeat: 500 * time.Millisecond, Election: 500 * time.Millisecond}, // a node's defaults
	})
	if err != nil {
		return err
	}
	defer func() { _ = n.cluster.Close() }()
	fmt.Println("ready")
	for lines := bufio.NewScanner(os.Stdin); err == nil && lines.Scan(); {
		if err = n.obey(lines.Text()); err == nil {
			fmt.Println("done", n.AppliedIndex())
		}
	}
	return err
}

func (n *pipelineNode) obey(line string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	word, rest, _ := strings.Cut(line, " ")
	var first, count, index uint64
	switch word {
	case "bootstrap":
		return n.cluster.Bootstrap(ctx)
	case "join":
		return n.cluster.Join(ctx, rest, "")
	case "propose":
		if _, err := fmt.Sscan(rest, &first, &count); err != nil {
			return err
		}
		return n.propose(ctx, first, count)
	case "wait":
		if _, err := fmt.Sscan(rest, &index); err != nil {
			return err
		}
		return n.WaitApplied(ctx, index)
	}
	return fmt.Errorf("unknown command")
}

// propose puts records first to first+count-1 through, with as many batches in flight as a rewrap has.
func (n *pipelineNode) propose(ctx context.Context, first, count uint64) error {
	var group errgroup.Group
	group.SetLimit(rewrap.InFlight)
	for from := first; from < first+count; from += batchSize {
		size := min(batchSize, first+count-from)
		group.Go(func() error {
			data := make([]byte, 0, size*recordSize)
			for i := range size {
				data = binary.BigEndian.AppendUint64(data, from+i)
				data = append(data, make([]byte, recordSize-8)...)
			}
			_, err := n.cluster.Propose(ctx, data, nil)
			return err
		})
	}
	return group.Wait()
}

// ApplyBatch puts the records of all entries into one Pebble batch.
func (n *pipelineNode) ApplyBatch(entries []*raft.Log) []any {
	answers := make([]any, len(entries))
	b := n.db.NewBatch()
	last := uint64(0)
	for i, entry := range entries {
		if entry.Type != raft.LogCommand {
			continue
		}
		for data := entry.Data; len(data) >= recordSize; data = data[recordSize:] {
			key := append([]byte("b\x00\x00\x00\x00\x00\x00\x00\x01"), data[:8]...)
			if err := b.Set(key, data[:recordSize], nil); err != nil {
				answers[i] = err
				return answers
			}
		}
		last, answers[i] = entry.Index, []byte{1}
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		answers[0] = err
		return answers
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if last > 0 {
		n.applied = last
		close(n.advanced)
		n.advanced = make(chan struct{})
	}
	return answers
}

func (n *pipelineNode) Apply(entry *raft.Log) any { return n.ApplyBatch([]*raft.Log{entry})[0] }
func (n *pipelineNode) AppliedIndex() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.applied
}

func (n *pipelineNode) WaitApplied(ctx context.Context, index uint64) error {
	for {
		n.mu.Lock()
		now, advanced := n.applied, n.advanced
		n.mu.Unlock()
		if now >= index {
			return nil
		}
		select {
		case <-advanced:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (n *pipelineNode) Flush() error { return n.db.Flush() }

// Snapshot flushes and links, as the product's does.
func (n *pipelineNode) Snapshot() (raft.FSMSnapshot, error) {
	if err := n.db.Flush(); err != nil {
		return nil, err
	}
	path := filepath.Join(n.dir, fmt.Sprintf("checkpoint-%d", n.AppliedIndex()))
	return checkpoint(path), n.db.Checkpoint(path)
}

func (n *pipelineNode) Restore(io.ReadCloser) error { return fmt.Errorf("the bench restores nothing") }

// quietly leaves out what Pebble tells of ordinary work.
type quietly struct{ pebble.Logger }

func (quietly) Infof(string, ...any) {}

type checkpoint string

func (c checkpoint) Persist(sink raft.SnapshotSink) error {
	if err := sink.(cluster.FolderSink).AdoptFolder(string(c)); err != nil {
		return err
	}
	return sink.Close()
}

func (c checkpoint) Release() { _ = os.RemoveAll(string(c)) }
