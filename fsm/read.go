package fsm

import (
	"errors"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"tumbler/cryptounit/order"
)

// Close ends the view, once.
func (v *View) Close() error {
	defer v.open.Done()
	return v.snap.Close()
}

// Index is the index of the last command that the view shows.
func (v *View) Index() uint64 { return v.index }

// Cluster is the cluster's record; its ID is zero before bootstrap.
func (v *View) Cluster() Cluster { return v.control.cluster }

// Census counts the current epoch's blobs.
func (v *View) Census() Counts { return v.control.cluster.Census }

// CurrentEpoch is 0 before there is a master key.
func (v *View) CurrentEpoch() uint64 { return v.control.cluster.Epochs.Current }

// Units are all known units, by number.
func (v *View) Units() []Unit { return slices.Clone(v.control.units) }

// Unit is one of them.
func (v *View) Unit(number uint32) (Unit, bool) {
	u := v.control.unit(number)
	if u == nil {
		return Unit{}, false
	}
	return *u, true
}

// Rotation is the open init, rotation or recovery, or else the last one.
func (v *View) Rotation() (Rotation, bool) {
	if v.control.rotation == nil {
		return Rotation{}, false
	}
	return *v.control.rotation, true
}

// Record is the evidence of that rotation's order, decoded as it came in; nil before any. It is shared: not to be changed.
func (v *View) Record() *order.Record { return v.control.record }

// Rotations are all of them, oldest first.
func (v *View) Rotations() ([]Rotation, error) {
	return records[Rotation](v.snap, space(spaceRotation))
}

// Order is an accepted order; ErrNotFound if there is none of that digest.
func (v *View) Order(digest Digest) (r OrderRecord, err error) {
	return r, get(v.snap, space(spaceOrder, digest[:]), &r)
}

// Standing gives the first order from a number on that units carry out by themselves (enrol, administrators,
// destroy-retired); false if there is none.
func (v *View) Standing(from uint64) (OrderRecord, bool, error) {
	iter, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: space(spaceStanding, u64(from)), UpperBound: after(space(spaceStanding))})
	if err != nil {
		return OrderRecord{}, false, err
	}
	defer iter.Close()
	if !iter.First() {
		return OrderRecord{}, false, iter.Error()
	}
	r, err := v.Order(Digest(iter.Value()))
	return r, err == nil, err
}

// Receipt is what the state keeps of a rotation; ErrNotFound if there is none of that digest.
func (v *View) Receipt(digest Digest) (Receipt, error) { return readReceipt(v.snap, digest) }

// Envelope is the envelope (DER) that was published for a unit, until it has loaded; then ErrNotFound.
func (v *View) Envelope(digest Digest, unit uint32) ([]byte, error) {
	return getBytes(v.snap, space(spaceEnvelope, digest[:], u32(unit)))
}

// ServiceState says what the state asks for and refuses now.
func (v *View) ServiceState() ServiceState { return v.control.service() }

func (c *control) service() ServiceState {
	s := ServiceState{Bootstrapped: c.cluster.ID != ID{}}
	if c.cluster.Pattern != (Pattern{}) {
		s.Patterns = []Pattern{c.cluster.Pattern}
	}
	r := c.open()
	if r == nil {
		return s
	}
	s.Rotation, s.Policy = r.State, r.Plan.Policy
	if c.cluster.Epochs.Next != 0 {
		s.Order, s.Patterns = r.Order, append(s.Patterns, r.To)
	}
	s.MasterKeyRotationInProgress = r.Rewrap.Epoch != 0 && r.Plan.Policy == order.Documented.String()
	return s
}

// Key is one key; ErrNotFound if there is none, or a purged one.
func (v *View) Key(id ID) (k Key, err error) {
	if err := get(v.snap, space(spaceKey, id[:]), &k); err != nil {
		return Key{}, err
	}
	if k.Purged {
		return Key{}, ErrNotFound
	}
	return k, nil
}

// KeyByAlias is the key that has an alias.
func (v *View) KeyByAlias(alias string) (Key, error) {
	id, err := getBytes(v.snap, space(spaceAlias, []byte(alias)))
	if err != nil {
		return Key{}, err
	}
	return v.Key(ID(id))
}

