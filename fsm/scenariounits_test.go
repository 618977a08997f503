package fsm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"fmt"
	"slices"
	"strings"

	"github.com/cockroachdb/datadriven"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// successor is who an order of kind administrators puts in the place of the one that signs it.
type successor struct {
	key  order.KeySigner
	list order.Administrators
}

func (s *scenario) nextAdministrator(kind order.Kind) (next successor) {
	if kind != order.Administration {
		return next
	}
	key, err := ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	if err != nil {
		s.world.t.Fatal(err)
	}
	spki, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		s.world.t.Fatal(err)
	}
	return successor{order.KeySigner{Key: key}, order.Administrators{List: []order.Administrator{{Name: "bob", Key: spki}}, Signature: 1, Revocation: 1}}
}

// aboutUnits fills in what orders about units, administrators and retired keys are about; source=, pattern= and other lie.
func (s *scenario) aboutUnits(d *datadriven.TestData, o *order.Order, next successor) {
	v := s.view()
	defer v.Close()
	switch o.Kind { //nolint:exhaustive // the others are about nothing of it
	case order.Enrol:
		o.Units = slices.DeleteFunc(o.Units, func(u order.UnitRef) bool { return slices.Contains(s.waiting, u.Number) && !subject(o, u.Number) })
		if d.HasArg("wrong-identity") {
			o.Subject.Units[0].Identity[0] ^= 1
		}
	case order.Recover:
		o.Subject.Pattern = o.Current
		o.Generator = number32(d, "source", o.Generator)
	case order.Restore:
		o.Subject.Archive, o.Subject.Incarnation = order.Digest{1}, o.Incarnation+1
	case order.Administration:
		der, err := next.list.Encode()
		if err != nil {
			s.world.t.Fatal(err)
		}
		o.Subject.Administrators = der
	case order.DestroyRetired:
		switch word(d, "pattern") {
		case "current":
			o.Subject.Pattern = o.Current
		case "":
			o.Subject.Pattern = masterkey.Pattern(v.Cluster().Retired[0].Pattern)
		}
	}
	if d.HasArg("other-administrators") {
		o.Administrators[0] ^= 1
	}
	if d.HasArg("without-last-unit") {
		o.Units = o.Units[:len(o.Units)-1]
	}
}

// reference names a unit as an order does. Of a recover and an enrol it is one of all units, whether that is true or not.
func (s *scenario) reference(o *order.Order, n uint32) order.UnitRef {
	status := s.units[n-1].Status()
	ref := order.UnitRef{Number: n, Role: status.Role, Identity: status.Identity}
	if _, named := o.Unit(n); !named && (o.Kind == order.Recover || o.Kind == order.Enrol) {
		o.Units = append(o.Units, ref)
		slices.SortFunc(o.Units, func(a, b order.UnitRef) int { return int(a.Number) - int(b.Number) })
	}
	return ref
}

// unitsChanged keeps the world in line with an order that was accepted.
func (s *scenario) unitsChanged(kind order.Kind, units []uint32, next successor) {
	switch kind { //nolint:exhaustive // the others change none of it
	case order.Remove:
		s.gone = append(s.gone, units...)
	case order.Enrol:
		s.waiting = slices.DeleteFunc(s.waiting, func(n uint32) bool { return slices.Contains(units, n) })
	case order.Administration:
		s.world.list, s.world.admin = next.list, next.key
	}
}

// join: a new unit in imprint mode, unit=, role=, registers: the next number, or one whose unit was removed.
func (s *scenario) join(d *datadriven.TestData) string {
	n, role, dir := number32(d, "unit", 0), order.Operational, s.world.t.TempDir()
	if word(d, "role") == "recovery" {
		role = order.Recovery
	}
	u := openUnit(s.t, dir, n, role)
	if int(n) > len(s.units) {
		s.units, s.dirs = append(s.units, u), append(s.dirs, dir)
	} else {
		s.units[n-1], s.dirs[n-1] = u, dir
	}
	s.gone = slices.DeleteFunc(s.gone, func(g uint32) bool { return g == n })
	if !slices.Contains(s.waiting, n) {
		s.waiting = append(s.waiting, n)
	}
	return told(s.world.propose(s.registration(n), nil))
}

