package fsm

import (
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// tx is one entry under way: it reads what all earlier entries left, and keeps its own changes apart until it is accepted.
// A refused entry is dropped as a whole.
type tx struct {
	from    reader   // the batch of earlier entries over the store
	control *control // shared until own is called
	owned   bool
	ops     []func(*pebble.Batch) error
	index   uint64
	err     error // of encoding; stops the node

	smallTable int              // Config.SmallTable
	digest     func() [32]byte  // of the entry's table
	probe      *pebble.Iterator // of isThere

	clusterChanged, rotationChanged bool
	unitsChanged                    []uint32
}

// own gives the control records for changing.
func (t *tx) own() *control {
	if !t.owned {
		t.control, t.owned = t.control.clone(), true
	}
	return t.control
}

// cluster, unit and rotation give a record for changing and see that it is written.
func (t *tx) cluster() *Cluster {
	t.clusterChanged = true
	return &t.own().cluster
}

func (t *tx) unit(number uint32) *Unit {
	u := t.own().unit(number)
	if u != nil && !slices.Contains(t.unitsChanged, number) {
		t.unitsChanged = append(t.unitsChanged, number)
	}
	return u
}

func (t *tx) rotation() *Rotation {
	t.rotationChanged = true
	return t.own().rotation
}

func (t *tx) put(key []byte, record any) {
	value, err := encoding.Marshal(record)
	if err != nil && t.err == nil {
		t.err = err
	}
	t.putBytes(key, value)
}

func (t *tx) putBytes(key, value []byte) {
	t.ops = append(t.ops, func(b *pebble.Batch) error { return b.Set(key, value, nil) })
}

func (t *tx) remove(key []byte) {
	t.ops = append(t.ops, func(b *pebble.Batch) error { return b.Delete(key, nil) })
}

// removeAll removes every key with a prefix, in one operation.
func (t *tx) removeAll(prefix []byte) {
	t.ops = append(t.ops, func(b *pebble.Batch) error { return b.DeleteRange(prefix, after(prefix), nil) })
}

// isThere tells whether what is to be new is there. Mostly it is not, and filters tell: of the lowest level too, which Get does
// not ask.
func (t *tx) isThere(key []byte) (bool, error) {
	if t.probe == nil {
		iter, err := t.from.NewIter(&pebble.IterOptions{UseL6Filters: true})
		if err != nil {
			return false, err
		}
		t.probe = iter
	}
	return t.probe.SeekPrefixGE(key), t.probe.Error()
}

// end ends the reading.
func (t *tx) end() error {
	if t.probe == nil {
		return nil
	}
	return t.probe.Close()
}

// notable says that Watch reports this entry.
func (t *tx) notable() { t.cluster().Version = t.index }

// write adds what the entry changed to the batch.
func (t *tx) write(b *pebble.Batch) error {
	if t.rotationChanged {
		t.put(space(spaceRotation, u64(t.control.rotation.Number)), t.control.rotation)
	}
	for _, number := range t.unitsChanged {
		if u := t.control.unit(number); u != nil {
			t.put(space(spaceUnit, u32(number)), u)
		}
	}
	if t.clusterChanged {
		t.put(keyCluster, &t.control.cluster)
	}
	if t.err != nil {
		return t.err
	}
	for _, op := range t.ops {
		if err := op(b); err != nil {
			return err
		}
	}
	return nil
}
