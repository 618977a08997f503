package cli

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"tumbler/cryptounit/order"
)

// document is what administrators sign on their own workstations, one after the other: an order, or approvals of one step. It
// travels as a file that holds what is signed, the signatures so far, and the list of who may sign; an order as order.Evidence,
// approvals as wireApprovals, both DER.
type document struct {
	list *order.Administrators
	// signed is the order; or, beside approvals of one of its steps, the order under way, as a quorum signed it.
	signed    *order.SignedOrder
	order     *order.Order
	instance  order.ID
	approvals []unitApproval
}

// unitApproval is an approval, and the number of the crypto unit that it names; 0 if it names an order.
type unitApproval struct {
	unit     uint32
	signed   order.SignedApproval
	approval *order.Approval
}

const (
	approvalsMagic  = "tumbler/v1/approvals"
	approvalsFormat = 1
	mostDocument    = 1 << 20 // bytes
)

type wireApprovals struct {
	Magic          string `asn1:"utf8"`
	Format         int
	Instance       []byte
	Administrators []byte
	Order          []byte // SignedOrder; empty if the approvals name units
	Approvals      []wireUnitApproval
}

type wireUnitApproval struct {
	Unit     int64
	Approval []byte // SignedApproval
}

// newOrderDocument is an order that nobody has signed yet.
func newOrderDocument(o order.Order, list *order.Administrators) (*document, error) {
	der, err := o.Encode()
	if err != nil {
		return nil, err
	}
	return &document{list: list, signed: &order.SignedOrder{Order: der}, order: &o, instance: o.Instance}, nil
}

// newApprovalDocument is an approval of a step of the order under way.
func newApprovalDocument(a order.Approval, signed *order.SignedOrder, o *order.Order, list *order.Administrators) (*document, error) {
	d := &document{list: list, signed: signed, order: o, instance: o.Instance}
	return d, d.add(0, a)
}

// add adds an approval that nobody has signed yet.
func (d *document) add(unit uint32, a order.Approval) error {
	der, err := a.Encode()
	if err != nil {
		return err
	}
	d.approvals = append(d.approvals, unitApproval{unit, order.SignedApproval{Approval: der}, &a})
	return nil
}

// isOrder tells an order from approvals.
func (d *document) isOrder() bool { return len(d.approvals) == 0 }

// step is what the approvals approve: all the same.
func (d *document) step() order.Step { return d.approvals[0].approval.Step }

// need is how many signatures the document asks for.
func (d *document) need() (int, error) {
	if !d.isOrder() {
		return int(d.approvals[0].approval.Threshold(d.list)), nil
	}
	need, err := d.order.Threshold(d.list)
	return int(need), err
}

// signers are the administrators who have signed all of it. A wrong signature is an error.
func (d *document) signers() ([]order.Administrator, error) {
	if d.isOrder() {
		return d.signed.Signers(d.list)
	}
	all, err := d.approvals[0].signed.Signers(d.list)
	for _, a := range d.approvals[1:] {
		these, failed := a.signed.Signers(d.list)
		err = errors.Join(err, failed)
		all = slices.DeleteFunc(all, func(one order.Administrator) bool {
			return !slices.ContainsFunc(these, func(other order.Administrator) bool { return string(one.Key) == string(other.Key) })
		})
	}
	return all, err
}

// missing is how many signatures are still to come.
func (d *document) missing() (int, error) {
	need, err := d.need()
	if err != nil {
		return 0, err
	}
	have, err := d.signers()
	return max(0, need-len(have)), err
}

// sign adds a signature.
func (d *document) sign(by order.Signer) error {
	if d.isOrder() {
		return d.signed.Sign(by)
	}
	for n := range d.approvals {
		if err := d.approvals[n].signed.Sign(by); err != nil {
			return err
		}
	}
	return nil
}

// expired refuses an order that no node takes any more. Approvals have no time of their own.
func (d *document) expired(now time.Time) error {
	if d.isOrder() && now.After(d.order.NotAfter) {
		return fmt.Errorf("order %d could be handed in until %s: make it again (%s), and have that signed", d.order.Number, when(d.order.NotAfter), madeBy(d.order))
	}
	return nil
}

func (d *document) encode() ([]byte, error) {
	list, err := d.list.Encode()
	if err != nil {
		return nil, err
	}
	if d.isOrder() {
		e := order.Evidence{Order: *d.signed, Administrators: list}
		return e.Encode()
	}
	w := wireApprovals{Magic: approvalsMagic, Format: approvalsFormat, Instance: d.instance[:], Administrators: list}
	if d.signed != nil {
		if w.Order, err = d.signed.Encode(); err != nil {
			return nil, err
		}
	}
	for _, a := range d.approvals {
		der, err := a.signed.Encode()
		if err != nil {
			return nil, err
		}
		w.Approvals = append(w.Approvals, wireUnitApproval{int64(a.unit), der})
	}
	return asn1.Marshal(w)
}

