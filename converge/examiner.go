package converge

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"

	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// Examiner looks, on the leader, at the signatures in what is about to go into the log. Apply looks at none: without this a
// member whose host lies could have the state believe what no unit stated and no administrator ordered, and a rotation that went
// on by it could neither end nor, past the flip, be cancelled.
//
// A statement is compared with the identity that it names itself, which Apply compares with the unit's. So what this node knows
// of units, which may be out of date, refuses no statement that a unit signed.
type Examiner struct {
	Store  *fsm.Store
	Logger hclog.Logger
}

// Examine gives the answer to a command that must not be believed, else nil. An error is of this node. Most commands carry no
// signature, and are not even decoded.
func (e *Examiner) Examine(ctx context.Context, from uint32, data []byte) ([]byte, error) {
	if !signed(fsm.KindOf(data)) {
		return nil, nil
	}
	command, request, err := fsm.Decode(data)
	if err != nil {
		return fsm.EncodeRefusal(refusal(fsm.ErrInvalid, "%v", err))
	}
	err = e.judge(command)
	if errors.Is(err, fsm.ErrOrderUnknown) || errors.Is(err, fsm.ErrAdministratorsDiffer) {
		// The proposer may know more: a new leader applies what was agreed on before it led.
		if err := e.Store.WaitApplied(ctx, request.Since()); err != nil {
			return nil, err
		}
		err = e.judge(command)
	}
	if errors.Is(err, fsm.ErrSignature) {
		e.Logger.Error("a node proposes what is not signed by those whom it names: it is refused, and that node's host may be in other hands",
			"node", from, "command", fmt.Sprintf("%T", command), "error", err)
	}
	var refused *fsm.Refusal
	if errors.As(err, &refused) {
		return fsm.EncodeRefusal(refused)
	}
	return nil, err
}

func signed(kind fsm.Kind) bool {
	return kind == fsm.KindRegisterUnit || kind == fsm.KindSubmitOrder || kind == fsm.KindSubmitStatement ||
		kind == fsm.KindSubmitApproval || kind == fsm.KindDisownStatement || kind == fsm.KindClearCurrent
}

func (e *Examiner) judge(command fsm.Command) error {
	switch c := command.(type) {
	case *fsm.SubmitStatement:
		return ofUnit(c.Statement)
	case *fsm.RegisterUnit:
		return ofUnit(c.Report)
	}
	view, err := e.Store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	switch c := command.(type) {
	case *fsm.DisownStatement:
		return errors.Join(ofUnit(c.Report), disownable(view, c))
	case *fsm.SubmitOrder:
		return ordered(view, c.Order)
	case *fsm.SubmitApproval:
		return approved(view, c)
	case *fsm.ClearCurrent:
		return cleared(view, c)
	}
	return nil
}

// ofUnit wants a statement that the identity in it has signed.
func ofUnit(der []byte) error {
	signed, err := order.DecodeSignedStatement(der)
	if err != nil {
		return refusal(fsm.ErrStatementMalformed, "%v", err)
	}
	if _, err := signed.Verify(signed.Identity); err != nil {
		return refusal(fsm.ErrSignature, "%v", err)
	}
	return nil
}

// disownable wants that what the state holds as a unit's last statement is the one that is disowned, and not of the unit.
func disownable(view *fsm.View, c *fsm.DisownStatement) error {
	known, _ := view.Unit(c.Number)
	if len(known.Stated) == 0 || sha256.Sum256(known.Stated) != c.Stated {
		return refusal(fsm.ErrStatementConflict, "the last statement of crypto unit %d is another than is disowned", c.Number)
	}
	if ofUnit(known.Stated) == nil {
		return refusal(fsm.ErrStatementConflict, "crypto unit %d has signed what is disowned", c.Number)
	}
	return nil
}

