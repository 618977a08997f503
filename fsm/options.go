package fsm

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
)

// tableFormat is the format of tables beside the log: all nodes must read it, so it is fixed by the feature level.
const tableFormat = sstable.TableFormatPebblev4

// options are the store's, with its logger.
func (s *Store) options() *pebble.Options {
	o := PebbleOptions(s.cache)
	o.Logger, o.EventListener = pebbleLogger{s}, s.listener()
	o.FS = checkpointFS{s.config.FS}
	return o
}

// PebbleOptions are those of every store: no WAL, since Raft's log is it; no compression, since ciphertext does not compress.
func PebbleOptions(cache *pebble.Cache) *pebble.Options {
	o := &pebble.Options{
		Cache:                       cache,
		DisableWAL:                  true,
		FormatMajorVersion:          pebble.FormatColumnarBlocks,
		MemTableSize:                16 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       1000,
		LBaseMaxBytes:               64 << 20,
		MaxOpenFiles:                1000,
	}
	// The tables of a rewrap go to the lowest level even where a file there spans their range without having anything in it.
	// Above it they would be written once more, to be merged.
	o.Experimental.IngestSplit = func() bool { return true }
	for i := range o.Levels {
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return block.NoCompression }
	}
	return o
}

// tableOptions are those of BuildTable.
func tableOptions() sstable.WriterOptions {
	return sstable.WriterOptions{
		TableFormat: tableFormat,
		Compression: block.NoCompression,
		BlockSize:   16 << 10,
	}
}

// pebbleLogger hands Pebble's words on. Pebble calls Fatalf where it cannot go on.
type pebbleLogger struct{ store *Store }

func (l pebbleLogger) Infof(format string, args ...any) {
	l.store.config.Logger.Trace(fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.store.config.Logger.Error(fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	full := false
	for _, arg := range args {
		if cause, ok := arg.(error); ok && unwritable(cause) {
			full, err = true, fmt.Errorf("the store in %s cannot be written: %w", l.store.config.Dir, cause)
		}
	}
	if told := l.store.config.Fatal; told != nil {
		told(err) // not through fail: the caller may hold the store's lock
		if full {
			select {} // the contract: Fatalf does not return; the node ends, and says why
		}
	}
	panic(err)
}
