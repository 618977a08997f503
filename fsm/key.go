package fsm

import (
	"errors"
	"slices"
)

// Limits of what commands may carry.
const (
	MaxBlob  = 16 << 10 // bytes of one wrapped blob
	MaxSweep = 1000     // keys that one SweepPurged removes
)

// key reads a key that callers may see.
func (t *tx) key(id ID, record uint64) (Key, error) {
	var k Key
	if err := get(t.from, space(spaceKey, id[:]), &k); errors.Is(err, ErrNotFound) {
		return k, ErrKeyNotFound
	} else if err != nil {
		return k, err
	}
	switch {
	case k.Purged:
		return k, ErrKeyNotFound
	case record != 0 && k.Record != record:
		return k, ErrRecordChanged.with("it has version %d, not %d", k.Record, record)
	}
	return k, nil
}

// save writes a key's record with a new version.
func (t *tx) save(k Key, by string, at Time) Result {
	k.Record++
	k.Updated = Stamp{At: at, By: by}
	t.put(space(spaceKey, k.ID[:]), k)
	return Result{Version: k.Record}
}

// material accepts the blobs that the state asks for now, and no others, and gives their number.
func (t *tx) material(class Class, m Material) (uint64, error) {
	service := t.control.service()
	switch {
	case service.MasterKeyRotationInProgress:
		return 0, ErrMasterKeyRotationInProgress
	case len(service.Patterns) == 0:
		return 0, ErrNoMasterKey
	case !class.valid():
		return 0, ErrInvalid.with("class %d", class)
	case m.Order != service.Order || len(m.Blobs) != len(service.Patterns):
		return 0, ErrSealAgain.with("%d blobs, the state asks for %d", len(m.Blobs), len(service.Patterns))
	}
	for i, blob := range m.Blobs {
		if blob.Pattern != service.Patterns[i] {
			return 0, ErrSealAgain.with("blob %d is under %x, the state asks for %x", i+1, blob.Pattern, service.Patterns[i])
		}
		if len(blob.Blob) == 0 || len(blob.Blob) > MaxBlob {
			return 0, ErrInvalid.with("a blob of %d bytes", len(blob.Blob))
		}
	}
	cluster := t.cluster()
	n := cluster.NextBlob
	cluster.NextBlob++
	*cluster.Census.at(class)++
	t.putBytes(blobKey(cluster.Epochs.Current, n), m.Blobs[0].Blob)
	if len(m.Blobs) == 2 {
		t.putBytes(blobKey(cluster.Epochs.Next, n), m.Blobs[1].Blob)
	}
	return n, nil
}

func (t *tx) createKey(c *CreateKey) (Result, error) {
	if there, err := t.isThere(space(spaceKey, c.Key[:])); err != nil {
		return Result{}, err
	} else if there {
		return Result{}, ErrKeyExists
	}
	if !c.State.settable() {
		return Result{}, ErrKeyState.with("a key is not created in state %d", c.State)
	}
	if err := t.freeAliases(c.Key, c.Metadata.Aliases); err != nil {
		return Result{}, err
	}
	n, err := t.material(c.Class, c.Material)
	if err != nil {
		return Result{}, err
	}
	stamp := Stamp{At: c.At, By: c.By}
	k := Key{
		ID: c.Key, Class: c.Class, Metadata: c.Metadata, State: c.State, Record: 1, Created: stamp, Updated: stamp,
		Versions: []KeyVersion{{Number: 1, ID: c.Key, Blob: n, Imported: c.Imported, Created: stamp}},
	}
	t.put(space(spaceKey, c.Key[:]), k)
	t.setAliases(c.Key, nil, c.Metadata.Aliases)
	return Result{Blob: n, Version: 1}, nil
}

// freeAliases: every alias is the key's own or nobody's.
func (t *tx) freeAliases(id ID, aliases []string) error {
	for _, alias := range aliases {
		key := space(spaceAlias, []byte(alias))
		if there, err := t.isThere(key); err != nil {
			return err
		} else if !there {
			continue
		}
		if owner, err := getBytes(t.from, key); err != nil {
			return err
		} else if ID(owner) != id {
			return ErrAliasTaken.with("%q", alias)
		}
	}
	return nil
}

func (t *tx) setAliases(id ID, was, is []string) {
	for _, alias := range was {
		if !slices.Contains(is, alias) {
			t.remove(space(spaceAlias, []byte(alias)))
		}
	}
	for _, alias := range is {
		t.putBytes(space(spaceAlias, []byte(alias)), slices.Clone(id[:]))
	}
}

