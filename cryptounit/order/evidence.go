package order

import (
	"errors"
	"fmt"
)

// The refusals of evidence.
var (
	ErrOtherAdministrators = errors.New("another list of administrators")
	ErrForeignEvidence     = errors.New("the evidence holds something of another order, cluster or unit")
)

// Evidence is an order with all that was stated and approved under it: what
// units check before they obey and, once it is complete, the receipt.
type Evidence struct {
	Order SignedOrder
	// Administrators is the DER of the list that signed the order.
	Administrators []byte
	Statements     []SignedStatement
	Approvals      []SignedApproval
	// Cancel is the cancel or restore order that ends it, if any.
	Cancel  *SignedOrder
	Settles []SignedOrder
	// Last and Census are the highest blob number and the blobs by class
	// when the rewrap started.
	Last   uint64
	Census Counts
}

// Record is decoded evidence.
type Record struct {
	Order      *Order
	Digest     Digest
	Statements []*Statement
	Approvals  []*Approval
	Cancel     *Order
	// Settled counts the blobs that settle orders name, each once.
	Settled Counts
	Last    uint64
	Census  Counts
	// settled holds the numbers behind Settled.
	settled map[uint64]bool
}

// Read decodes the evidence without checking a signature: what the
// replicated state does, whose proposers and units check them.
func (e *Evidence) Read() (*Record, error) {
	return e.read(
		func(s *SignedOrder) (*Order, error) { return s.Decode() },
		func(s *SignedStatement, _ Identity) (*Statement, error) { return s.Decode() },
		func(s *SignedApproval) (*Approval, error) { return DecodeApproval(s.Approval) },
	)
}

// Verify decodes the evidence and checks every signature in it: those of
// administrators against admins, which the caller trusts, and those of units
// against the identities that the order names.
func (e *Evidence) Verify(admins *Administrators) (*Record, error) {
	return e.read(
		func(s *SignedOrder) (*Order, error) { return s.Verify(admins) },
		func(s *SignedStatement, identity Identity) (*Statement, error) { return s.Verify(identity) },
		func(s *SignedApproval) (*Approval, error) { return s.Verify(admins) },
	)
}

func (e *Evidence) read(
	readOrder func(*SignedOrder) (*Order, error),
	readStatement func(*SignedStatement, Identity) (*Statement, error),
	readApproval func(*SignedApproval) (*Approval, error),
) (*Record, error) {
	o, err := readOrder(&e.Order)
	if err != nil {
		return nil, err
	}
	r := &Record{Order: o, Digest: e.Order.Digest(), Last: e.Last, Census: e.Census}
	for i := range e.Statements {
		claimed, err := e.Statements[i].Decode()
		if err != nil {
			return nil, err
		}
		unit, ok := o.Unit(claimed.Unit)
		if !ok {
			return nil, fmt.Errorf("%w: a statement of unit %d, which the order does not name", ErrForeignEvidence, claimed.Unit)
		}
		s, err := readStatement(&e.Statements[i], unit.Identity)
		if err != nil {
			return nil, err
		}
		if err := r.AddStatement(s); err != nil {
			return nil, err
		}
	}
	for i := range e.Approvals {
		a, err := readApproval(&e.Approvals[i])
		if err != nil {
			return nil, err
		}
		if err := r.AddApproval(a); err != nil {
			return nil, err
		}
	}
	for i := range e.Settles {
		s, err := readOrder(&e.Settles[i])
		if err != nil {
			return nil, err
		}
		if err := r.AddSettle(s); err != nil {
			return nil, err
		}
	}
	if e.Cancel != nil {
		cancel, err := readOrder(e.Cancel)
		if err != nil {
			return nil, err
		}
		return r, r.SetCancel(cancel)
	}
	return r, nil
}

// AddStatement adds what a unit said under this order; the latest of a kind
// (for verified: and partition; for cannot-open: and blob) counts.
func (r *Record) AddStatement(s *Statement) error {
	if s.Order != r.Digest || s.Cluster != r.Order.Cluster || s.Incarnation != r.Order.Incarnation {
		return fmt.Errorf("%w: a statement %v of unit %d is bound to order %v", ErrForeignEvidence, s.Kind, s.Unit, s.Order)
	}
	if _, ok := r.Order.Unit(s.Unit); !ok {
		return fmt.Errorf("%w: a statement of unit %d, which the order does not name", ErrForeignEvidence, s.Unit)
	}
	if s.Kind == Ready && len(s.Importer) != r.Order.Suite.ImporterKeySize() {
		return fmt.Errorf("%w: the importer key of unit %d is not of suite %v, which the order names", ErrForeignEvidence, s.Unit, r.Order.Suite)
	}
	r.Statements = append(r.Statements, s)
	return nil
}

// AddApproval adds what administrators signed beside the order.
func (r *Record) AddApproval(a *Approval) error {
	if a.Order != r.Digest || a.Cluster != r.Order.Cluster || a.Incarnation != r.Order.Incarnation {
		return fmt.Errorf("%w: an approval of %v is bound to order %v", ErrForeignEvidence, a.Step, a.Order)
	}
	r.Approvals = append(r.Approvals, a)
	return nil
}

// AddSettle adds a settle order.
func (r *Record) AddSettle(s *Order) error {
	if s.Kind != Settle || s.Subject.Order != r.Digest || s.Cluster != r.Order.Cluster || s.Incarnation != r.Order.Incarnation {
		return fmt.Errorf("%w: an order of kind %v stands as a settle", ErrForeignEvidence, s.Kind)
	}
	if r.settled == nil {
		r.settled = map[uint64]bool{}
	}
	for _, b := range s.Subject.Blobs {
		if !r.settled[b.Number] {
			r.settled[b.Number] = true
			r.Settled = r.Settled.Count(b.Class, 1)
		}
	}
	return nil
}

// SetCancel sets the order that ends this one: a cancel that names it, or a
// restore of its cluster.
func (r *Record) SetCancel(cancel *Order) error {
	ends := cancel.Kind == Cancel && cancel.Subject.Order == r.Digest && cancel.Subject.OrderNumber == r.Order.Number ||
		cancel.Kind == Restore
	if !ends || cancel.Cluster != r.Order.Cluster || cancel.Incarnation != r.Order.Incarnation || cancel.Instance != r.Order.Instance {
		return fmt.Errorf("%w: an order of kind %v stands as the cancel", ErrForeignEvidence, cancel.Kind)
	}
	r.Cancel = cancel
	return nil
}

// Said returns the latest statement of one kind by one unit, or nil.
func (r *Record) Said(kind StatementKind, unit uint32) *Statement {
	for i := len(r.Statements) - 1; i >= 0; i-- {
		if s := r.Statements[i]; s.Kind == kind && s.Unit == unit {
			return s
		}
	}
	return nil
}

// Approved returns the latest approval of one step, or nil.
func (r *Record) Approved(step Step) *Approval {
	for i := len(r.Approvals) - 1; i >= 0; i-- {
		if a := r.Approvals[i]; a.Step == step {
			return a
		}
	}
	return nil
}
