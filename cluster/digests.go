package cluster

import (
	"crypto/sha256"
	"sync"
)

// digests remembers the digests of the tables that were stored last, by index: each is asked for once more, soon, when its
// entry is applied. Its methods are safe for concurrent use.
type digests struct {
	mu   sync.Mutex
	last [256]tableDigest // by index, modulo
}

type tableDigest struct {
	index, term uint64
	digest      [sha256.Size]byte
}

func (d *digests) note(index, term uint64, digest [sha256.Size]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.last[index%uint64(len(d.last))] = tableDigest{index, term, digest}
}

func (d *digests) find(index, term uint64) ([sha256.Size]byte, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.last[index%uint64(len(d.last))]
	return t.digest, t.index == index && t.term == term && index != 0
}

// TableDigest gives the SHA-256 of the table of an entry that was stored lately.
func (c *Cluster) TableDigest(index, term uint64) ([sha256.Size]byte, bool) {
	return c.log.digests.find(index, term)
}
