package cryptounit

import (
	"crypto/sha256"
	"crypto/subtle"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// BeginPartition notes in the sealed file, durably, that this unit rewraps a
// partition in a pass: it will never verify it in that pass.
func (u *Unit) BeginPartition(digest order.Digest, partition, pass uint32) error {
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return u.stopped
	}
	if err := u.content.rewrapping(digest); err != nil {
		return err
	}
	if partition >= order.MaxPartitions {
		return refuse(ErrPartition, "there is no partition %d", partition)
	}
	n := note{partition, pass}
	if u.content.Open.noted(n) {
		return nil
	}
	return u.update(func(c *content) error {
		c.Open.Notes = append(c.Open.Notes, n)
		return nil
	})
}

// rewrapping refuses unless the order is the open one and its key is committed.
func (c *content) rewrapping(digest order.Digest) error {
	if c.openDigest() != digest {
		return refuse(ErrNoOrder, "%v", digest)
	}
	if c.Registers.New != masterkey.NewFullCommitted {
		return masterkey.ErrUncommitted
	}
	return nil
}

// RewrapResult is one rewrapped batch.
type RewrapResult struct {
	// Blobs are the rewrapped blobs, in the order given; nil where one failed.
	Blobs [][]byte
	// Failed are the indices of those that do not open.
	Failed []int
	// Counts are the rewrapped ones by class.
	Counts order.Counts
}

// Rewrap opens each blob under the current master key and seals it under the
// committed new one. The unit must have noted the partition and pass. A blob
// that is not under the current pattern, or does not open, is in Failed.
func (u *Unit) Rewrap(digest order.Digest, partition, pass uint32, blobs [][]byte) (result RewrapResult, err error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.stopped != nil {
		return result, u.stopped
	}
	c := u.content
	if err := c.rewrapping(digest); err != nil {
		return result, err
	}
	if !c.Open.noted(note{partition, pass}) {
		return result, refuse(ErrPartition, "partition %d, pass %d is not noted as this unit's", partition, pass)
	}
	if c.current == nil {
		return result, masterkey.ErrCurrentEmpty
	}
	inSecret(func() { result, err = c.rewrap(blobs) })
	return result, err
}

func (c *content) rewrap(blobs [][]byte) (RewrapResult, error) {
	from, err := newOpeners(c.current)
	if err != nil {
		return RewrapResult{}, err
	}
	to, err := newSealers(c.next)
	if err != nil {
		return RewrapResult{}, err
	}
	oldPattern, newPattern := c.Registers.CurrentPattern.Short(), c.Registers.NewPattern.Short()
	size := 0
	for _, blob := range blobs {
		size += len(blob)
	}
	arena := make([]byte, 0, size)
	material := make([]byte, 0, MaxMaterial)
	defer func() { erase(material[:cap(material)]) }()
	result := RewrapResult{Blobs: make([][]byte, len(blobs))}
	for i, blob := range blobs {
		n, err := headerLength(blob)
		if err != nil || blobPattern(blob) != oldPattern || order.ID(blob[4:patternOffset]) != c.Instance {
			result.Failed = append(result.Failed, i)
			continue
		}
		p := blobPurpose(Use(blob[1]))
		opened, err := from.of(p).open(material[:0], blob[n:], blob[:n])
		if err != nil {
			result.Failed = append(result.Failed, i)
			continue
		}
		start := len(arena)
		arena = append(arena, blob[:n]...)
		copy(arena[start+patternOffset:], newPattern[:])
		if arena, err = to.of(p).seal(arena, opened, arena[start:]); err != nil {
			return RewrapResult{}, err
		}
		result.Blobs[i] = arena[start:len(arena):len(arena)]
		result.Counts = result.Counts.Count(order.Class(blob[2]), 1)
	}
	return result, nil
}

// pair has one of something for each purpose that seals blobs.
type pair[T any] struct{ blob, kek T }

func (p *pair[T]) of(purpose purpose) T {
	if purpose == purposeKEK {
		return p.kek
	}
	return p.blob
}

// newOpeners and newSealers hold one derivation a purpose for a whole batch.
func newOpeners(register *secret) (openers pair[*batchOpener], err error) {
	blob, kek, err := register.both()
	if err != nil {
		return openers, err
	}
	return pair[*batchOpener]{blob.newOpener(), kek.newOpener()}, nil
}

func newSealers(register *secret) (sealers pair[*batchSealer], err error) {
	blob, kek, err := register.both()
	if err != nil {
		return sealers, err
	}
	return sealersOf(blob, kek)
}

func sealersOf(blob, kek *xaes) (sealers pair[*batchSealer], err error) {
	if sealers.blob, err = blob.newBatch(); err != nil {
		return sealers, err
	}
	sealers.kek, err = kek.newBatch()
	return sealers, err
}

// both derives the two subkeys that seal blobs.
func (s *secret) both() (blob, kek *xaes, err error) {
	if blob, err = s.xaes(purposeBlob); err != nil {
		return nil, nil, err
	}
	kek, err = s.xaes(purposeKEK)
	return blob, kek, err
}

