package admin

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// orderContext is what a workstation needs to make an order.
func (s *Server) orderContext(ctx context.Context, _ request) (client.OrderContext, error) {
	alive := s.aliveNodes()
	out := client.OrderContext{Units: []client.OrderUnit{}, Now: s.now().UTC()}
	err := s.read(ctx, func(v View) error {
		if !v.ServiceState().Bootstrapped {
			return fsm.ErrNotBootstrapped
		}
		c := v.Cluster()
		out.Cluster, out.Incarnation, out.Instance = uuidText(c.ID), c.Incarnation, uuidText(c.Instance)
		out.NextNumber, out.CurrentPattern, out.Administrators = c.LastOrder+1, hexText(c.Pattern), c.Administrators
		for _, u := range v.Units() {
			if u.Removed == (fsm.Digest{}) {
				out.Units = append(out.Units, client.OrderUnit{Number: u.Number, Role: roleName(u.Role), Identity: u.Identity[:],
					Enrolled: u.IsEnrolled(), Alive: alive[u.Number], Fenced: u.IsFenced()})
			}
		}
		rotation, ok := v.Rotation()
		if !ok || !rotation.State.Open() {
			return nil
		}
		record, err := v.Order(rotation.Order)
		if err != nil {
			return err
		}
		out.Open = &client.OpenOrder{Digest: hexText(rotation.Order), Number: rotation.Number, Kind: rotation.Plan.Kind,
			State: rotation.State.String(), Pattern: hexText(rotation.To), Order: record.Order}
		return nil
	})
	return out, err
}

// submitOrder checks an order's form and signatures, brings what the state knows of the units up to date, and proposes
// it. The state judges the rest, and every unit judges all of it again.
func (s *Server) submitOrder(ctx context.Context, _ request, in client.SubmitOrderRequest) (client.SubmittedOrder, error) {
	signed, err := parseOrder(in.Order)
	if err != nil {
		return client.SubmittedOrder{}, err
	}
	var administrators []byte
	known := false
	err = s.read(ctx, func(v View) error {
		if !v.ServiceState().Bootstrapped {
			return fsm.ErrNotBootstrapped
		}
		administrators = v.Cluster().Administrators
		record, err := v.Order(signed.digest())
		if known = err == nil; known && len(record.Administrators) > 0 {
			administrators = record.Administrators // those that signed it may be others by now
		}
		if errors.Is(err, fsm.ErrNotFound) || errors.Is(err, fsm.ErrOrderUnknown) {
			return nil
		}
		return err
	})
	if err != nil {
		return client.SubmittedOrder{}, err
	}
	if len(administrators) == 0 {
		if administrators, err = s.firstAdministrators(ctx); err != nil {
			return client.SubmittedOrder{}, err
		}
	}
	if err := signed.keepsThresholds(); err != nil {
		return client.SubmittedOrder{}, err
	}
	if err := signed.check(administrators); err != nil {
		return client.SubmittedOrder{}, err
	}
	if !known {
		if err := s.propose(ctx, signed, in.Order); err != nil {
			return client.SubmittedOrder{}, err
		}
	}
	return s.submitted(signed)
}

// propose puts an order to the state, with what units say now.
func (s *Server) propose(ctx context.Context, signed parsedOrder, der []byte) error {
	if signed.order.Kind == order.Remove {
		removed := numbersOf(signed.order.Subject.Units)
		if err := s.leavesMajority(ctx, removed); err != nil {
			return err
		}
		if err := s.leavesHolder(ctx, removed); err != nil {
			return err
		}
	}
	units, all := signed.judged()
	short, err := s.b.Units.Refresh(ctx, units)
	if err != nil && all {
		return fmt.Errorf("bringing the units' reports up to date: %w", err)
	}
	if signed.order.Kind != order.Rotate { // only a rotation writes every key a second time
		short = nil
	}
	_, err = s.b.Proposer.Propose(ctx, &fsm.SubmitOrder{Order: der, At: fsm.TimeOf(s.now()), Short: short})
	return err
}

// leavesMajority refuses to remove nodes where those that stay would not go on: of them, more than half must answer, now.
func (s *Server) leavesMajority(ctx context.Context, removed []uint32) error {
	var voters []uint32
	for _, m := range s.b.Cluster.Members() {
		if m.Voter && !contains(removed, m.Number) {
			voters = append(voters, m.Number)
		}
	}
	alive := s.answering(ctx, voters)
	if alive > len(voters)/2 {
		return nil
	}
	return &client.Error{Code: codeNoMajority, Message: fmt.Sprintf("without node %s %d of %d members would answer, which is no majority", list(removed), alive, len(voters)),
		Hint: "start the nodes that are down first: nothing was changed"}
}

