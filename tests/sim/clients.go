package main

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// keyring is what clients wrote, by the log's order and by nothing that the product says: what every replica must hold at an
// index is told from it.
type keyring struct {
	keys []*key
	next uint64 // number of the next blob
	seen map[fsm.RequestID]bool
	made int // ids that clients have chosen
}

// key is one key, and what happened to it at which index.
type key struct {
	id       fsm.ID
	versions []version
	turns    []turnOf
}

// version is one material of a key.
type version struct {
	index    uint64 // of the entry that brought it
	number   uint64 // of its blob
	material []byte
	pair     bool
}

// turnOf is what happened to a key.
type turnOf struct {
	index uint64
	to    keyTurn
}

type keyTurn uint8

const (
	keyDeleted keyTurn = iota + 1
	keyRestored
	keyPurged
	keySwept
)

func newKeyring() *keyring { return &keyring{next: 1, seen: map[fsm.RequestID]bool{}} }

func (r *keyring) clone() *keyring {
	c := *r
	c.keys, c.seen = nil, maps.Clone(r.seen)
	for _, k := range r.keys {
		d := *k
		d.versions, d.turns = slices.Clone(k.versions), slices.Clone(k.turns)
		c.keys = append(c.keys, &d)
	}
	return &c
}

// find gives a key by its id.
func (r *keyring) find(id fsm.ID) *key {
	for _, k := range r.keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

// is tells what a key is at an index: 0 where it is live.
func (k *key) is(index uint64) (turn keyTurn) {
	for _, t := range k.turns {
		if t.index > index {
			break
		}
		if turn = t.to; turn == keyRestored {
			turn = 0
		}
	}
	return turn
}

// materialOf is what a client writes: by the names alone, so that what comes back can be told from every other.
func materialOf(id fsm.ID, number uint32) []byte {
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(id[:], number))
	return sum[:]
}

// took notes what an accepted entry did to keys.
func (r *keyring) took(e *entry) error {
	index := e.log.Index
	turn := func(id fsm.ID, to keyTurn) {
		if k := r.find(id); k != nil {
			k.turns = append(k.turns, turnOf{index, to})
		}
	}
	switch c := e.command.(type) {
	case *fsm.CreateKey:
		if r.find(c.Key) != nil {
			return violated("a key is made once", "entry %d makes key %x again", index, c.Key[:4])
		}
		k := &key{id: c.Key}
		r.keys = append(r.keys, k)
		return r.wrote(k, e, c.Material)
	case *fsm.AddKeyVersion:
		return r.wrote(r.find(c.Key), e, c.Material)
	case *fsm.DeleteKey:
		turn(c.Key, keyDeleted)
	case *fsm.RestoreKey:
		turn(c.Key, keyRestored)
	case *fsm.PurgeKey:
		turn(c.Key, keyPurged)
	case *fsm.SweepPurged:
		for _, k := range r.keys {
			if k.is(index) == keyPurged {
				k.turns = append(k.turns, turnOf{index, keySwept})
			}
		}
	}
	return nil
}

func (r *keyring) wrote(k *key, e *entry, m fsm.Material) error {
	if e.result.Blob != r.next {
		return violated("a blob number is given once, and in order", "entry %d got number %d, the next is %d", e.log.Index, e.result.Blob, r.next)
	}
	k.versions = append(k.versions, version{e.log.Index, r.next, materialOf(k.id, uint32(len(k.versions)+1)), len(m.Blobs) == 2})
	r.next++
	return nil
}

// expected are the blobs that the current epoch holds at an index, by number.
func (r *keyring) expected(index uint64) map[uint64]version {
	all := map[uint64]version{}
	for _, k := range r.keys {
		if k.is(index) == keySwept {
			continue
		}
		for _, v := range k.versions {
			if v.index <= index {
				all[v.number] = v
			}
		}
	}
	return all
}

// maxKeys bounds a world.
const maxKeys = 14

