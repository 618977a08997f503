package fsm

import (
	"slices"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

func (t *tx) bootstrap(c *Bootstrap) (Result, error) {
	if err := understood(c.FeatureLevel); err != nil {
		return Result{}, err
	}
	switch {
	case t.control.cluster.ID != (ID{}):
		return Result{}, ErrAlreadyBootstrapped
	case c.Cluster == (ID{}) || c.Instance == (ID{}) || c.Incarnation == 0 || c.FeatureLevel == 0:
		return Result{}, ErrInvalid.with("cluster, instance, incarnation and feature level")
	}
	if c.APIKey != nil {
		if err := c.APIKey.valid(); err != nil {
			return Result{}, err
		}
	}
	cluster := t.cluster()
	*cluster = Cluster{ID: c.Cluster, Incarnation: c.Incarnation, Instance: c.Instance, FeatureLevel: c.FeatureLevel, Founded: c.At, NextBlob: 1}
	if c.APIKey != nil {
		t.put(space(spaceAPIKey, c.APIKey.ID[:]), c.APIKey)
	}
	t.notable()
	return Result{Version: 1}, nil
}

func (t *tx) registerUnit(c *RegisterUnit) (Result, error) {
	s, err := reportOf(c.Number, c.Identity, c.Report)
	if err != nil {
		return Result{}, err
	}
	if Role(s.Report.Role) != c.Role {
		return Result{}, ErrStatementMalformed.with("the report is not of crypto unit %d", c.Number)
	}
	known := t.control.unit(c.Number)
	switch {
	case known == nil:
		t.addUnit(Unit{Number: c.Number, Role: c.Role, Identity: c.Identity})
	case known.Identity != c.Identity && (known.IsEnrolled() || t.openNames(c.Number)):
		return Result{}, ErrIdentityChanged.with("crypto unit %d", c.Number)
	case known.Identity == c.Identity && s.Generation < known.Generation:
		return Result{}, ErrRolledBack.with("crypto unit %d is at generation %d, it stated %d", c.Number, s.Generation, known.Generation)
	}
	u := t.unit(c.Number)
	if u.Identity != c.Identity {
		u.Enrolled, u.Removed, u.Fenced, u.Stated, u.Clear = Digest{}, Digest{}, Digest{}, nil, nil
	}
	u.Identity, u.Role, u.Location, u.API = c.Identity, c.Role, c.Location, c.API
	u.Report, u.DiskFree, u.Seen = c.Report, c.DiskFree, c.At
	t.states(c.Number, s.Generation, c.Report)
	// A unit carries orders out by their numbers: past the one that destroys a key, it has destroyed it.
	t.noLongerKept(func(k RetiredKey) bool { return k.Destroyed != 0 && s.Report.LastOrder >= k.Destroyed }, c.Number)
	t.showsKey(c.Number, s.Report)
	t.notable()
	return Result{}, nil
}

// showsKey lifts the fence of a unit that a recovery was to give the master key, if that was cancelled, the unit has cleared it, and
// has the key all the same: as a report that came before it did not say. It may be an earlier order that left it behind. Nothing else
// would lift it: the target of a recovery has no key, and a rotation begins with no unit fenced.
func (t *tx) showsKey(number uint32, r *order.Report) {
	rotation := t.control.rotation
	if t.control.cluster.FeatureLevel < levelLift || rotation == nil || rotation.State != StateCancelled ||
		!t.control.unit(number).IsFenced() || t.control.record.Said(order.Cleared, number) == nil {
		return
	}
	if r.Registers.New == masterkey.NewEmpty && Pattern(r.Registers.CurrentPattern) == t.control.cluster.Pattern {
		t.lift(number)
	}
}

// openNames: an order is open that names a unit, and so enrols just the identity that it names.
func (t *tx) openNames(number uint32) bool {
	r := t.control.open()
	return r != nil && slices.Contains(r.Plan.Units, number)
}

func (t *tx) addUnit(u Unit) {
	c := t.own()
	at, _ := slices.BinarySearchFunc(c.units, u.Number, func(have Unit, number uint32) int { return int(have.Number) - int(number) })
	c.units = slices.Insert(c.units, at, u)
}

func (t *tx) removeUnit(c *RemoveUnit) (Result, error) {
	u := t.control.unit(c.Number)
	switch {
	case u == nil:
		return Result{}, ErrUnitUnknown.with("%d", c.Number)
	case t.control.open() != nil:
		return Result{}, ErrOrderOpen
	case u.IsEnrolled():
		return Result{}, ErrUnitEnrolled.with("crypto unit %d", c.Number)
	}
	control := t.own()
	control.units = slices.DeleteFunc(control.units, func(u Unit) bool { return u.Number == c.Number })
	t.remove(space(spaceUnit, u32(c.Number)))
	t.notable()
	return Result{}, nil
}
