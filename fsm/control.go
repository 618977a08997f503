package fsm

import (
	"errors"
	"slices"

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
