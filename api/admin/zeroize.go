package admin

import (
	"context"
	"fmt"

	"tumbler/api/client"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// zeroize hands the approval of a unit's own administrators to the unit. Nothing of it goes through the state: a unit that was
// rolled back, or is of no use to anybody, is cleared all the same.
func (s *Server) zeroize(ctx context.Context, r request, in client.ZeroizeRequest) (client.Zeroized, error) {
	none := client.Zeroized{}
	number, err := pathNumber(r)
	if err != nil {
		return none, err
	}
	known, said, err := s.present(ctx, number)
	if err != nil {
		return none, err
	}
	if err := approved(order.StepZeroize, known, said, in.Approval); err != nil {
		return none, err
	}
	report, err := s.b.Units.Zeroize(ctx, number, in.Approval, in.MasterKey)
	return client.Zeroized{Number: number, Former: hexText(known.Identity), Report: report}, err
}

// approved checks what the unit will: as many signatures as its own list asks for, for this unit as it is now.
func approved(step order.Step, known fsm.Unit, said *order.Statement, der []byte) error {
	list, err := order.DecodeAdministrators(said.Report.Administrators)
	switch {
	case err != nil:
		return err
	case list.Imprint() && len(der) > 0:
		return invalid("crypto unit %d is in imprint mode, and asks for no approval", said.Unit)
	case list.Imprint():
		return nil
	case len(der) == 0:
		return &order.TooFewError{Have: 0, Need: int(list.Signature)}
	}
	signed, err := parseApproval(der)
	if err != nil {
		return err
	}
	if err := signed.check(said.Report.Administrators); err != nil {
		return err
	}
	switch a := signed.approval; {
	case a.Step != step || a.Unit != order.Identity(known.Identity):
		return invalid("it is an approval of %v of unit %v", a.Step, a.Unit)
	case a.Generation != said.Generation:
		return &client.Error{Code: codeGeneration, Message: fmt.Sprintf("the approval is for crypto unit %d at generation %d, and it is at %d by now", said.Unit, a.Generation, said.Generation), Hint: "run the same command again"}
	}
	return nil
}