func (t *tx) addKeyVersion(c *AddKeyVersion) (Result, error) {
	k, err := t.key(c.Key, c.Record)
	if err != nil {
		return Result{}, err
	}
	if k.State == KeyDestroyed {
		return Result{}, ErrKeyState.with("it is destroyed")
	}
	replaced := slices.IndexFunc(k.Versions, func(v KeyVersion) bool { return c.Replaces != 0 && v.Number == c.Replaces })
	if c.Replaces != 0 {
		if replaced < 0 {
			return Result{}, ErrBlobUnknown.with("version %d", c.Replaces)
		}
		aside := space(spaceAside, u64(k.Versions[replaced].Blob))
		if _, err := getBytes(t.from, aside); errors.Is(err, ErrNotFound) {
			return Result{}, ErrBlobUnknown.with("version %d was not set aside", c.Replaces)
		} else if err != nil {
			return Result{}, err
		}
		t.remove(aside)
	}
	n, err := t.material(k.Class, c.Material)
	if err != nil {
		return Result{}, err
	}
	if c.Replaces != 0 {
		k.Versions[replaced].Blob = n
	} else {
		k.Versions = append(k.Versions, KeyVersion{
			Number: k.Current().Number + 1, ID: c.Version, Blob: n, Imported: c.Imported, Created: Stamp{At: c.At, By: c.By},
		})
	}
	result := t.save(k, c.By, c.At)
	result.Blob = n
	return result, nil
}

func (t *tx) updateKey(c *UpdateKey) (Result, error) {
	k, err := t.key(c.Key, c.Record)
	if err != nil {
		return Result{}, err
	}
	if k.State == KeyDestroyed || !c.State.settable() {
		return Result{}, ErrKeyState.with("it is in state %d, the new one is %d", k.State, c.State)
	}
	if err := t.freeAliases(c.Key, c.Metadata.Aliases); err != nil {
		return Result{}, err
	}
	t.setAliases(c.Key, k.Metadata.Aliases, c.Metadata.Aliases)
	k.Metadata, k.State = c.Metadata, c.State
	return t.save(k, c.By, c.At), nil
}

func (t *tx) deleteKey(c *DeleteKey) (Result, error) {
	k, err := t.key(c.Key, c.Record)
	if err != nil {
		return Result{}, err
	}
	if k.State == KeyDestroyed {
		return Result{}, ErrKeyState.with("it is destroyed already")
	}
	k.Before, k.State, k.Deleted = k.State, KeyDestroyed, Stamp{At: c.At, By: c.By}
	return t.save(k, c.By, c.At), nil
}

func (t *tx) restoreKey(c *RestoreKey) (Result, error) {
	k, err := t.key(c.Key, c.Record)
	if err != nil {
		return Result{}, err
	}
	if k.State != KeyDestroyed {
		return Result{}, ErrKeyState.with("it is not destroyed")
	}
	k.State, k.Before, k.Deleted = k.Before, 0, Stamp{}
	return t.save(k, c.By, c.At), nil
}

func (t *tx) purgeKey(c *PurgeKey) (Result, error) {
	k, err := t.key(c.Key, c.Record)
	if err != nil {
		return Result{}, err
	}
	if k.State != KeyDestroyed {
		return Result{}, ErrKeyState.with("delete it first")
	}
	k.Purged = true
	t.setAliases(c.Key, k.Metadata.Aliases, nil)
	t.putBytes(space(spacePurge, c.Key[:]), []byte{})
	t.cluster().Purging++
	return t.save(k, c.By, c.At), nil
}

func (t *tx) sweepPurged(c *SweepPurged) (Result, error) {
	if c.Limit == 0 || c.Limit > MaxSweep {
		return Result{}, ErrInvalid.with("a limit of %d, at most %d", c.Limit, MaxSweep)
	}
	if t.control.open() != nil {
		return Result{}, ErrSweepLater
	}
	swept := uint64(0)
	err := scan(t.from, space(spacePurge), func(key, _ []byte) (bool, error) {
		if swept == uint64(c.Limit) {
			return false, nil
		}
		swept++
		return true, t.sweep(ID(key[1:]))
	})
	if err != nil {
		return Result{}, err
	}
	t.cluster().Purging -= swept
	return Result{Count: swept}, nil
}

// sweep removes one purged key and its blobs.
func (t *tx) sweep(id ID) error {
	var k Key
	if err := get(t.from, space(spaceKey, id[:]), &k); err != nil {
		return err
	}
	cluster := t.cluster()
	for _, v := range k.Versions {
		aside := space(spaceAside, u64(v.Blob))
		if _, err := getBytes(t.from, aside); err == nil {
			t.remove(aside)
			continue
		} else if !errors.Is(err, ErrNotFound) {
			return err
		}
		t.remove(blobKey(cluster.Epochs.Current, v.Blob))
		*cluster.Census.at(k.Class)--
	}
	t.remove(space(spaceKey, id[:]))
	t.remove(space(spacePurge, id[:]))
	return nil
}
