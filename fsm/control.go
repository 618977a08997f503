package fsm

import (
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"tumbler/cryptounit/order"
)

// control is the small part of the state, kept as structs and rebuilt from the store at start. It is replaced as a whole
// by each entry that changes it: readers share it.
type control struct {
	cluster  Cluster
	units    []Unit        // ascending
	rotation *Rotation     // the open one, or the last; nil before any
	record   *order.Record // the rotation's evidence, decoded
}

// clone gives a control that may be changed. What it points to is cloned where it is changed.
func (c *control) clone() *control {
	d := *c
	d.units = slices.Clone(c.units)
	if c.rotation != nil {
		r := *c.rotation
		r.Rewrap.Partitions = slices.Clone(r.Rewrap.Partitions)
		r.Bad = slices.Clone(r.Bad)
		d.rotation = &r
	}
	if c.record != nil {
		r := *c.record
		r.Statements = slices.Clip(r.Statements)
		r.Approvals = slices.Clip(r.Approvals)
		d.record = &r
	}
	return &d
}

func (c *control) unit(number uint32) *Unit {
	for i := range c.units {
		if c.units[i].Number == number {
			return &c.units[i]
		}
	}
	return nil
}

// open is the rotation while its order is open, else nil.
func (c *control) open() *Rotation {
	if c.rotation != nil && c.rotation.State.Open() {
		return c.rotation
	}
	return nil
}

// reader is what a Pebble store, batch and snapshot have in common.
type reader interface {
	pebble.Reader
}

// get decodes the record of a key; ErrNotFound if there is none.
func get(from reader, key []byte, record any) error {
	value, closer, err := from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	defer closer.Close()
	if err := decoding.Unmarshal(value, record); err != nil {
		return fmt.Errorf("%w: record %q: %w", ErrUndecodable, key[:1], err)
	}
	return nil
}

// getBytes copies the value of a key; ErrNotFound if there is none.
func getBytes(from reader, key []byte) ([]byte, error) {
	value, closer, err := from.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, ErrNotFound
	}
	if err != nil {
		return nil, err
	}
	defer closer.Close()
	return slices.Clone(value), nil
}

// scan calls f for every key with a prefix, in order, until f is false or fails.
func scan(from reader, prefix []byte, f func(key, value []byte) (bool, error)) error {
	iter, err := from.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	defer iter.Close()
	for valid := iter.First(); valid; valid = iter.Next() {
		if more, err := f(iter.Key(), iter.Value()); err != nil || !more {
			return err
		}
	}
	return iter.Error()
}

// records decodes every record with a prefix.
func records[T any](from reader, prefix []byte) ([]T, error) {
	var all []T
	err := scan(from, prefix, func(_, value []byte) (bool, error) {
		var record T
		if err := decoding.Unmarshal(value, &record); err != nil {
			return false, fmt.Errorf("%w: record %q: %w", ErrUndecodable, prefix[:1], err)
		}
		all = append(all, record)
		return true, nil
	})
	return all, err
}

// loadControl rebuilds the control records.
func loadControl(from reader) (*control, error) {
	c := new(control)
	if err := get(from, keyCluster, &c.cluster); err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	err := understood(c.cluster.FeatureLevel)
	if err != nil {
		return nil, err
	}
	if c.units, err = records[Unit](from, space(spaceUnit)); err != nil {
		return nil, err
	}
	rotations, err := records[Rotation](from, space(spaceRotation))
	if err != nil || len(rotations) == 0 {
		return c, err
	}
	c.rotation = &rotations[len(rotations)-1]
	receipt, err := readReceipt(from, c.rotation.Order)
	if err != nil {
		return nil, err
	}
	evidence, err := receipt.Evidence(*c.rotation)
	if err != nil {
		return nil, err
	}
	c.record, err = evidence.Read()
	return c, err
}
