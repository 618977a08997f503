package document

import (
	"fmt"
	"io"
	"strings"

	"tumbler/cli/command"
	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// Show prints every field of a document in words: nobody signs what they have not read.
func (d *Document) Show(w io.Writer) {
	if d.IsOrder() {
		command.Line(w, "ORDER %d: %s", d.Order.Number, KindWords(d.Order.Kind))
		showOrder(w, d.Order)
	} else {
		d.showApprovals(w)
	}
	command.Line(w, "ADMINISTRATORS\n  Signature threshold %d, revocation threshold %d", d.List.Signature, d.List.Revocation)
	showPeople(w, d.List)
}

func (d *Document) showApprovals(w io.Writer) {
	command.Line(w, "APPROVAL: %s", ApprovedWords(d.Step()))
	command.Line(w, "  Instance:         %v", d.Instance)
	for _, a := range d.Approvals {
		if a.Unit != 0 {
			command.Line(w, "  Crypto unit %d:    fingerprint %v, as it is at generation %d", a.Unit, a.Approval.Unit, a.Approval.Generation)
			command.Line(w, "  Cluster:          %s, incarnation %d", idWords(a.Approval.Cluster), a.Approval.Incarnation)
			if !a.Approval.Pattern.IsZero() {
				command.Line(w, "  Pattern:          %v", a.Approval.Pattern)
			}
			continue
		}
		command.Line(w, "  Master key:       %v", a.Approval.Pattern)
		command.Line(w, "  Of order:         %v, cluster %v, incarnation %d", a.Approval.Order, a.Approval.Cluster, a.Approval.Incarnation)
	}
	if d.Signed != nil {
		command.Line(w, "IT IS A STEP OF ORDER %d, WHICH A QUORUM SIGNED: %s", d.Order.Number, KindWords(d.Order.Kind))
		showOrder(w, d.Order)
	}
}

// showOrder prints every field of an order: a test changes each, and sees the words change.
func showOrder(w io.Writer, o *order.Order) {
	command.Line(w, "  Number:           %d", o.Number)
	command.Line(w, "  Cluster:          %v, incarnation %d", o.Cluster, o.Incarnation)
	command.Line(w, "  Instance:         %v", o.Instance)
	if o.Current.IsZero() {
		command.Line(w, "  Master key now:   none")
	} else {
		command.Line(w, "  Master key now:   %v", o.Current)
	}
	if o.Generator != 0 {
		command.Line(w, "  New master key:   comes from crypto unit %d", o.Generator)
	}
	if o.Parts != 0 {
		command.Line(w, "  New master key:   comes in %d key parts", o.Parts)
	}
	command.Line(w, "  Transport:        %s", SuiteWords(o.Suite.String()))
	showSubject(w, o)
	command.Line(w, "  Commit:           %s", authorityWords(o.Commit))
	command.Line(w, "  Activation:       %s", authorityWords(o.Activate))
	command.Line(w, "  Callers:          policy %v while keys are rewrapped", o.Policy)
	command.Line(w, "  Former key:       %s", retireWords(o.Retire))
	command.Line(w, "  Handed in until:  %s", command.When(o.NotAfter))
	command.Line(w, "  Signed for:       the administrators' list %v", o.Administrators)
	command.Line(w, "  Crypto units of the instance:")
	showRefs(w, o.Units)
}

func showSubject(w io.Writer, o *order.Order) {
	s := &o.Subject
	if !s.Order.IsZero() || s.OrderNumber != 0 {
		command.Line(w, "  About order:      %d, %v", s.OrderNumber, s.Order)
	}
	if !s.Pattern.IsZero() {
		command.Line(w, "  About master key: %v", s.Pattern)
	}
	if !s.Archive.IsZero() {
		command.Line(w, "  Archive:          %v", s.Archive)
	}
	if s.Incarnation != 0 {
		command.Line(w, "  New incarnation:  %d", s.Incarnation)
	}
	if len(s.Units) > 0 {
		command.Line(w, "  %s", aboutUnits(o.Kind))
		showRefs(w, s.Units)
	}
	for _, b := range s.Blobs {
		command.Line(w, "  Set aside:        blob %d (%v), SHA-256 %v", b.Number, b.Class, b.Digest)
	}
	if len(s.Administrators) > 0 {
		next, err := order.DecodeAdministrators(s.Administrators)
		if err != nil { // Order.Check has decoded it before
			command.Line(w, "  New administrators that cannot be read: %v", err)
			return
		}
		command.Line(w, "  New thresholds:   signature %d, revocation %d", next.Signature, next.Revocation)
		command.Line(w, "  New administrators:")
		showPeople(w, next)
	}
}

func showRefs(w io.Writer, units []order.UnitRef) {
	for _, u := range units {
		command.Line(w, "    %d (%v), fingerprint %v", u.Number, u.Role, u.Identity)
	}
}

func showPeople(w io.Writer, list *order.Administrators) {
	for _, a := range list.List {
		ski, err := a.SKI()
		if err != nil { // the list was checked when it was decoded
			command.Line(w, "    %s: %v", a.Name, err)
			continue
		}
		command.Line(w, "    %s (%s...)", a.Name, workstation.ShortSKI(ski.String()))
	}
}

// ShowSigners says who has signed, and how many are still to sign.
func ShowSigners(w io.Writer, have []order.Administrator, need int) {
	names := make([]string, len(have))
	for n, a := range have {
		names[n] = a.Name
	}
	if len(names) == 0 {
		names = []string{"nobody"}
	}
	command.Line(w, "SIGNED BY %s; %d of %s", strings.Join(names, ", "), len(have), command.Plural(need, "signature"))
}

// KindWords says what an order of a kind does.
func KindWords(k order.Kind) string {
	switch k {
	case order.Init:
		return "make the first master key"
	case order.Rotate:
		return "replace the master key"
	case order.Recover:
		return "give the master key to crypto units that do not hold it"
	case order.Enrol:
		return "make crypto units part of the instance"
	case order.Remove:
		return "remove crypto units from the instance"
	case order.Administration:
		return "change administrators and thresholds"
	case order.Settle:
		return "set aside blobs that no crypto unit opens"
	case order.Restore:
		return "make the cluster again from an archive, without what came after it"
	case order.DestroyRetired:
		return "destroy a former master key"
	case order.Cancel:
		return "cancel an order"
	}
	return fmt.Sprintf("%v, which this version has no words for", k)
}

// ApprovedWords says what was approved with a step.
func ApprovedWords(s order.Step) string {
	switch s { //nolint:exhaustive // the others need no approval
	case order.StepCommit:
		return "commit the new master key"
	case order.StepActivate:
		return "make the new master key the current one"
	case order.StepSetImmediate:
		return "make the new master key the current one at once"
	case order.StepClearCurrent:
		return "empty the current master key register"
	case order.StepZeroize:
		return "zeroize: clear everything in the crypto unit"
	}
	return fmt.Sprintf("%v, which this version has no words for", s)
}

// MadeBy names the command that makes such an order.
func MadeBy(o *order.Order) string {
	command := "tke auto-init"
	switch o.Kind {
	case order.Init, order.Rotate:
		if o.Parts > 0 {
			command = "tke cryptounit-mk-load"
		} else if o.Kind == order.Rotate {
			command = "tke auto-mk-rotate"
		}
	case order.Recover:
		command = "tke auto-recover"
	case order.Enrol:
		command = "tke enrol"
	case order.Remove:
		command = "tke unenrol"
	case order.Administration:
		command = "tke cryptounit-admin-add, -admin-rm or -thrhld-set"
	case order.Settle:
		command = "tke rotation settle"
	case order.Restore:
		command = "cluster snapshot restore"
	case order.DestroyRetired:
		command = "tke retired destroy"
	case order.Cancel:
		command = "tke rotation cancel"
	}
	return "`tumbler " + command + "`"
}

func authorityWords(a order.Authority) string {
	if a == order.Automatic {
		return "automatic, by this order"
	}
	return fmt.Sprintf("%v, by a signature of its own", a)
}

func retireWords(r order.Retirement) string {
	if r == order.Keep {
		return "kept by recovery crypto units, to open old backups"
	}
	return fmt.Sprintf("%v", r)
}

func aboutUnits(k order.Kind) string {
	switch k { //nolint:exhaustive // the other kinds have no units of their own
	case order.Recover:
		return "Crypto units that get the master key:"
	case order.Enrol:
		return "Crypto units that are enrolled:"
	case order.Remove:
		return "Crypto units that are removed:"
	case order.Restore:
		return "Crypto unit that goes on alone:"
	}
	return "Crypto units that it is about:"
}

func idWords(id order.ID) string {
	if id.IsZero() {
		return "any that the crypto unit belongs to"
	}
	return id.String()
}

// SuiteWords names an importer suite, and says of what it is none.
func SuiteWords(suite string) string {
	if suite == order.SuiteHPKE.String() {
		return suite
	}
	return suite + ", which is not post-quantum"
}

// Question is what is asked before a document is signed.
func (d *Document) Question() string {
	if d.IsRestore() {
		return "What came after the archive is lost, and no node of the former cluster may run any more. Do you want to sign it?"
	}
	return "Do you want to sign it?"
}
