package document

import (
	"encoding/asn1"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"tumbler/cli/command"
	"tumbler/cryptounit/order"
)

// Document is what administrators sign on their own workstations, one after the other: an order, or approvals of one step. It
// travels as a file that holds what is signed, the signatures so far, and the list of who may sign; an order as order.Evidence,
// approvals as wireApprovals, both DER.
type Document struct {
	List *order.Administrators
	// signed is the order; or, beside approvals of one of its steps, the order under way, as a quorum signed it.
	Signed    *order.SignedOrder
	Order     *order.Order
	Instance  order.ID
	Approvals []UnitApproval
}

// UnitApproval is an approval, and the number of the crypto unit that it names; 0 if it names an order.
type UnitApproval struct {
	Unit     uint32
	Signed   order.SignedApproval
	Approval *order.Approval
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

// NewOrder is an order that nobody has signed yet.
func NewOrder(o order.Order, list *order.Administrators) (*Document, error) {
	der, err := o.Encode()
	if err != nil {
		return nil, err
	}
	return &Document{List: list, Signed: &order.SignedOrder{Order: der}, Order: &o, Instance: o.Instance}, nil
}

// NewApproval is an approval of a step of the order under way.
func NewApproval(a order.Approval, signed *order.SignedOrder, o *order.Order, list *order.Administrators) (*Document, error) {
	d := &Document{List: list, Signed: signed, Order: o, Instance: o.Instance}
	return d, d.Add(0, a)
}

// Add adds an approval that nobody has signed yet.
func (d *Document) Add(unit uint32, a order.Approval) error {
	der, err := a.Encode()
	if err != nil {
		return err
	}
	d.Approvals = append(d.Approvals, UnitApproval{unit, order.SignedApproval{Approval: der}, &a})
	return nil
}

// IsOrder tells an order from approvals.
func (d *Document) IsOrder() bool { return len(d.Approvals) == 0 }

// Step is what the approvals approve: all the same.
func (d *Document) Step() order.Step { return d.Approvals[0].Approval.Step }

// Need is how many signatures the document asks for.
func (d *Document) Need() (int, error) {
	if !d.IsOrder() {
		return int(d.Approvals[0].Approval.Threshold(d.List)), nil
	}
	need, err := d.Order.Threshold(d.List)
	return int(need), err
}

// Signers are the administrators who have signed all of it. A wrong signature is an error.
func (d *Document) Signers() ([]order.Administrator, error) {
	if d.IsOrder() {
		return d.Signed.Signers(d.List)
	}
	all, err := d.Approvals[0].Signed.Signers(d.List)
	for _, a := range d.Approvals[1:] {
		these, failed := a.Signed.Signers(d.List)
		err = errors.Join(err, failed)
		all = slices.DeleteFunc(all, func(one order.Administrator) bool {
			return !slices.ContainsFunc(these, func(other order.Administrator) bool { return string(one.Key) == string(other.Key) })
		})
	}
	return all, err
}

// Missing is how many signatures are still to come.
func (d *Document) Missing() (int, error) {
	need, err := d.Need()
	if err != nil {
		return 0, err
	}
	have, err := d.Signers()
	return max(0, need-len(have)), err
}

// Sign adds a signature.
func (d *Document) Sign(by order.Signer) error {
	if d.IsOrder() {
		return d.Signed.Sign(by)
	}
	for n := range d.Approvals {
		if err := d.Approvals[n].Signed.Sign(by); err != nil {
			return err
		}
	}
	return nil
}

// Expired refuses an order that no node takes any more. Approvals have no time of their own.
func (d *Document) Expired(now time.Time) error {
	if d.IsOrder() && now.After(d.Order.NotAfter) {
		return fmt.Errorf("order %d could be handed in until %s: make it again (%s), and have that signed", d.Order.Number, command.When(d.Order.NotAfter), MadeBy(d.Order))
	}
	return nil
}

// Encode gives the file's bytes (DER): an order, or approvals with the order that they are about.
func (d *Document) Encode() ([]byte, error) {
	list, err := d.List.Encode()
	if err != nil {
		return nil, err
	}
	if d.IsOrder() {
		e := order.Evidence{Order: *d.Signed, Administrators: list}
		return e.Encode()
	}
	w := wireApprovals{Magic: approvalsMagic, Format: approvalsFormat, Instance: d.Instance[:], Administrators: list}
	if d.Signed != nil {
		if w.Order, err = d.Signed.Encode(); err != nil {
			return nil, err
		}
	}
	for _, a := range d.Approvals {
		der, err := a.Signed.Encode()
		if err != nil {
			return nil, err
		}
		w.Approvals = append(w.Approvals, wireUnitApproval{int64(a.Unit), der})
	}
	return asn1.Marshal(w)
}

// Read reads a file that `--order FILE` wrote. Whatever it takes, it writes to the same bytes.
func Read(path string) (*Document, error) {
	der, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	d, err := decode(der)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: nothing was signed; use the version that wrote it, or have it sent again", path, err)
	}
	return d, nil
}

