package cryptounit

import (
	"crypto/subtle"

	"tumbler/cryptounit/masterkey"
)

// NewKey is a key to be made: with the material that a caller brought, who
// erases its copy, or else drawn.
type NewKey struct {
	Header   Header
	Material []byte // 1 to MaxMaterial bytes; nil: it is drawn
	Size     int    // bytes to draw
}

func (k *NewKey) size() int {
	if k.Material != nil {
		return len(k.Material)
	}
	return k.Size
}

// MakeKeys seals keys under each pattern: one blob a key and pattern, a key's
// all with the same material, each opened again and compared. The blobs of a
// pattern are sealed as a batch. All of them or none.
func (u *Unit) MakeKeys(keys []NewKey, under ...masterkey.Pattern) (blobs [][][]byte, err error) {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if u.stopped != nil {
		return nil, u.stopped
	}
	if len(under) == 0 || len(under) > 2 {
		return nil, refuse(ErrBlob, "keys under %d master keys", len(under))
	}
	size := 0
	for i := range keys {
		k := &keys[i]
		if k.size() <= 0 || k.size() > MaxMaterial {
			return nil, refuse(ErrBlob, "a key of %d bytes", k.size())
		}
		if k.Header.Instance != u.content.Instance {
			return nil, refuse(ErrBlob, "it is for another instance")
		}
		size += len(under) * (fixedHeader + 3 + len(k.Header.Owner) + len(k.Header.Attributes) + k.size() + xaesOverhead)
	}
	// What can be is allocated here: it is slow in runtime/secret.
	m := &maker{content: u.content, arena: make([]byte, 0, size), blobs: make([][][]byte, len(keys))}
	all := make([][]byte, len(keys)*len(under))
	for i := range keys {
		m.blobs[i] = all[i*len(under) : (i+1)*len(under)]
	}
	inSecret(func() {
		if err = m.derive(under); err == nil {
			err = m.makeAll(keys, under)
		}
	})
	if err != nil {
		return nil, err
	}
	return m.blobs, nil
}

// maker makes keys, with one derivation a pattern and purpose.
type maker struct {
	content *content
	arena   []byte // that all blobs lie in
	blobs   [][][]byte
	sealers [2]pair[*batchSealer] // by pattern
	openers [2]pair[*batchOpener]
}

// derive makes the sealer and the opener of each pattern.
func (m *maker) derive(under []masterkey.Pattern) error {
	for j, pattern := range under {
		register, err := m.content.register(pattern.Short())
		if err != nil {
			return err
		}
		blob, kek, err := register.both()
		if err != nil {
			return err
		}
		m.openers[j] = pair[*batchOpener]{blob.newOpener(), kek.newOpener()}
		if m.sealers[j], err = sealersOf(blob, kek); err != nil {
			return err
		}
	}
	return nil
}

func (m *maker) makeAll(keys []NewKey, under []masterkey.Pattern) error {
	var drawn, again [MaxMaterial]byte
	defer erase(drawn[:])
	defer erase(again[:])
	for i := range keys {
		k := &keys[i]
		material := k.Material
		if material == nil {
			material = drawn[:k.Size]
			random(madeOf(k.Header.Use), material)
		}
		for j, pattern := range under {
			if err := m.sealKey(i, j, k.Header, pattern, material, again[:0]); err != nil {
				return err
			}
		}
	}
	return nil
}

// sealKey seals one key under one pattern.
func (m *maker) sealKey(i, j int, h Header, under masterkey.Pattern, material, again []byte) (err error) {
	h.Pattern = under.Short()
	start := len(m.arena)
	if m.arena, err = h.append(m.arena); err != nil {
		return err
	}
	head := m.arena[start:]
	if m.arena, err = m.sealers[j].of(blobPurpose(h.Use)).seal(m.arena, material, head); err != nil {
		return err
	}
	blob := m.arena[start:len(m.arena):len(m.arena)]
	again, err = m.openers[j].of(blobPurpose(h.Use)).open(again, blob[len(head):], blob[:len(head)])
	if err != nil || subtle.ConstantTimeCompare(again, material) != 1 {
		return ErrNotEqual
	}
	m.blobs[i][j] = blob
	return nil
}

// GenerateKey draws size bytes and seals them under each pattern: one blob a
// pattern, the same material in each.
func (u *Unit) GenerateKey(h Header, size int, under ...masterkey.Pattern) ([][]byte, error) {
	return first(u.MakeKeys([]NewKey{{Header: h, Size: size}}, under...))
}

// ImportKey seals what a caller brought, under each pattern. The caller erases
// its copy.
func (u *Unit) ImportKey(h Header, material []byte, under ...masterkey.Pattern) ([][]byte, error) {
	return first(u.MakeKeys([]NewKey{{Header: h, Material: material, Size: -1}}, under...))
}

func first(blobs [][][]byte, err error) ([][]byte, error) {
	if err != nil {
		return nil, err
	}
	return blobs[0], nil
}
