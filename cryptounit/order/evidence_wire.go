package order

import (
	"fmt"
	"math"
)

type wireEvidence struct {
	Format         int64
	Order          []byte
	Administrators []byte
	Statements     [][]byte
	Approvals      [][]byte
	Cancel         []byte
	Settles        [][]byte
	Last           int64
	Census         []int64
}

// Encode returns the canonical DER: the receipt.
func (e *Evidence) Encode() ([]byte, error) {
	if max(e.Last, e.Census[0], e.Census[1], e.Census[2]) > math.MaxInt64 {
		return nil, fmt.Errorf("%w: evidence: its counts are out of range", ErrMalformed)
	}
	w := wireEvidence{
		Format: Format, Administrators: append([]byte{}, e.Administrators...), Cancel: []byte{},
		Last: int64(e.Last), Census: []int64{int64(e.Census[0]), int64(e.Census[1]), int64(e.Census[2])},
	}
	var err error
	add := func(to *[][]byte, encode func() ([]byte, error)) {
		if err != nil {
			return
		}
		var der []byte
		if der, err = encode(); err == nil {
			*to = append(*to, der)
		}
	}
	var order, cancel [][]byte
	add(&order, e.Order.Encode)
	for i := range e.Statements {
		add(&w.Statements, e.Statements[i].Encode)
	}
	for i := range e.Approvals {
		add(&w.Approvals, e.Approvals[i].Encode)
	}
	for i := range e.Settles {
		add(&w.Settles, e.Settles[i].Encode)
	}
	if e.Cancel != nil {
		add(&cancel, e.Cancel.Encode)
	}
	if err != nil {
		return nil, err
	}
	w.Order = order[0]
	if len(cancel) > 0 {
		w.Cancel = cancel[0]
	}
	return encode(w)
}

// DecodeEvidence reads the canonical DER; no signature is checked.
func DecodeEvidence(der []byte) (*Evidence, error) {
	var w wireEvidence
	if err := decode(der, &w, "evidence"); err != nil {
		return nil, err
	}
	var r reader
	r.format(w.Format)
	e := &Evidence{Administrators: w.Administrators, Last: r.u64(w.Last, "last")}
	if len(w.Census) != len(e.Census) {
		r.fail("census", "%d counts", len(w.Census))
	}
	for i := range min(len(w.Census), len(e.Census)) {
		e.Census[i] = r.u64(w.Census[i], "census")
	}
	if r.err != nil {
		return nil, fmt.Errorf("evidence: %w", r.err)
	}
	signed, err := DecodeSignedOrder(w.Order)
	if err != nil {
		return nil, err
	}
	e.Order = *signed
	for _, b := range w.Statements {
		s, err := DecodeSignedStatement(b)
		if err != nil {
			return nil, err
		}
		e.Statements = append(e.Statements, *s)
	}
	for _, b := range w.Approvals {
		a, err := DecodeSignedApproval(b)
		if err != nil {
			return nil, err
		}
		e.Approvals = append(e.Approvals, *a)
	}
	for _, b := range w.Settles {
		s, err := DecodeSignedOrder(b)
		if err != nil {
			return nil, err
		}
		e.Settles = append(e.Settles, *s)
	}
	if len(w.Cancel) > 0 {
		if e.Cancel, err = DecodeSignedOrder(w.Cancel); err != nil {
			return nil, err
		}
	}
	if err := canonical(der, "evidence", e.Encode); err != nil {
		return nil, err
	}
	return e, nil
}