// call is what a client does at a node: arg says what.
func (n *node) call(arg uint64) {
	r := n.world.keys
	which := arg / 16
	var k *key
	if len(r.keys) > 0 {
		k = r.keys[which%uint64(len(r.keys))]
	}
	switch at := n.world.last(); {
	case arg%16 < 6 || k == nil:
		if r.made < maxKeys-6 || r.made < maxKeys && n.rotating() { // most while it counts
			n.create(which%16 == 7)
		}
	case arg%16 < 8:
		n.addVersion(k)
	case arg%16 == 8:
		_, _ = n.Propose(nil, &fsm.DigestState{}) //nolint:staticcheck // no context is looked at
	case k.is(at) == 0 && arg%16 < 13:
		n.change(k, func(record uint64) fsm.Command { return &fsm.DeleteKey{Key: k.id, Record: record, At: n.world.at64()} })
	case k.is(at) == keyDeleted && arg%16 < 13:
		n.change(k, func(record uint64) fsm.Command { return &fsm.RestoreKey{Key: k.id, Record: record, At: n.world.at64()} })
	case k.is(at) == keyDeleted:
		n.change(k, func(record uint64) fsm.Command { return &fsm.PurgeKey{Key: k.id, Record: record, At: n.world.at64()} })
	case k.is(at) >= keyPurged: // late: by who read the key before it was purged
		_, _ = n.Propose(nil, &fsm.RestoreKey{Key: k.id, At: n.world.at64()}) //nolint:staticcheck // as above
	}
}

// rotating: an order is open, as this node knows.
func (n *node) rotating() bool {
	view, err := n.store.View()
	if err != nil {
		return false
	}
	defer view.Close()
	r, some := view.Rotation()
	return some && r.State.Open()
}

// at64 is the time of a proposal.
func (w *world) at64() fsm.Time { return fsm.TimeOf(w.now) }

// change changes a key whose record this node reads.
func (n *node) change(k *key, command func(record uint64) fsm.Command) {
	view, err := n.store.View()
	if err != nil {
		return
	}
	record, err := view.Key(k.id)
	view.Close()
	if err == nil {
		_ = n.insist(command(record.Record))
	}
}

// insist proposes the same, as the same request, until it is answered or was asked often enough.
func (n *node) insist(command fsm.Command) error {
	data, err := fsm.Encode(command, n.world.request(n.store.AppliedIndex()))
	for range 3 {
		if err == nil {
			_, err = n.send(data, nil)
		}
		if !errors.Is(err, errNoAnswer) {
			return err
		}
		err = nil
	}
	return errNoAnswer
}

// create makes a key as clients' calls do: sealed as the state that this node sees asks for it, and again where that has moved on.
func (n *node) create(garbage bool) {
	r := n.world.keys
	r.made++
	var id fsm.ID
	binary.BigEndian.PutUint64(id[:], uint64(r.made))
	n.seal(id, 1, garbage, func(m fsm.Material) fsm.Command {
		return &fsm.CreateKey{Key: id, Class: fsm.ClassKMS, State: fsm.KeyActive, Material: m, Imported: true, At: n.world.at64()}
	})
}

func (n *node) addVersion(k *key) {
	view, err := n.store.View()
	if err != nil {
		return
	}
	record, err := view.Key(k.id)
	view.Close()
	if err != nil || len(record.Versions) > 2 {
		return
	}
	next := record.Current().Number + 1
	n.seal(k.id, next, false, func(m fsm.Material) fsm.Command {
		return &fsm.AddKeyVersion{Key: k.id, Record: record.Record, Version: fsm.ID{byte(next)}, Material: m, Imported: true, At: n.world.at64()}
	})
}

func (n *node) seal(id fsm.ID, number uint32, garbage bool, command func(fsm.Material) fsm.Command) {
	for range 3 {
		view, err := n.store.View()
		if err != nil {
			return
		}
		service := view.ServiceState()
		view.Close()
		if service.MasterKeyRotationInProgress || len(service.Patterns) == 0 {
			return
		}
		var under []masterkey.Pattern
		for _, p := range service.Patterns {
			under = append(under, masterkey.Pattern(p))
		}
		h := cryptounit.Header{Use: cryptounit.UseStandard, Class: order.KMS, Instance: instanceID, Key: order.ID(id), Version: number}
		blobs, err := n.unit.ImportKey(h, materialOf(id, number), under...)
		if err != nil {
			return
		}
		m := fsm.Material{Order: service.Order}
		for i, b := range blobs {
			if garbage {
				copy(b[len(b)-len(spoiltTail):], spoiltTail)
			}
			m.Blobs = append(m.Blobs, fsm.PatternBlob{Pattern: service.Patterns[i], Blob: b})
		}
		if err := n.insist(command(m)); !errors.Is(err, fsm.ErrSealAgain) {
			return
		}
	}
}
