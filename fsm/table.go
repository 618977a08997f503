package fsm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/hashicorp/raft"

	"tumbler/holdpoint"
)

// Limits of a batch's table.
const (
	MaxTableSize  = 1 << 20 // bytes
	MaxTableCount = 4096    // blobs
)

// BuildTable writes blobs, which stand by rising number, as one sorted table for an epoch.
func BuildTable(epoch uint64, blobs []BlobRecord) ([]byte, error) {
	const overhead, each = 16 << 10, 40 // bytes: of a table, of a blob
	size := overhead
	for _, blob := range blobs {
		size += len(blob.Blob) + each
	}
	file := &memoryFile{make([]byte, 0, size)}
	w := sstable.NewWriter(file, tableOptions())
	for _, blob := range blobs {
		if err := w.Set(blobKey(epoch, blob.Number), blob.Blob); err != nil {
			_ = w.Close()
			return nil, fmt.Errorf("building a table: %w", err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("building a table: %w", err)
	}
	return file.content, nil
}

// memoryFile implements objstorage.Writable.
type memoryFile struct{ content []byte }

func (f *memoryFile) Write(p []byte) error { f.content = append(f.content, p...); return nil }
func (f *memoryFile) Finish() error        { return nil }
func (f *memoryFile) Abort()               {}

// checkTable refuses a table that is not what its command says: digest, size, count, and numbers From to To-1 of an epoch. Its
// blobs are given to each.
func checkTable(c *PutBatch, epoch uint64, table []byte, digest func() [sha256.Size]byte, each func(key, blob []byte)) error {
	if len(table) != int(c.Size) || len(table) > MaxTableSize || c.Count > MaxTableCount {
		return ErrTable.with("%d bytes and %d blobs, the command says %d bytes", len(table), c.Count, c.Size)
	}
	if c.Count == 0 {
		if c.Size != 0 || c.Table != ([32]byte{}) || c.Counts != (Counts{}) {
			return ErrTable.with("no blobs, and yet a table")
		}
		return nil
	}
	if digest() != c.Table {
		return ErrTable.with("it is not the table of the digest %x", c.Table[:8])
	}
	r, err := sstable.NewMemReader(table, sstable.ReaderOptions{})
	if err != nil {
		return ErrTable.with("%v", err)
	}
	defer r.Close()
	if f, err := r.TableFormat(); err != nil || f != tableFormat {
		return ErrTable.with("its format is %v, not %v", f, tableFormat)
	}
	return checkKeys(c, epoch, r, each)
}

// digestOf gives the digest of an entry's table.
func (s *Store) digestOf(log *raft.Log) [sha256.Size]byte {
	if s.config.TableDigest != nil {
		if digest, known := s.config.TableDigest(log.Index, log.Term); known {
			return digest
		}
	}
	return sha256.Sum256(log.Extensions)
}

func checkKeys(c *PutBatch, epoch uint64, r *sstable.Reader, each func(key, blob []byte)) error {
	iter, err := r.NewIter(sstable.NoTransforms, nil, nil, sstable.AssertNoBlobHandles)
	if err != nil {
		return ErrTable.with("%v", err)
	}
	defer iter.Close()
	prefix, count, next := epochKey(epoch), uint32(0), c.From
	for kv := iter.First(); kv != nil; kv = iter.Next() {
		key := kv.K.UserKey
		if len(key) != len(prefix)+8 || !bytes.HasPrefix(key, prefix) || kv.K.Kind() != sstable.InternalKeyKindSet || kv.K.SeqNum() != 0 {
			return ErrTable.with("it holds more than blobs of epoch %d", epoch)
		}
		n := binary.BigEndian.Uint64(key[len(prefix):])
		if n < next || n >= c.To {
			return ErrTable.with("number %d is outside %d to %d, or comes twice", n, c.From, c.To-1)
		}
		blob, _, err := kv.Value(nil)
		if err != nil || len(blob) == 0 || len(blob) > MaxBlob {
			return ErrTable.with("blob %d has %d bytes: %v", n, len(blob), err)
		}
		each(key, blob)
		count, next = count+1, n+1
	}
	if err := iter.Error(); err != nil {
		return ErrTable.with("%v", err)
	}
	if count != c.Count || c.Counts.Sum() != uint64(count) {
		return ErrTable.with("it holds %d blobs, the command says %d", count, c.Count)
	}
	return checkRanges(r)
}

// checkRanges refuses a table that deletes or sets ranges: it looks at the blocks, not at what the properties say of them.
func checkRanges(r *sstable.Reader) error {
	deletions, err := r.NewRawRangeDelIter(context.Background(), sstable.NoFragmentTransforms, sstable.NoReadEnv)
	if err != nil {
		return ErrTable.with("%v", err)
	}
	keys, err := r.NewRawRangeKeyIter(context.Background(), sstable.NoFragmentTransforms, sstable.NoReadEnv)
	if err != nil {
		return ErrTable.with("%v", err)
	}
	found := deletions != nil || keys != nil
	if deletions != nil {
		deletions.Close()
	}
	if keys != nil {
		keys.Close()
	}
	if found {
		return ErrTable.with("it holds ranges")
	}
	return nil
}

// ingest takes the tables of entries into the store: the files beside the log are linked, or the bytes are written once more.
func (s *Store) ingest(logs []*raft.Log) error {
	files := s.config.FS
	var paths []string
	for _, log := range logs {
		path := filepath.Join(s.config.Dir, fmt.Sprintf("ingest-%d.sst", log.Index))
		if err := files.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		linked := false
		if s.config.TablePath != nil {
			linked = holdpoint.Step("store-table-link", func() error { return files.Link(s.config.TablePath(log.Index, log.Term), path) }) == nil
		}
		if !linked {
			if err := writeSync(files, path, bytes.NewReader(log.Extensions)); err != nil {
				return err
			}
		}
		paths = append(paths, path)
	}
	if err := holdpoint.Step("store-ingest", func() error { return s.db.Ingest(context.Background(), paths) }); err != nil {
		return fmt.Errorf("ingesting %d tables: %w", len(paths), err)
	}
	return nil
}