// readDocument reads a file that `--order FILE` wrote. Whatever it takes, it writes to the same bytes.
func readDocument(path string) (*document, error) {
	der, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d, err := decodeDocument(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: nothing was signed; use the version that wrote it, or have it sent again", path, err)
	}
	return d, nil
}

func decodeDocument(der []byte) (*document, error) {
	if len(der) > mostDocument {
		return nil, fmt.Errorf("it has more than %d bytes", mostDocument)
	}
	var w wireApprovals
	if rest, err := asn1.Unmarshal(der, &w); err == nil && len(rest) == 0 && w.Magic == approvalsMagic {
		return decodeApprovals(der, w)
	}
	e, err := order.DecodeEvidence(der)
	if err != nil {
		return nil, err
	}
	if len(e.Statements)+len(e.Approvals)+len(e.Settles) > 0 || e.Cancel != nil {
		return nil, errors.New("it is the receipt of an order, not an order to be signed")
	}
	d := &document{signed: &e.Order}
	if d.order, err = e.Order.Decode(); err != nil {
		return nil, err
	}
	d.instance = d.order.Instance
	if err := d.readList(e.Administrators); err != nil {
		return nil, err
	}
	if digest, err := d.list.Digest(); err != nil || digest != d.order.Administrators {
		return nil, order.ErrOtherAdministrators
	}
	return d, nil
}

func decodeApprovals(der []byte, w wireApprovals) (*document, error) {
	d := &document{}
	if w.Format != approvalsFormat || len(w.Instance) != len(d.instance) {
		return nil, fmt.Errorf("it has format %d, and this version reads %d", w.Format, approvalsFormat)
	}
	copy(d.instance[:], w.Instance)
	if err := d.readList(w.Administrators); err != nil {
		return nil, err
	}
	if len(w.Order) > 0 {
		signed, err := order.DecodeSignedOrder(w.Order)
		if err != nil {
			return nil, err
		}
		d.signed = signed
		if d.order, err = signed.Verify(d.list); err != nil { // a quorum's, of this very list
			return nil, fmt.Errorf("the order that it approves a step of: %w", err)
		}
	}
	if len(w.Approvals) == 0 || len(w.Approvals) > order.MaxUnits {
		return nil, fmt.Errorf("it holds %d approvals", len(w.Approvals))
	}
	for _, each := range w.Approvals {
		signed, err := order.DecodeSignedApproval(each.Approval)
		if err != nil {
			return nil, err
		}
		a := unitApproval{signed: *signed, unit: uint32(each.Unit)}
		if a.approval, err = order.DecodeApproval(signed.Approval); err != nil {
			return nil, err
		}
		d.approvals = append(d.approvals, a)
	}
	if err := d.checkApprovals(); err != nil {
		return nil, err
	}
	again, err := d.encode()
	if err != nil || string(again) != string(der) {
		return nil, fmt.Errorf("it is not written as this version writes it (%w)", errors.Join(order.ErrMalformed, err))
	}
	return d, nil
}

// checkApprovals makes sure that the approvals are of one step, and name the order that is shown, or units, each once.
func (d *document) checkApprovals() error {
	units := map[order.Identity]bool{}
	for _, a := range d.approvals {
		switch {
		case a.approval.Step != d.step():
			return fmt.Errorf("it approves %v and %v", d.step(), a.approval.Step)
		case a.approval.Order.IsZero() != (a.unit != 0) || a.approval.Order.IsZero() == (d.signed != nil):
			return errors.New("it does not show what it approves")
		case d.signed == nil && units[a.approval.Unit]:
			return fmt.Errorf("it names crypto unit %d twice", a.unit)
		case d.signed != nil && (len(d.approvals) > 1 || a.approval.Order != d.signed.Digest() || a.approval.Cluster != d.order.Cluster ||
			a.approval.Incarnation != d.order.Incarnation || d.instance != d.order.Instance):
			return errors.New("it approves a step of another order than the one that it shows")
		}
		units[a.approval.Unit] = true
	}
	return nil
}

func (d *document) readList(der []byte) (err error) {
	if d.list, err = order.DecodeAdministrators(der); err != nil {
		return err
	}
	if d.list.Imprint() {
		return errors.New("its administrators are those of a crypto unit in imprint mode: `tumbler tke auto-init` sets them")
	}
	return nil
}