// leavesHolder refuses to remove units where none of those that stay says, now, that it holds the master key: the state judges by
// their last reports, and a unit that was zeroized has given none since.
func (s *Server) leavesHolder(ctx context.Context, removed []uint32) error {
	var pattern fsm.Pattern
	if err := s.peek(func(v View) error { pattern = v.Cluster().Pattern; return nil }); err != nil || pattern == (fsm.Pattern{}) {
		return err
	}
	known, err := s.knownUnits()
	if err != nil {
		return err
	}
	for _, u := range s.readings(ctx, known) {
		if u.Enrolled && u.Report != nil && !contains(removed, u.Number) && u.Registers.Current.Pattern == hexText(pattern) {
			return nil
		}
	}
	return &client.Error{Code: codeLastHolder, Message: fmt.Sprintf("without crypto unit %s none that answers would hold the master key %s", list(removed), hexText(pattern)),
		Hint: "start other units that hold it, or give them the key first (`tumbler tke auto-recover`): nothing was changed"}
}

// answering counts the nodes that answer.
func (s *Server) answering(ctx context.Context, nodes []uint32) int {
	ctx, cancel := context.WithTimeout(ctx, reportTime)
	defer cancel()
	var alive atomic.Int64
	var all sync.WaitGroup
	for _, n := range nodes {
		all.Go(func() {
			if _, err := s.b.Units.Report(ctx, n); err == nil {
				alive.Add(1)
			}
		})
	}
	all.Wait()
	return int(alive.Load())
}

// submitted tells where the rotation stands after an order.
func (s *Server) submitted(signed parsedOrder) (client.SubmittedOrder, error) {
	out := client.SubmittedOrder{Digest: hexText(signed.digest()), Number: signed.order.Number, Kind: signed.order.Kind.String(), State: client.StateNone}
	err := s.peek(func(v View) error {
		if rotation, ok := v.Rotation(); ok {
			out.State = rotation.State.String()
		}
		return nil
	})
	return out, err
}

// firstAdministrators are those that the units have before an init, when the state has none: all the same, or none.
func (s *Server) firstAdministrators(ctx context.Context) ([]byte, error) {
	known, err := s.knownUnits()
	if err != nil {
		return nil, err
	}
	var first []byte
	for i, u := range s.readings(ctx, known) {
		if u.Report == nil {
			return nil, &client.Error{Code: client.CodeUnitUnreachable, Message: fmt.Sprintf("unit %d does not answer: %s", u.Number, u.Error), Hint: "every unit takes part in the first order: start its node, or remove it"}
		}
		if u.Administrators.ImprintMode() {
			return nil, &client.Error{Code: client.CodeImprintMode, Message: fmt.Sprintf("unit %d is in imprint mode", u.Number), Hint: "give it administrators first: `tumbler tke auto-init` does"}
		}
		seen, err := readReport(u.Report, known[i])
		if err != nil {
			return nil, err
		}
		if first == nil {
			first = seen.Report.Administrators
		}
		if string(first) != string(seen.Report.Administrators) {
			return nil, fsm.ErrAdministratorsDiffer
		}
	}
	if first == nil {
		return nil, &client.Error{Code: client.CodeImprintMode, Message: "no unit has administrators yet", Hint: "run `tumbler tke auto-init`"}
	}
	return first, nil
}

// approve brings signatures for the step that the open order holds.
func (s *Server) approve(ctx context.Context, r request, in client.ApprovalRequest) (client.Done, error) {
	digest, err := digestOf(r)
	if err != nil {
		return client.Done{}, err
	}
	approval, err := parseApproval(in.Approval)
	if err != nil {
		return client.Done{}, err
	}
	if approval.digest() != digest {
		return client.Done{}, invalid("the approval is for order %x, not for %x", approval.digest(), digest)
	}
	var administrators []byte
	err = s.read(ctx, func(v View) error {
		if !v.ServiceState().Bootstrapped {
			return fsm.ErrNotBootstrapped
		}
		if _, err := v.Order(digest); err != nil {
			return fsm.ErrOrderUnknown
		}
		administrators = v.Cluster().Administrators
		return nil
	})
	if err != nil {
		return client.Done{}, err
	}
	if err := approval.check(administrators); err != nil {
		return client.Done{}, err
	}
	_, err = s.b.Proposer.Propose(ctx, &fsm.SubmitApproval{Order: digest, Approval: in.Approval, At: fsm.TimeOf(s.now())})
	return client.Done{Message: "the approval was accepted"}, err
}
