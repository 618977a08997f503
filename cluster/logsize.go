package cluster

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
)

// Bolt's two meta pages: a header of 16 bytes, then magic, version, page size and flags (4 bytes each), the root bucket (16), the
// list of free pages, the number of pages, the transaction (8 each), and FNV-1a of all that.
const (
	boltMagic    = 0xED0CDAED
	boltHeader   = 16
	boltPageSize = boltHeader + 8
	boltPages    = boltHeader + 40
	boltTx       = boltHeader + 48
	boltSum      = boltHeader + 56
	boltMeta     = boltHeader + 64
)

// whole refuses a log file that was cut off: Bolt would read beyond its end, and panic where nobody can catch it. A new file,
// and one that has no meta page, are left to Bolt.
func whole(path string) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	var newest, need uint64
	for _, at := range []int64{0, int64(os.Getpagesize())} {
		page := make([]byte, boltMeta)
		if _, err := file.ReadAt(page, at); err != nil {
			continue
		}
		sum := fnv.New64a()
		_, _ = sum.Write(page[boltHeader:boltSum])
		order := binary.NativeEndian
		if order.Uint32(page[boltHeader:]) != boltMagic || order.Uint64(page[boltSum:]) != sum.Sum64() {
			continue
		}
		if tx := order.Uint64(page[boltTx:]); need == 0 || tx > newest {
			newest, need = tx, order.Uint64(page[boltPages:])*uint64(order.Uint32(page[boltPageSize:]))
		}
	}
	if size := uint64(info.Size()); size < need {
		return fmt.Errorf("%w: %s has %d bytes, and had %d: it was cut off; %s", ErrDamaged, path, size, need, damageHint)
	}
	return nil
}
