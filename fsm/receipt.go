package fsm

import (
	"errors"
	"fmt"

	"tumbler/cryptounit/order"
)

// readReceipt collects what the state keeps of a rotation's order.
func readReceipt(from reader, digest Digest) (Receipt, error) {
	var record OrderRecord
	if err := get(from, space(spaceOrder, digest[:]), &record); err != nil {
		return Receipt{}, err
	}
	var cluster Cluster
	if err := get(from, keyCluster, &cluster); err != nil {
		return Receipt{}, err
	}
	r := Receipt{Order: record.Order, Administrators: record.Administrators}
	collect := func(s byte, to *[][]byte) error {
		return scan(from, space(s, digest[:]), func(_, value []byte) (bool, error) {
			*to = append(*to, append([]byte(nil), value...))
			return true, nil
		})
	}
	if err := collect(spaceStatement, &r.Statements); err != nil {
		return r, err
	}
	if err := collect(spaceApproval, &r.Approvals); err != nil {
		return r, err
	}
	for _, also := range record.Related {
		var other OrderRecord
		if err := get(from, space(spaceOrder, also[:]), &other); err != nil {
			return r, err
		}
		if other.Kind == order.Cancel.String() || other.Kind == order.Restore.String() {
			r.Cancel = other.Order
		} else {
			r.Settles = append(r.Settles, other.Order)
		}
	}
	return r, nil
}

// Evidence is the receipt as units and auditors check it. The rotation is the record of the same order.
func (r Receipt) Evidence(rotation Rotation) (*order.Evidence, error) {
	signed, err := order.DecodeSignedOrder(r.Order)
	if err != nil {
		return nil, fmt.Errorf("the rotation's order: %w", err)
	}
	census := rotation.Rewrap.Census
	e := &order.Evidence{
		Order: *signed, Administrators: r.Administrators, Last: rotation.Rewrap.N,
		Census: order.Counts{census.System, census.KMS, census.EP11},
	}
	var failed error
	each := func(all [][]byte, add func([]byte) error) {
		for _, der := range all {
			failed = errors.Join(failed, add(der))
		}
	}
	each(r.Statements, func(der []byte) error {
		s, err := order.DecodeSignedStatement(der)
		if err == nil {
			e.Statements = append(e.Statements, *s)
		}
		return err
	})
	each(r.Approvals, func(der []byte) error {
		a, err := order.DecodeSignedApproval(der)
		if err == nil {
			e.Approvals = append(e.Approvals, *a)
		}
		return err
	})
	each(r.Settles, func(der []byte) error {
		settle, err := order.DecodeSignedOrder(der)
		if err != nil {
			return err
		}
		settled, err := settle.Decode()
		if err != nil {
			return err
		}
		for _, blob := range settled.Subject.Blobs { // the record's census goes down with what is set aside
			e.Census = e.Census.Count(blob.Class, 1)
		}
		e.Settles = append(e.Settles, *settle)
		return nil
	})
	if failed == nil && len(r.Cancel) > 0 {
		e.Cancel, failed = order.DecodeSignedOrder(r.Cancel)
	}
	return e, failed
}
