package cluster

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/hashicorp/raft"

	"tumbler/holdpoint"
)

// A stub stands in the log for a table that lies beside it: 4 bytes of magic with a format number, 8 of size, big endian,
// 32 of SHA-256. A small table, which is not worth a file and two more disk syncs, follows its stub: 4 bytes of magic, 32 of
// SHA-256, the table. The formats are forever.
type stub struct {
	size   int64
	digest [sha256.Size]byte
	small  []byte // the table, if it is in the log
}

const (
	stubMagic  = "TBL\x01"
	stubSize   = len(stubMagic) + 8 + sha256.Size
	smallMagic = "TBL\x02"
	smallSize  = len(smallMagic) + sha256.Size
	maxTable   = 1 << 30 // bytes; far above what a proposal may carry
)

var errStub = errors.New("not the stub of a table")

func stubOf(table []byte) stub {
	s := stub{size: int64(len(table)), digest: sha256.Sum256(table)}
	if len(table) < SmallTable {
		s.small = table
	}
	return s
}

func (s stub) encode() []byte {
	if s.small != nil {
		b := append(make([]byte, 0, smallSize+len(s.small)), smallMagic...)
		return append(append(b, s.digest[:]...), s.small...)
	}
	b := make([]byte, 0, stubSize)
	b = append(b, stubMagic...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.size))
	return append(b, s.digest[:]...)
}

func decodeStub(b []byte) (s stub, err error) {
	if len(b) > smallSize && string(b[:len(smallMagic)]) == smallMagic {
		s = stubOf(b[smallSize:])
		if s.digest != [sha256.Size]byte(b[len(smallMagic):smallSize]) {
			return stub{}, fmt.Errorf("%w: %d bytes that are not those of the digest", errStub, s.size)
		}
		s.small = b[smallSize:]
		return s, nil
	}
	if len(b) != stubSize || string(b[:len(stubMagic)]) != stubMagic {
		return stub{}, fmt.Errorf("%w: %d bytes", errStub, len(b))
	}
	size := binary.BigEndian.Uint64(b[len(stubMagic):])
	if size == 0 || size > maxTable {
		return stub{}, fmt.Errorf("%w: a size of %d", errStub, size)
	}
	s.size = int64(size)
	copy(s.digest[:], b[len(stubMagic)+8:])
	return s, nil
}

const (
	tablesFolder = "tables"
	tableSuffix  = ".table"
)

// TablePath is where the table of the entry with that index and term lies, for the Config.Dir dir.
func TablePath(dir string, index, term uint64) string {
	return filepath.Join(dir, tablesFolder, tableName(index, term))
}

func tableName(index, term uint64) string {
	return fmt.Sprintf("%020d-%020d%s", index, term, tableSuffix)
}

func parseTableName(name string) (index, term uint64, ok bool) {
	base, ok := strings.CutSuffix(name, tableSuffix)
	left, right, dash := strings.Cut(base, "-")
	if !ok || !dash {
		return 0, 0, false
	}
	index, err1 := strconv.ParseUint(left, 10, 64)
	term, err2 := strconv.ParseUint(right, 10, 64)
	return index, term, err1 == nil && err2 == nil && tableName(index, term) == name
}

// writeTable makes a table durable, all but its name in the folder. The file is always a new one: the state machine may
// have linked one that had the same name.
func writeTable(path string, table []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(table)
	if err == nil {
		err = holdpoint.Step("log-table-sync", f.Sync)
	}
	return errors.Join(err, f.Close())
}

// readTable gives the table that the stub stands for, or says that it is not what was written.
func readTable(path string, s stub) ([]byte, error) {
	if s.small != nil {
		return s.small, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if info.Size() != s.size {
		return nil, fmt.Errorf("%w: %s has %d bytes, not %d", ErrDamaged, path, info.Size(), s.size)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if sha256.Sum256(b) != s.digest {
		return nil, fmt.Errorf("%w: %s does not have the digest that the log names", ErrDamaged, path)
	}
	return b, nil
}

// Table gives the table of an entry as Bolt has it, wherever it lies below the Config.Dir dir; nil if it has none.
func Table(dir string, entry *raft.Log) ([]byte, error) {
	if len(entry.Extensions) == 0 {
		return nil, nil
	}
	s, err := decodeStub(entry.Extensions)
	if err != nil {
		return nil, fmt.Errorf("%w: entry %d: %w", ErrDamaged, entry.Index, err)
	}
	return readTable(TablePath(dir, entry.Index, entry.Term), s)
}

// syncFolder makes the names in a folder durable.
func syncFolder(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(holdpoint.Step("log-folder-sync", f.Sync), f.Close())
}
