package order

import (
	"errors"
	"fmt"
	"math"
)

// ErrInvalidOrder is wrapped by every refusal of Check.
var ErrInvalidOrder = errors.New("invalid order")

// MaxUnits bounds the units of one instance.
const MaxUnits = 64

// MaxParts bounds the parts that a master key comes in; the fewest are 2.
const MaxParts = 3

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalidOrder, fmt.Sprintf(format, args...))
}

// Check reports whether the fields make an order of its kind. It knows
// nothing of a unit or a cluster: whether the order fits those is theirs to
// say.
func (o *Order) Check() error {
	if o.Kind < Init || o.Kind > Cancel {
		return invalid("kind %d is unknown", o.Kind)
	}
	if o.Cluster.IsZero() || o.Instance.IsZero() {
		return invalid("it names no cluster or no instance")
	}
	if o.Number == 0 || o.Number > math.MaxInt64 || o.Incarnation == 0 || o.Incarnation > math.MaxInt64 {
		return invalid("number and incarnation count from 1")
	}
	if o.Administrators.IsZero() {
		return invalid("it names no list of administrators")
	}
	if o.NotAfter.Unix() <= 0 || o.NotAfter.Nanosecond() != 0 {
		return invalid("it has no time, in whole seconds, after which it is not accepted")
	}
	if o.Policy != Documented && o.Policy != Online {
		return invalid("policy %d is unknown", o.Policy)
	}
	if o.Commit != Automatic && o.Commit != Signed || o.Activate != Automatic && o.Activate != Signed {
		return invalid("commit and activate are automatic or signed")
	}
	if o.Retire != Keep && o.Retire != Destroy {
		return invalid("retire %d is unknown", o.Retire)
	}
	if !o.Suite.known() {
		return invalid("importer suite %d is unknown", o.Suite)
	}
	if o.Suite != SuiteHPKE && o.Parts == 0 {
		return invalid("importer suite %v is for key parts on smart cards alone", o.Suite)
	}
	if len(o.Units) == 0 {
		return invalid("it names no units")
	}
	if err := checkUnits(o.Units); err != nil {
		return err
	}
	if o.Subject.OrderNumber > math.MaxInt64 || o.Subject.Incarnation > math.MaxInt64 {
		return invalid("its subject is out of range")
	}
	if err := o.checkSource(); err != nil {
		return err
	}
	return o.checkSubject()
}

func checkUnits(units []UnitRef) error {
	if len(units) > MaxUnits {
		return invalid("%d units are more than %d", len(units), MaxUnits)
	}
	identities := make(map[Identity]bool, len(units))
	last := uint32(0)
	for _, u := range units {
		if u.Number <= last {
			return invalid("units do not stand by rising number at %d", u.Number)
		}
		if u.Role != Operational && u.Role != Recovery {
			return invalid("unit %d has role %d", u.Number, u.Role)
		}
		if u.Identity.IsZero() || identities[u.Identity] {
			return invalid("unit %d has no identity of its own", u.Number)
		}
		identities[u.Identity] = true
		last = u.Number
	}
	return nil
}

// checkSource: who draws or seals the key, and under which pattern it acts.
func (o *Order) checkSource() error {
	if !o.Kind.StaysOpen() {
		if o.Generator != 0 || o.Parts != 0 {
			return invalid("only init, rotate and recover name a generator or parts")
		}
		return nil
	}
	if (o.Kind == Init) != o.Current.IsZero() {
		return invalid("an init names no current pattern, every other order does")
	}
	if (o.Generator == 0) == (o.Parts == 0) {
		return invalid("either one unit draws the key or it comes in parts")
	}
	if o.Generator == 0 {
		if o.Kind == Recover || o.Parts != 2 && o.Parts != 3 {
			return invalid("a master key comes in 2 or 3 parts")
		}
		if o.Commit != Signed || o.Activate != Signed {
			return invalid("with key parts, commit and activate are signed")
		}
		return nil
	}
	generator, ok := o.Unit(o.Generator)
	if !ok {
		return invalid("its generator, unit %d, is none of its units", o.Generator)
	}
	if o.Kind == Rotate && generator.Role != Recovery {
		return invalid("its generator, unit %d, is no recovery unit", o.Generator)
	}
	return nil
}

func (o *Order) checkSubject() error {
	s := &o.Subject
	uses := func(order, units, pattern, administrators, blobs, archive bool) error {
		if order != !s.Order.IsZero() || order != (s.OrderNumber > 0) || units != (len(s.Units) > 0) ||
			pattern != !s.Pattern.IsZero() || administrators != (len(s.Administrators) > 0) ||
			blobs != (len(s.Blobs) > 0) || archive != !s.Archive.IsZero() || archive != (s.Incarnation > 0) {
			return invalid("its subject is not that of kind %v", o.Kind)
		}
		return checkUnits(s.Units)
	}
	switch o.Kind {
	case Init, Rotate:
		return uses(false, false, false, false, false, false)
	case Recover:
		return o.checkRecover(uses(false, true, true, false, false, false))
	case Enrol, Remove:
		return uses(false, true, false, false, false, false)
	case Administration:
		if err := uses(false, false, false, true, false, false); err != nil {
			return err
		}
		_, err := DecodeAdministrators(s.Administrators)
		return err
	case Settle:
		if err := uses(true, false, false, false, true, false); err != nil {
			return err
		}
		last := uint64(0)
		for _, b := range s.Blobs {
			if b.Number <= last || b.Number > math.MaxInt64 || b.Class == 0 || b.Digest.IsZero() {
				return invalid("settled blobs do not stand whole and by rising number at %d", b.Number)
			}
			last = b.Number
		}
		return nil
	case Restore:
		return uses(false, true, false, false, false, true)
	case DestroyRetired:
		return uses(false, false, true, false, false, false)
	case Cancel:
		return uses(true, false, false, false, false, false)
	}
	return invalid("kind %d is unknown", o.Kind)
}

func (o *Order) checkRecover(err error) error {
	if err != nil {
		return err
	}
	for _, target := range o.Subject.Units {
		if unit, ok := o.Unit(target.Number); !ok || unit != target || target.Number == o.Generator {
			return invalid("target %d is its source or none of its units", target.Number)
		}
	}
	return nil
}
