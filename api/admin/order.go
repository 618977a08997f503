package admin

import (
	"errors"
	"fmt"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// A parsedOrder is a signed order in canonical form; its signatures are not checked yet.
type parsedOrder struct {
	signed *order.SignedOrder
	order  *order.Order
}

func parseOrder(der []byte) (parsedOrder, error) {
	signed, err := order.DecodeSignedOrder(der)
	if err != nil {
		return parsedOrder{}, fmt.Errorf("reading the order: %w", err)
	}
	o, err := signed.Decode()
	if err != nil {
		return parsedOrder{}, fmt.Errorf("reading the order: %w", err)
	}
	return parsedOrder{signed, o}, nil
}

func (p parsedOrder) digest() fsm.Digest { return fsm.Digest(p.signed.Digest()) }

// judged are the units by whose reports the state judges this order, and whether all of them have to answer. Cancel and
// settle must not wait for units; a removal is often of one that never answers again.
func (p parsedOrder) judged() (units []uint32, all bool) {
	switch p.order.Kind {
	case order.Init, order.Rotate, order.Recover:
		return p.order.Participants(), true
	case order.Enrol:
		return numbersOf(p.order.Subject.Units), true
	case order.Remove:
		return numbersOf(p.order.Units), false
	case order.Administration, order.Settle, order.Restore, order.DestroyRetired, order.Cancel:
	}
	return nil, false
}

func numbersOf(units []order.UnitRef) []uint32 {
	out := make([]uint32, len(units))
	for i, u := range units {
		out[i] = u.Number
	}
	return out
}

// keepsThresholds refuses an order that would bring imprint mode back.
func (p parsedOrder) keepsThresholds() error {
	if p.order.Kind != order.Administration {
		return nil
	}
	next, err := order.DecodeAdministrators(p.order.Subject.Administrators)
	if err == nil && next.Imprint() {
		err = fmt.Errorf("%w: only zeroizing brings imprint mode back", order.ErrThresholdZero)
	}
	return err
}

// check wants the signatures that the order's kind asks for, of administrators on that list (DER).
func (p parsedOrder) check(administrators []byte) error {
	list, err := order.DecodeAdministrators(administrators)
	if err != nil {
		return fmt.Errorf("reading the administrators that the state holds: %w", err)
	}
	_, err = p.signed.Verify(list)
	return err
}

// A parsedApproval is a signed approval in canonical form; its signatures are not checked yet.
type parsedApproval struct {
	signed   *order.SignedApproval
	approval *order.Approval
}

func parseApproval(der []byte) (parsedApproval, error) {
	signed, err := order.DecodeSignedApproval(der)
	if err != nil {
		return parsedApproval{}, fmt.Errorf("reading the approval: %w", err)
	}
	approval, err := order.DecodeApproval(signed.Approval)
	if err != nil {
		return parsedApproval{}, fmt.Errorf("reading the approval: %w", err)
	}
	return parsedApproval{signed, approval}, nil
}

func (p parsedApproval) digest() fsm.Digest { return fsm.Digest(p.approval.Order) }

func (p parsedApproval) check(administrators []byte) error {
	list, err := order.DecodeAdministrators(administrators)
	if err != nil {
		return fmt.Errorf("reading the administrators that the state holds: %w", err)
	}
	_, err = p.signed.Verify(list)
	return err
}

// parseAdministrators reads a list with its signatures for a unit in imprint mode.
func parseAdministrators(list []byte, signatures [][]byte) (*order.SignedAdministrators, error) {
	if _, err := order.DecodeAdministrators(list); err != nil {
		return nil, fmt.Errorf("reading the administrators: %w", err)
	}
	if len(signatures) > order.MaxSignatures {
		return nil, fmt.Errorf("%w: %d signatures are more than %d", order.ErrMalformed, len(signatures), order.MaxSignatures)
	}
	out := &order.SignedAdministrators{Administrators: list}
	for i, der := range signatures {
		signature, err := order.DecodeSignature(der)
		if err != nil {
			return nil, fmt.Errorf("reading signature %d: %w", i+1, err)
		}
		out.Signatures = append(out.Signatures, *signature)
	}
	return out, nil
}

// orderOf is a rotation's order as it travels.
func orderOf(r fsm.Rotation, o *order.Order) *client.RotationOrder {
	out := &client.RotationOrder{Digest: hexText(r.Order), Number: o.Number, Kind: o.Kind.String(), Policy: o.Policy.String(),
		Commit: o.Commit.String(), Activate: o.Activate.String(), Retire: o.Retire.String(), KeyParts: int(o.Parts), NotAfter: o.NotAfter.UTC()}
	if o.Parts > 0 {
		out.Suite = o.Suite.String()
	}
	if o.Kind == order.Recover {
		out.Source = o.Generator
	} else {
		out.Generator = o.Generator
	}
	return out
}

// statementsOf are the statements of a rotation. Those of the present one, which is asked for again and again, need not be
// decoded.
func statementsOf(v View, r fsm.Rotation) ([]*order.Statement, error) {
	if now, _ := v.Rotation(); now.Order == r.Order {
		return v.Record().Statements, nil
	}
	receipt, err := v.Receipt(r.Order)
	if err != nil {
		return nil, err
	}
	var all []*order.Statement
	for _, der := range receipt.Statements {
		signed, err := order.DecodeSignedStatement(der)
		if err != nil {
			return nil, err
		}
		statement, err := signed.Decode()
		if err != nil {
			return nil, err
		}
		all = append(all, statement)
	}
	return all, nil
}

// lastStatements are the last ones by unit.
func lastStatements(all []*order.Statement) map[uint32]*client.StatementSeen {
	out := map[uint32]*client.StatementSeen{}
	for _, s := range all {
		if last := out[s.Unit]; last == nil || last.Generation < s.Generation {
			out[s.Unit] = &client.StatementSeen{Kind: s.Kind.String(), Generation: s.Generation}
		}
	}
	return out
}

// orderMappings maps the refusals of the order package, special ones before general ones.
var orderMappings = []struct {
	err error
	mapping
}{
	{order.ErrInvalidSignature, mapping{client.CodeInvalidSignature, "sign it again with the administrator's key"}},
	{order.ErrTooFewSignatures, mapping{client.CodeTooFewSignatures, ""}},
	{order.ErrUnauthorised, mapping{client.CodeUnauthorisedSigner, "sign with keys of this cluster's administrators: `tumbler tke cryptounit-compare` lists them"}},
	{order.ErrOtherAdministrators, mapping{"administrators_differ", hintMakeOrderAnew}},
	{order.ErrTooManyAdministrators, mapping{codeTooManyAdministrators, "name at most 8"}},
	{order.ErrAdministratorExists, mapping{codeAdministratorExists, "name each key once"}},
	{order.ErrThresholdZero, mapping{codeThresholdZero, "give both thresholds 1 to 8"}},
	{order.ErrRevocationThresholdZero, mapping{codeRevocationZero, "give both thresholds 1 to 8"}},
	{order.ErrRevocationThreshold, mapping{codeRevocation, "name more administrators or a lower threshold"}},
	{order.ErrThreshold, mapping{codeThreshold, "name more administrators or a lower threshold"}},
	{order.ErrInvalidAdministrator, mapping{client.CodeInvalidRequest, ""}},
	{order.ErrInvalidOrder, mapping{client.CodeInvalidOrder, hintMakeOrderAnew}},
	{order.ErrMissing, mapping{"not_awaited", hintRead}},
	{order.ErrWrongKind, mapping{"order_kind", hintRead}},
	{masterkey.ErrSameAsCurrent, mapping{"new_key_is_current", "load other key parts"}},
	{masterkey.ErrNewNotEmpty, mapping{"new_register", "cancel what left it so: `tumbler tke rotation cancel`"}},
	{order.ErrMalformed, mapping{client.CodeInvalidOrder, "use the same version of the command line as the nodes'"}},
}

func orderMapping(err error) (mapping, bool) {
	for _, m := range orderMappings {
		if errors.Is(err, m.err) {
			return m.mapping, true
		}
	}
	return mapping{}, false
}