func decode(der []byte) (*Document, error) {
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
	d := &Document{Signed: &e.Order}
	if d.Order, err = e.Order.Decode(); err != nil {
		return nil, err
	}
	d.Instance = d.Order.Instance
	if err := d.readList(e.Administrators); err != nil {
		return nil, err
	}
	if digest, err := d.List.Digest(); err != nil || digest != d.Order.Administrators {
		return nil, order.ErrOtherAdministrators
	}
	return d, nil
}

func decodeApprovals(der []byte, w wireApprovals) (*Document, error) {
	d := &Document{}
	if w.Format != approvalsFormat || len(w.Instance) != len(d.Instance) {
		return nil, fmt.Errorf("it has format %d, and this version reads %d", w.Format, approvalsFormat)
	}
	copy(d.Instance[:], w.Instance)
	if err := d.readList(w.Administrators); err != nil {
		return nil, err
	}
	if len(w.Order) > 0 {
		signed, err := order.DecodeSignedOrder(w.Order)
		if err != nil {
			return nil, err
		}
		d.Signed = signed
		if d.Order, err = signed.Verify(d.List); err != nil { // a quorum's, of this very list
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
		a := UnitApproval{Signed: *signed, Unit: uint32(each.Unit)}
		if a.Approval, err = order.DecodeApproval(signed.Approval); err != nil {
			return nil, err
		}
		d.Approvals = append(d.Approvals, a)
	}
	if err := d.checkApprovals(); err != nil {
		return nil, err
	}
	again, err := d.Encode()
	if err != nil || string(again) != string(der) {
		return nil, fmt.Errorf("it is not written as this version writes it (%w)", errors.Join(order.ErrMalformed, err))
	}
	return d, nil
}

// checkApprovals makes sure that the approvals are of one step, and name the order that is shown, or units, each once.
func (d *Document) checkApprovals() error {
	units := map[order.Identity]bool{}
	for _, a := range d.Approvals {
		switch {
		case a.Approval.Step != d.Step():
			return fmt.Errorf("it approves %v and %v", d.Step(), a.Approval.Step)
		case a.Approval.Order.IsZero() != (a.Unit != 0) || a.Approval.Order.IsZero() == (d.Signed != nil):
			return errors.New("it does not show what it approves")
		case d.Signed == nil && units[a.Approval.Unit]:
			return fmt.Errorf("it names crypto unit %d twice", a.Unit)
		case d.Signed != nil && (len(d.Approvals) > 1 || a.Approval.Order != d.Signed.Digest() || a.Approval.Cluster != d.Order.Cluster ||
			a.Approval.Incarnation != d.Order.Incarnation || d.Instance != d.Order.Instance):
			return errors.New("it approves a step of another order than the one that it shows")
		}
		units[a.Approval.Unit] = true
	}
	return nil
}

func (d *Document) readList(der []byte) (err error) {
	if d.List, err = order.DecodeAdministrators(der); err != nil {
		return err
	}
	if d.List.Imprint() {
		return errors.New("its administrators are those of a crypto unit in imprint mode: `tumbler tke auto-init` sets them")
	}
	return nil
}

// Digest names the order, or the one that approvals are about; none for approvals that name units.
func (d *Document) Digest() order.Digest {
	if d.Signed == nil {
		return order.Digest{}
	}
	return d.Signed.Digest()
}

// IsRestore tells whether it is a restore order, which no cluster takes.
func (d *Document) IsRestore() bool { return d.IsOrder() && d.Order.Kind == order.Restore }

// Named are the identities of the crypto units that a document names, by number. Those that a restore names are of a cluster that
// is gone; the one that goes on alone has a new one, which is remembered when it was signed.
func (d *Document) Named() map[uint32][]byte {
	units := map[uint32][]byte{}
	if d.IsRestore() {
		return units
	}
	if d.Order != nil {
		for _, u := range d.Order.Units {
			units[u.Number] = u.Identity[:]
		}
	}
	for _, a := range d.Approvals {
		if a.Unit != 0 {
			units[a.Unit] = a.Approval.Unit[:]
		}
	}
	return units
}

// Complete refuses a document that has not all its signatures.
func (d *Document) Complete(path string) error {
	have, err := d.Signers()
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	need, err := d.Need()
	if err != nil {
		return err
	}
	if len(have) < need {
		return command.Refused(command.ReturnTooFew, 0, "%s has %d of %s: `tumbler tke order sign %s` adds more", path, len(have), command.Plural(need, "signature"), path)
	}
	return nil
}