// Verifier compares both epochs of one partition, blob by blob. It is for one
// goroutine.
type Verifier struct {
	unit *Unit
	said order.Statement
	old  pair[*batchOpener]
	next pair[*batchOpener]
	// The patterns that the blobs must name.
	oldPattern, newPattern [masterkey.ShortSize]byte
	instance               order.ID
	was, is                []byte // scratch for material
	err                    error
}

// NewVerifier begins a partition of 1..last. Refused with ErrPartition where
// the sealed file notes that this unit rewrapped it in that pass.
func (u *Unit) NewVerifier(digest order.Digest, last uint64, partition, pass uint32) (*Verifier, error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.stopped != nil {
		return nil, u.stopped
	}
	c := u.content
	if err := c.verifiable(digest, partition, pass); err != nil {
		return nil, err
	}
	if _, _, ok := order.PartitionRange(last, partition); !ok || c.current == nil {
		return nil, refuse(ErrPartition, "there is no partition %d of 1..%d", partition, last)
	}
	v := &Verifier{
		unit: u, oldPattern: c.Registers.CurrentPattern.Short(), newPattern: c.Registers.NewPattern.Short(), instance: c.Instance,
		said: order.Statement{Kind: order.Verified, Order: digest, Verification: &order.Verification{Partition: partition, Pass: pass, Last: last}},
	}
	var err error
	inSecret(func() {
		if v.old, err = newOpeners(c.current); err == nil {
			v.next, err = newOpeners(c.next)
		}
	})
	return v, err
}

func (c *content) verifiable(digest order.Digest, partition, pass uint32) error {
	if err := c.rewrapping(digest); err != nil {
		return err
	}
	if c.Open.noted(note{partition, pass}) {
		return refuse(ErrPartition, "this unit rewrapped partition %d in pass %d: another one verifies it", partition, pass)
	}
	return nil
}

// Add opens both blobs and compares material and headers, which may differ in
// pattern and format only. A difference is ErrNotEqual or, where one does not
// open, ErrBlob; the verifier then states nothing any more.
func (v *Verifier) Add(current, next []byte) error {
	if v.err != nil {
		return v.err
	}
	inSecret(func() { v.err = v.compare(current, next) })
	return v.err
}

func (v *Verifier) compare(current, next []byte) error {
	n, err := headerLength(current)
	if err != nil {
		return err
	}
	m, err := headerLength(next)
	if err != nil {
		return err
	}
	if blobPattern(current) != v.oldPattern || blobPattern(next) != v.newPattern || order.ID(current[4:patternOffset]) != v.instance {
		return refuse(ErrBlob, "it is not under the master key of its epoch")
	}
	const after = patternOffset + masterkey.ShortSize
	if string(current[1:patternOffset]) != string(next[1:patternOffset]) || string(current[after:n]) != string(next[after:m]) {
		return refuse(ErrNotEqual, "the headers differ")
	}
	p := blobPurpose(Use(current[1]))
	was, err := v.old.of(p).open(v.was[:0], current[n:], current[:n])
	if err != nil {
		return refuse(ErrBlob, "the current one is not what was sealed")
	}
	defer erase(was)
	is, err := v.next.of(p).open(v.is[:0], next[m:], next[:m])
	if err != nil {
		return refuse(ErrBlob, "the rewrapped one is not what was sealed")
	}
	defer erase(is)
	v.was, v.is = was, is
	if subtle.ConstantTimeCompare(was, is) != 1 {
		return ErrNotEqual
	}
	v.said.Verification.Counts = v.said.Verification.Counts.Count(order.Class(current[2]), 1)
	return nil
}

// Finish states `verified` with the counts of what was added.
func (v *Verifier) Finish() (order.SignedStatement, error) {
	if v.err != nil {
		return order.SignedStatement{}, v.err
	}
	u := v.unit
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return order.SignedStatement{}, u.stopped
	}
	if err := u.content.verifiable(v.said.Order, v.said.Verification.Partition, v.said.Verification.Pass); err != nil {
		return order.SignedStatement{}, err
	}
	return u.stated(&v.said, func(*content) error { return nil })
}

// CannotOpen states that this unit cannot open a blob of the current epoch,
// with the blob's digest, and its class as its header claims it (KMS where the
// header is not readable either). A blob that opens is ErrOpens.
func (u *Unit) CannotOpen(digest order.Digest, number uint64, blob []byte) (order.SignedStatement, error) {
	if u.Check(blob) == nil {
		return order.SignedStatement{}, ErrOpens
	}
	u.control.Lock()
	defer u.control.Unlock()
	if u.stopped != nil {
		return order.SignedStatement{}, u.stopped
	}
	if err := u.content.rewrapping(digest); err != nil {
		return order.SignedStatement{}, err
	}
	name := &order.BlobName{Number: number, Class: order.KMS, Digest: sha256.Sum256(blob)}
	if h, err := ParseHeader(blob); err == nil {
		name.Class = h.Class
	}
	return u.stated(&order.Statement{Kind: order.CannotOpen, Order: digest, Blob: name}, func(*content) error { return nil })
}
