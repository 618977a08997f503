package fsm

import (
	"slices"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// preconditions are refused with one typed error each, before any change. They are judged by the units' last reports. The
// result is the list of administrators (DER) that all units have.
func (t *tx) preconditions(o *order.Order, c *SubmitOrder) ([]byte, error) {
	cluster := &t.control.cluster
	if t.control.open() != nil {
		return nil, ErrOrderOpen.with("order %d is %v", t.control.rotation.Number, t.control.rotation.State)
	}
	if Pattern(o.Current) != cluster.Pattern {
		return nil, ErrOrderPattern.with("it names %v, the cluster's is %x", o.Current, cluster.Pattern)
	}
	if o.Kind == order.Recover && Pattern(o.Subject.Pattern) != cluster.Pattern {
		return nil, ErrOrderPattern.with("it recovers %v, the cluster's is %x", o.Subject.Pattern, cluster.Pattern)
	}
	if len(o.Units) < 2 {
		return nil, ErrOrderTooFewUnits
	}
	if len(c.Short) > 0 {
		return nil, ErrNoRoom.with("crypto units %v", c.Short)
	}
	if err := t.allUnits(o); err != nil {
		return nil, err
	}
	administrators := cluster.Administrators
	if o.Kind == order.Init { // the first decides, the others agree with it
		administrators = nil
	}
	for _, n := range o.Participants() {
		report, err := t.report(n)
		if err != nil {
			return nil, err
		}
		if len(t.control.unit(n).Clear) > 0 {
			return nil, ErrCurrentRegister.with("crypto unit %d is about to empty it", n)
		}
		if administrators == nil {
			administrators = report.Administrators
		}
		if err := judgeReport(o, n, report, administrators); err != nil {
			return nil, err
		}
	}
	return administrators, nil
}

// allUnits: the order names exactly the units of the instance, none of them left behind but those that it recovers, which
// ends their fence.
func (t *tx) allUnits(o *order.Order) error {
	if err := t.namesUnits(o); err != nil {
		return err
	}
	targets := o.Targets()
	for _, u := range t.control.units {
		recovered := o.Kind == order.Recover && slices.Contains(targets, u.Number)
		if _, named := o.Unit(u.Number); named && u.IsFenced() && !recovered {
			return ErrUnitFenced.with("crypto unit %d", u.Number)
		}
	}
	return nil
}

// namesUnits: the order names exactly the units that are enrolled and, where it enrols some, those (an init: all that are
// known).
func (t *tx) namesUnits(o *order.Order) error {
	known := 0
	for _, u := range t.control.units {
		enrols := o.Kind == order.Init && u.Removed == (Digest{}) || o.Kind == order.Enrol && subject(o, u.Number)
		if !u.IsEnrolled() && !enrols {
			continue
		}
		known++
		named, ok := o.Unit(u.Number)
		if !ok || Identity(named.Identity) != u.Identity || Role(named.Role) != u.Role {
			return ErrOrderUnits.with("crypto unit %d", u.Number)
		}
	}
	if known != len(o.Units) {
		return ErrOrderUnits.with("it names %d units, the instance has %d", len(o.Units), known)
	}
	return nil
}

func (t *tx) report(number uint32) (*order.Report, error) {
	u := t.control.unit(number)
	if u == nil {
		return nil, ErrUnitUnknown.with("%d", number)
	}
	signed, err := order.DecodeSignedStatement(u.Report)
	if err != nil {
		return nil, err
	}
	s, err := signed.Decode()
	if err != nil {
		return nil, err
	}
	return s.Report, nil
}

func judgeReport(o *order.Order, number uint32, r *order.Report, administrators []byte) error {
	list, err := order.DecodeAdministrators(r.Administrators)
	if err != nil {
		return ErrStatementMalformed.with("crypto unit %d: %v", number, err)
	}
	digest, err := list.Digest()
	switch {
	case err != nil:
		return ErrStatementMalformed.with("crypto unit %d: %v", number, err)
	case list.Imprint():
		return ErrUnitImprint.with("crypto unit %d", number)
	case digest != o.Administrators || string(r.Administrators) != string(administrators):
		return ErrAdministratorsDiffer.with("crypto unit %d", number)
	case r.Registers.New != masterkey.NewEmpty:
		return ErrNewRegister.with("crypto unit %d holds %v", number, r.Registers.NewPattern)
	}
	target := o.Kind == order.Init || o.Kind == order.Recover && number != o.Generator
	if target != (r.Registers.Current == masterkey.CurrentEmpty) {
		return ErrCurrentRegister.with("crypto unit %d: %v", number, r.Registers.Current)
	}
	if o.Kind == order.Rotate && r.Registers.CurrentPattern != o.Current {
		return ErrCurrentRegister.with("crypto unit %d holds %v", number, r.Registers.CurrentPattern)
	}
	// A source that keeps retired keys may have the key among them: it says so itself.
	if o.Kind == order.Recover && number == o.Generator && r.Registers.CurrentPattern != o.Subject.Pattern && r.Retired == 0 {
		return ErrCurrentRegister.with("crypto unit %d, the source, holds %v", number, r.Registers.CurrentPattern)
	}
	return nil
}
