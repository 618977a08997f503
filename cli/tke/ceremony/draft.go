package ceremony

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"tumbler/api/client"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// orderLife is how long an order may wait to be accepted.
const orderLife = time.Hour

// clockSlack is how far the workstation's clock and a node's may be apart: beyond it not-after would surprise.
const clockSlack = 5 * time.Minute

// Draft begins an order with what the cluster proposes: its names, the next number, every unit. The caller has checked the
// identities. What is not automatic or usual the caller sets.
func Draft(kind order.Kind, c client.OrderContext, now time.Time) (order.Order, error) {
	if apart := c.Now.Sub(now).Abs(); apart > clockSlack {
		return order.Order{}, fmt.Errorf("the clocks of this workstation and of the node are %s apart: set them right, since an order names the time until which it may be accepted", apart.Round(time.Second))
	}
	o := order.Order{
		Kind: kind, Incarnation: uint64(c.Incarnation), Number: c.NextNumber, Suite: order.SuiteHPKE,
		Policy: order.Documented, Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep,
		NotAfter: now.Add(orderLife).UTC().Truncate(time.Second),
	}
	var err error
	if o.Cluster, err = order.ParseID(c.Cluster); err != nil {
		return o, fmt.Errorf("the cluster's id: %w", err)
	}
	if o.Instance, err = order.ParseID(c.Instance); err != nil {
		return o, fmt.Errorf("the instance's id: %w", err)
	}
	if c.CurrentPattern != "" {
		if err := o.Current.UnmarshalText([]byte(c.CurrentPattern)); err != nil {
			return o, fmt.Errorf("the current pattern: %w", err)
		}
	}
	if o.Units, err = UnitRefs(InstanceUnits(c)); err != nil {
		return o, err
	}
	return o, nil
}

// InstanceUnits are the units that belong to the instance: those that are enrolled; before there is a master key all that
// have joined, which the init enrols.
func InstanceUnits(c client.OrderContext) []client.OrderUnit {
	if c.CurrentPattern == "" {
		return c.Units
	}
	var units []client.OrderUnit
	for _, u := range c.Units {
		if u.Enrolled {
			units = append(units, u)
		}
	}
	return units
}

// UnitRefs names units as orders do.
func UnitRefs(units []client.OrderUnit) ([]order.UnitRef, error) {
	var refs []order.UnitRef
	for _, u := range units {
		ref := order.UnitRef{Number: u.Number}
		switch u.Role {
		case order.Operational.String():
			ref.Role = order.Operational
		case order.Recovery.String():
			ref.Role = order.Recovery
		default:
			return nil, fmt.Errorf("crypto unit %d has role %q, which this version does not know: use the version of the cluster", u.Number, u.Role)
		}
		if len(u.Identity) != len(ref.Identity) {
			return nil, fmt.Errorf("crypto unit %d shows an identity of %d bytes: use the version of the cluster", u.Number, len(u.Identity))
		}
		copy(ref.Identity[:], u.Identity)
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b order.UnitRef) int { return int(int64(a.Number) - int64(b.Number)) })
	for n := 1; n < len(refs); n++ {
		if refs[n].Number == refs[n-1].Number {
			return nil, fmt.Errorf("the cluster names crypto unit %d twice: nothing was signed", refs[n].Number)
		}
	}
	if len(refs) == 0 {
		return nil, errors.New("the cluster names no crypto unit: check that its nodes have joined (`tumbler cluster members`)")
	}
	return refs, nil
}

// errNoRecoveryUnits refuses an automatic way that has nobody to generate the key.
var errNoRecoveryUnits = errors.New("no recovery crypto unit answers, and without one the master key comes in key parts: " +
	"start a recovery unit, or use key parts (`tumbler tke cryptounit-mk-load`)")

// RecoveryLeader gives the recovery unit that generates a key: the lowest-numbered that answers.
func RecoveryLeader(units []client.OrderUnit) (uint32, error) {
	leader := uint32(0)
	for _, u := range units {
		if u.Role == order.Recovery.String() && u.Alive && (leader == 0 || u.Number < leader) {
			leader = u.Number
		}
	}
	if leader == 0 {
		return 0, errNoRecoveryUnits
	}
	return leader, nil
}

// Identities gives the identities that the cluster proposes, to be compared with those that this workstation knows.
func Identities(units []client.OrderUnit) map[uint32][]byte {
	all := map[uint32][]byte{}
	for _, u := range units {
		all[u.Number] = u.Identity
	}
	return all
}

// PatternText is a verification pattern in hex; none is "".
func PatternText(p masterkey.Pattern) string {
	if p.IsZero() {
		return ""
	}
	return p.String()
}

// NumbersOf gives the numbers of units.
func NumbersOf(units []order.UnitRef) []uint32 {
	all := make([]uint32, len(units))
	for n, u := range units {
		all[n] = u.Number
	}
	return all
}

// Initialised refuses what needs a master key, or that no order is under way.
func Initialised(c client.OrderContext) error {
	if c.CurrentPattern == "" || len(c.Administrators) == 0 {
		return errors.New("the instance has no master key yet: `tumbler tke auto-init` makes the first one, and enrols every unit that has joined")
	}
	if c.Open != nil {
		return fmt.Errorf("order %d (%s, %s) is under way: wait for it (`tumbler tke rotation watch`), or cancel it first (`tumbler tke rotation cancel`)",
			c.Open.Number, c.Open.Kind, c.Open.State)
	}
	return nil
}