// Keys gives at most limit of the chosen keys from offset on, by id.
func (v *View) Keys(filter KeyFilter, offset, limit int) ([]Key, error) {
	var keys []Key
	err := scan(v.snap, space(spaceKey), func(_, value []byte) (bool, error) {
		var k Key
		if err := decoding.Unmarshal(value, &k); err != nil {
			return false, err
		}
		if !filter.chooses(&k) {
			return true, nil
		}
		if offset > 0 {
			offset--
			return true, nil
		}
		if len(keys) == limit {
			return false, nil
		}
		keys = append(keys, k)
		return true, nil
	})
	return keys, err
}

func (f KeyFilter) chooses(k *Key) bool {
	class := f.Class
	if class == 0 {
		class = ClassKMS
	}
	switch {
	case k.Purged || k.Class != class,
		f.States == nil && k.State == KeyDestroyed,
		f.States != nil && !slices.Contains(f.States, k.State),
		f.Extractable != nil && k.Metadata.Extractable != *f.Extractable,
		f.KeyRing != "" && k.Metadata.KeyRing != f.KeyRing:
		return false
	}
	if f.Search == "" {
		return true
	}
	search := strings.ToLower(f.Search)
	for _, text := range append([]string{k.Metadata.Name, k.Metadata.Description}, k.Metadata.Aliases...) {
		if strings.Contains(strings.ToLower(text), search) {
			return true
		}
	}
	return false
}

// Blob is the blob of a number of an epoch; ErrSetAside if a quorum set it aside, else ErrNotFound. Its Class is not filled
// in: the blob's own header says it.
func (v *View) Blob(epoch, n uint64) (BlobRecord, error) {
	blob, err := getBytes(v.snap, blobKey(epoch, n))
	if errors.Is(err, ErrNotFound) {
		if _, aside := getBytes(v.snap, space(spaceAside, u64(n))); aside == nil {
			return BlobRecord{}, ErrSetAside
		}
	}
	return BlobRecord{Number: n, Blob: blob}, err
}

// Blobs calls f for the blobs from (included) to (excluded) of an epoch by rising number, until f is false or fails. A blob's
// bytes are valid until f returns.
func (v *View) Blobs(epoch, from, to uint64, f func(n uint64, blob []byte) (bool, error)) error {
	return scanRange(v.snap, blobKey(epoch, from), blobKey(epoch, to), func(key, blob []byte) (bool, error) { return f(number(key), blob) })
}

// APIKeys are all API keys.
func (v *View) APIKeys() ([]APIKeyRecord, error) {
	return records[APIKeyRecord](v.snap, space(spaceAPIKey))
}

// APIKey is one of them.
func (v *View) APIKey(id ID) (r APIKeyRecord, err error) {
	return r, get(v.snap, space(spaceAPIKey, id[:]), &r)
}

// Tokens are all join tokens.
func (v *View) Tokens() ([]TokenRecord, error) {
	return records[TokenRecord](v.snap, space(spaceToken))
}

// Pairs calls f for each number from (included) to (excluded) that either epoch has, by rising number, with both blobs; one
// that is missing is nil. The bytes are valid until f returns.
func (v *View) Pairs(current, next, from, to uint64, f func(n uint64, current, next []byte) error) error {
	for from < to {
		end := from + min(to-from, scanKeys)
		if err := v.pairs(current, next, from, end, f); err != nil {
			return err
		}
		from = end
	}
	return nil
}

// pairs is Pairs with one iterator an epoch.
func (v *View) pairs(current, next, from, to uint64, f func(n uint64, current, next []byte) error) error {
	a, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: blobKey(current, from), UpperBound: blobKey(current, to)})
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := v.snap.NewIter(&pebble.IterOptions{LowerBound: blobKey(next, from), UpperBound: blobKey(next, to)})
	if err != nil {
		return err
	}
	defer b.Close()
	for hasA, hasB := a.First(), b.First(); hasA || hasB; {
		isA, isB := hasA, hasB
		if hasA && hasB {
			m, n := number(a.Key()), number(b.Key())
			isA, isB = m <= n, n <= m
		}
		var n uint64
		var one, other []byte
		if isA {
			n, one = number(a.Key()), a.Value()
		}
		if isB {
			n, other = number(b.Key()), b.Value()
		}
		if err := f(n, one, other); err != nil {
			return err
		}
		if isA {
			hasA = a.Next()
		}
		if isB {
			hasB = b.Next()
		}
	}
	return errors.Join(a.Error(), b.Error())
}