// carry-out: units do the orders that stand for them, and register; only= or except= some.
func (s *scenario) carryOut(d *datadriven.TestData) string {
	only, except := numbers32(d, "only"), numbers32(d, "except")
	var b strings.Builder
	for i := range s.units {
		n := uint32(i + 1)
		if slices.Contains(s.gone, n) || slices.Contains(except, n) || len(only) > 0 && !slices.Contains(only, n) {
			continue
		}
		for {
			record, ok := s.standing(n)
			if !ok {
				break
			}
			fmt.Fprintf(&b, "unit %d: %s: %s\n", n, record.Kind, s.doStanding(n, record))
			s.must(s.registration(n))
		}
	}
	if b.Len() == 0 {
		return "nothing to do\n"
	}
	return b.String()
}

// standing is what node gives a unit to do next.
func (s *scenario) standing(n uint32) (OrderRecord, bool) {
	v := s.view()
	defer v.Close()
	u, known := v.Unit(n)
	if !known || !u.IsEnrolled() {
		return OrderRecord{}, false
	}
	enrolled, err := v.Order(u.Enrolled)
	if err != nil {
		s.world.t.Fatal(err)
	}
	for from := max(s.units[n-1].Status().LastOrder+1, enrolled.Number); ; {
		record, ok, err := v.Standing(from)
		if err != nil {
			s.world.t.Fatal(err)
		}
		if !ok || record.Kind != order.Enrol.String() || record.Digest == u.Enrolled {
			return record, ok
		}
		from = record.Number + 1
	}
}

func (s *scenario) doStanding(n uint32, record OrderRecord) string {
	signed, err := order.DecodeSignedOrder(record.Order)
	if err != nil {
		s.world.t.Fatal(err)
	}
	u := s.units[n-1]
	switch record.Kind {
	case order.Enrol.String():
		err = u.Enrol(*signed, record.Administrators)
	case order.Administration.String():
		err = u.ChangeAdministrators(*signed)
	case order.DestroyRetired.String():
		err = u.DestroyRetired(*signed)
	}
	if err != nil {
		s.world.t.Fatalf("unit %d, %s: %v", n, record.Kind, err)
	}
	return "done"
}

// forget: what the leader proposes once a node is no member any more.
func (s *scenario) forget(d *datadriven.TestData) string {
	return told(s.world.propose(&RemoveUnit{Number: number32(d, "unit", 0)}, nil))
}

// units: what the state knows of each, and what each says of itself.
func (s *scenario) shownUnits(*datadriven.TestData) string {
	v := s.view()
	defer v.Close()
	var b strings.Builder
	for _, u := range v.Units() {
		standing := "not enrolled"
		switch {
		case u.Removed != (Digest{}):
			standing = "removed"
		case u.IsEnrolled():
			standing = "enrolled"
		}
		status := s.units[u.Number-1].Status()
		key := "no key"
		switch {
		case status.Registers.Current == masterkey.CurrentEmpty:
		case status.Registers.CurrentPattern == masterkey.Pattern(v.Cluster().Pattern):
			key = "the master key"
		default:
			key = "another key"
		}
		who := "nobody"
		if list := status.Administrators.List; len(list) > 0 {
			who = list[0].Name
		}
		fmt.Fprintf(&b, "unit %d: %s, holds %s, obeys %s\n", u.Number, standing, key, who)
	}
	return b.String()
}

// retired: the keys that are kept, and by whom.
func (s *scenario) shownRetired(*datadriven.TestData) string {
	v := s.view()
	defer v.Close()
	var b strings.Builder
	for i, k := range v.Cluster().Retired {
		fmt.Fprintf(&b, "key %d: kept by %v", i+1, k.Units)
		if k.Destroyed != 0 {
			b.WriteString(", to be destroyed")
		}
		b.WriteString("\n")
	}
	if b.Len() == 0 {
		return "none\n"
	}
	return b.String()
}