// ordered wants the signatures that an order needs, of the administrators that it names. That those are the instance's is for
// Apply to say, of the state at its entry. One that the state has accepted is accepted again, whoever the administrators are by
// now.
func ordered(view *fsm.View, der []byte) error {
	signed, err := order.DecodeSignedOrder(der)
	if err != nil {
		return refusal(fsm.ErrOrderMalformed, "%v", err)
	}
	o, err := signed.Decode()
	if err != nil {
		return refusal(fsm.ErrOrderMalformed, "%v", err)
	}
	if _, err := view.Order(fsm.Digest(signed.Digest())); !errors.Is(err, fsm.ErrNotFound) {
		return err
	}
	lists, err := administratorsFor(view, o)
	if err != nil {
		return err
	}
	for _, der := range lists {
		list, err := order.DecodeAdministrators(der)
		if err != nil {
			continue
		}
		if _, err = signed.Verify(list); err == nil {
			return nil
		}
		if !errors.Is(err, order.ErrOtherAdministrators) {
			return refusal(fsm.ErrSignature, "%v", err)
		}
	}
	return refusal(fsm.ErrAdministratorsDiffer, "the list %v, which order %d names, is of no crypto unit", o.Administrators, o.Number)
}

// administratorsFor are the lists that may have signed an order. A cancel and a settle are of those that signed the order which
// they name; Apply does not ask.
func administratorsFor(view *fsm.View, o *order.Order) ([][]byte, error) {
	if o.Kind == order.Cancel || o.Kind == order.Settle {
		list, err := signers(view, fsm.Digest(o.Subject.Order))
		return [][]byte{list}, err
	}
	var lists [][]byte
	if list := view.Cluster().Administrators; len(list) > 0 {
		lists = append(lists, list)
	}
	for _, u := range view.Units() { // before the first order the state has none but theirs
		signed, err := order.DecodeSignedStatement(u.Report)
		if err != nil {
			continue
		}
		if said, err := signed.Decode(); err == nil && said.Kind == order.ReportOnly {
			lists = append(lists, said.Report.Administrators)
		}
	}
	return lists, nil
}

// signers is the list that signed an order which the state has accepted.
func signers(view *fsm.View, digest fsm.Digest) ([]byte, error) {
	record, err := view.Order(digest)
	if errors.Is(err, fsm.ErrNotFound) {
		return nil, refusal(fsm.ErrOrderUnknown, "%v is none that was accepted", order.Digest(digest))
	}
	return record.Administrators, err
}

// approved wants the signatures that an approval needs, of those that signed its order.
func approved(view *fsm.View, c *fsm.SubmitApproval) error {
	signed, err := order.DecodeSignedApproval(c.Approval)
	if err != nil {
		return refusal(fsm.ErrApprovalMalformed, "%v", err)
	}
	der, err := signers(view, c.Order)
	if err != nil {
		return err
	}
	list, err := order.DecodeAdministrators(der)
	if err != nil {
		return err
	}
	if _, err := signed.Verify(list); err != nil {
		return refusal(fsm.ErrSignature, "%v", err)
	}
	return nil
}

// cleared wants the signatures of the quorum that a unit's last report shows. Whether the unit may be emptied is for Apply to say.
func cleared(view *fsm.View, c *fsm.ClearCurrent) error {
	signed, err := order.DecodeSignedApproval(c.Approval)
	if err != nil {
		return refusal(fsm.ErrApprovalMalformed, "%v", err)
	}
	a, err := order.DecodeApproval(signed.Approval)
	if err != nil {
		return refusal(fsm.ErrApprovalMalformed, "%v", err)
	}
	for _, u := range view.Units() {
		if u.Identity != fsm.Identity(a.Unit) {
			continue
		}
		list, err := reportedAdministrators(u)
		if err != nil {
			return refusal(fsm.ErrStatementMalformed, "%v", err)
		}
		if _, err := signed.Verify(list); err != nil {
			return refusal(fsm.ErrSignature, "%v", err)
		}
		return nil
	}
	return refusal(fsm.ErrUnitUnknown, "%v", a.Unit)
}

// reportedAdministrators are those that a unit's last report shows.
func reportedAdministrators(u fsm.Unit) (*order.Administrators, error) {
	signed, err := order.DecodeSignedStatement(u.Report)
	if err != nil {
		return nil, err
	}
	said, err := signed.Decode()
	if err != nil {
		return nil, err
	}
	if said.Report == nil {
		return nil, fmt.Errorf("crypto unit %d has given no report", u.Number)
	}
	return order.DecodeAdministrators(said.Report.Administrators)
}

// refusal is one of the state's, with what it is about.
func refusal(of *fsm.Refusal, format string, args ...any) *fsm.Refusal {
	return &fsm.Refusal{Code: of.Code, Detail: fmt.Sprintf(format, args...)}
}
