package cli

import (
	"fmt"
	"io"
	"strings"

	"tumbler/cli/workstation"
	"tumbler/cryptounit/order"
)

// show prints every field of a document in words: nobody signs what they have not read.
func (d *document) show(w io.Writer) {
	if d.isOrder() {
		line(w, "ORDER %d: %s", d.order.Number, kindWords(d.order.Kind))
		showOrder(w, d.order)
	} else {
		d.showApprovals(w)
	}
	line(w, "ADMINISTRATORS\n  Signature threshold %d, revocation threshold %d", d.list.Signature, d.list.Revocation)
	showPeople(w, d.list)
}

func (d *document) showApprovals(w io.Writer) {
	line(w, "APPROVAL: %s", approvedWords(d.step()))
	line(w, "  Instance:         %v", d.instance)
	for _, a := range d.approvals {
		if a.unit != 0 {
			line(w, "  Crypto unit %d:    fingerprint %v, as it is at generation %d", a.unit, a.approval.Unit, a.approval.Generation)
			line(w, "  Cluster:          %s, incarnation %d", idWords(a.approval.Cluster), a.approval.Incarnation)
			if !a.approval.Pattern.IsZero() {
				line(w, "  Pattern:          %v", a.approval.Pattern)
			}
			continue
		}
		line(w, "  Master key:       %v", a.approval.Pattern)
		line(w, "  Of order:         %v, cluster %v, incarnation %d", a.approval.Order, a.approval.Cluster, a.approval.Incarnation)
	}
	if d.signed != nil {
		line(w, "IT IS A STEP OF ORDER %d, WHICH A QUORUM SIGNED: %s", d.order.Number, kindWords(d.order.Kind))
		showOrder(w, d.order)
	}
}

// showOrder prints every field of an order: a test changes each, and sees the words change.
func showOrder(w io.Writer, o *order.Order) {
	line(w, "  Number:           %d", o.Number)
	line(w, "  Cluster:          %v, incarnation %d", o.Cluster, o.Incarnation)
	line(w, "  Instance:         %v", o.Instance)
	if o.Current.IsZero() {
		line(w, "  Master key now:   none")
	} else {
		line(w, "  Master key now:   %v", o.Current)
	}
	if o.Generator != 0 {
		line(w, "  New master key:   comes from crypto unit %d", o.Generator)
	}
	if o.Parts != 0 {
		line(w, "  New master key:   comes in %d key parts", o.Parts)
	}
	line(w, "  Transport:        %s", suiteWords(o.Suite.String()))
	showSubject(w, o)
	line(w, "  Commit:           %s", authorityWords(o.Commit))
	line(w, "  Activation:       %s", authorityWords(o.Activate))
	line(w, "  Callers:          policy %v while keys are rewrapped", o.Policy)
	line(w, "  Former key:       %s", retireWords(o.Retire))
	line(w, "  Handed in until:  %s", when(o.NotAfter))
	line(w, "  Signed for:       the administrators' list %v", o.Administrators)
	line(w, "  Crypto units of the instance:")
	showRefs(w, o.Units)
}

func showSubject(w io.Writer, o *order.Order) {
	s := &o.Subject
	if !s.Order.IsZero() || s.OrderNumber != 0 {
		line(w, "  About order:      %d, %v", s.OrderNumber, s.Order)
	}
	if !s.Pattern.IsZero() {
		line(w, "  About master key: %v", s.Pattern)
	}
	if !s.Archive.IsZero() {
		line(w, "  Archive:          %v", s.Archive)
	}
	if s.Incarnation != 0 {
		line(w, "  New incarnation:  %d", s.Incarnation)
	}
	if len(s.Units) > 0 {
		line(w, "  %s", aboutUnits(o.Kind))
		showRefs(w, s.Units)
	}
	for _, b := range s.Blobs {
		line(w, "  Set aside:        blob %d (%v), SHA-256 %v", b.Number, b.Class, b.Digest)
	}
	if len(s.Administrators) > 0 {
		next, err := order.DecodeAdministrators(s.Administrators)
		if err != nil { // Order.Check has decoded it before
			line(w, "  New administrators that cannot be read: %v", err)
			return
		}
		line(w, "  New thresholds:   signature %d, revocation %d", next.Signature, next.Revocation)
		line(w, "  New administrators:")
		showPeople(w, next)
	}
}

func showRefs(w io.Writer, units []order.UnitRef) {
	for _, u := range units {
		line(w, "    %d (%v), fingerprint %v", u.Number, u.Role, u.Identity)
	}
}

func showPeople(w io.Writer, list *order.Administrators) {
	for _, a := range list.List {
		ski, err := a.SKI()
		if err != nil { // the list was checked when it was decoded
			line(w, "    %s: %v", a.Name, err)
			continue
		}
		line(w, "    %s (%s...)", a.Name, workstation.ShortSKI(ski.String()))
	}
}

func showSigners(w io.Writer, have []order.Administrator, need int) {
	names := make([]string, len(have))
	for n, a := range have {
		names[n] = a.Name
	}
	if len(names) == 0 {
		names = []string{"nobody"}
	}
	line(w, "SIGNED BY %s; %d of %s", strings.Join(names, ", "), len(have), plural(need, "signature"))
}

func kindWords(k order.Kind) string {
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

func approvedWords(s order.Step) string {
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

// madeBy names the command that makes such an order.
func madeBy(o *order.Order) string {
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
