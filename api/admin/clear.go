package admin

import (
	"context"
	"fmt"
	"time"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// clearTime bounds how long a unit is waited for that is to empty its current register.
const clearTime = 10 * time.Second

// clearCurrent puts the approval to the state, which refuses it where no other unit would hold the master key. The unit's own node
// hands it on, and the answer is what the unit then is.
func (s *Server) clearCurrent(ctx context.Context, r request, in client.ClearCurrentRequest) (client.UnitAnswer, error) {
	none := client.UnitAnswer{}
	number, err := pathNumber(r)
	if err != nil {
		return none, err
	}
	known, said, err := s.present(ctx, number)
	if err != nil {
		return none, err
	}
	err = approved(order.StepClearCurrent, known, said, in.Approval)
	if client.HasCode(err, codeGeneration) && said.Report.Registers.Current == masterkey.CurrentEmpty {
		return client.UnitAnswer{Unit: s.readings(ctx, []fsm.Unit{known})[0]}, nil // the same again, after a lost answer
	}
	if err != nil {
		return none, err
	}
	if len(in.Approval) == 0 {
		return none, &client.Error{Code: client.CodeImprintMode, Message: fmt.Sprintf("crypto unit %d is in imprint mode: it holds no master key of the instance", number)}
	}
	if err := s.leavesHolder(ctx, []uint32{number}); err != nil {
		return none, err
	}
	all, err := s.knownUnits()
	if err != nil {
		return none, err
	}
	numbers := make([]uint32, len(all))
	for i, u := range all {
		numbers[i] = u.Number
	}
	_, _ = s.b.Units.Refresh(ctx, numbers) // the state judges by the reports that it has; another unit may be down
	if _, err := s.b.Proposer.Propose(ctx, &fsm.ClearCurrent{Approval: in.Approval, At: fsm.TimeOf(s.now())}); err != nil {
		return none, err
	}
	return s.cleared(ctx, number)
}

// present is a unit as it shows itself now.
func (s *Server) present(ctx context.Context, number uint32) (fsm.Unit, *order.Statement, error) {
	known, err := s.unit(ctx, number)
	if err != nil {
		return known, nil, err
	}
	live, err := s.b.Units.Report(ctx, number)
	if err != nil {
		return known, nil, err
	}
	said, err := readReport(live, known)
	if err != nil {
		return known, nil, &client.Error{Code: "identity_changed", Message: fmt.Sprintf("crypto unit %d does not show the identity that the cluster knows: %v", number, err),
			Hint: "if it was zeroized already, remove the former one: `tumbler tke unenrol`"}
	}
	return known, said, nil
}

// cleared waits until the unit has done what the state accepted.
func (s *Server) cleared(ctx context.Context, number uint32) (client.UnitAnswer, error) {
	ctx, cancel := context.WithTimeout(ctx, clearTime)
	defer cancel()
	for {
		_, changed := s.b.State.Watch()
		var waits bool
		var known fsm.Unit
		if err := s.peek(func(v View) error {
			known, _ = v.Unit(number)
			waits = len(known.Clear) > 0
			return nil
		}); err != nil {
			return client.UnitAnswer{}, err
		}
		if !waits {
			return s.emptied(ctx, known)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return client.UnitAnswer{}, &client.Error{Code: client.CodeTimeout, Message: fmt.Sprintf("the cluster has accepted it, and crypto unit %d has not emptied its current register yet", number),
				Hint: "it does as soon as its node can: look at `tumbler tke cryptounits`"}
		}
	}
}

// emptied is the unit's word that its current register is empty.
func (s *Server) emptied(ctx context.Context, known fsm.Unit) (client.UnitAnswer, error) {
	said, err := readReport(known.Report, known)
	if err != nil {
		return client.UnitAnswer{}, err
	}
	if said.Report.Registers.Current != masterkey.CurrentEmpty {
		return client.UnitAnswer{}, &client.Error{Code: codeLastHolder, Message: fmt.Sprintf("crypto unit %d did not empty its current register: when its node came to it, the approval was not good any more, or no other unit that answered held the master key", known.Number),
			Hint: hintGiveTheKey}
	}
	return client.UnitAnswer{Unit: s.readings(ctx, []fsm.Unit{known})[0]}, nil
}
