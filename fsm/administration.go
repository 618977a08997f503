package fsm

import (
	"slices"

	"tumbler/cryptounit/order"
)

// changeAdministrators makes another list the one that units are to have. Each takes it up when it comes to it.
func (t *tx) changeAdministrators(o *order.Order, digest Digest, c *SubmitOrder) error {
	if err := t.atLevel(levelRetired, o.Kind); err != nil {
		return err
	}
	if err := t.atOnce(o); err != nil {
		return err
	}
	if err := t.namesUnits(o); err != nil {
		return err
	}
	next, err := order.DecodeAdministrators(o.Subject.Administrators)
	if err != nil || next.Imprint() {
		return ErrOrderMalformed.with("it would bring imprint mode back, which only zeroizing does")
	}
	t.recordOrder(o, digest, c, t.control.cluster.Administrators)
	t.cluster().Administrators = o.Subject.Administrators
	t.stand(o, digest)
	return nil
}

// destroyRetired ends a former master key. Each unit that keeps it erases it when it comes to the order.
func (t *tx) destroyRetired(o *order.Order, digest Digest, c *SubmitOrder) error {
	if err := t.atLevel(levelRetired, o.Kind); err != nil {
		return err
	}
	if err := t.atOnce(o); err != nil {
		return err
	}
	if err := t.namesUnits(o); err != nil {
		return err
	}
	at := slices.IndexFunc(t.control.cluster.Retired, func(k RetiredKey) bool { return k.Pattern == Pattern(o.Subject.Pattern) })
	switch {
	case at < 0:
		return ErrRetiredUnknown.with("%v", o.Subject.Pattern)
	case t.control.cluster.Retired[at].Destroyed != 0:
		return ErrRetiredUnknown.with("order %d destroys %v already", t.control.cluster.Retired[at].Destroyed, o.Subject.Pattern)
	}
	t.recordOrder(o, digest, c, t.control.cluster.Administrators)
	t.retired()[at].Destroyed = o.Number
	t.stand(o, digest)
	return nil
}

// retire notes that recovery units keep the master key that a flip replaces.
func (t *tx) retire(o *order.Order, at Time) {
	var units []uint32
	for _, u := range o.Units {
		if u.Role == order.Recovery {
			units = append(units, u.Number)
		}
	}
	if o.Retire != order.Keep || len(units) == 0 || t.control.cluster.FeatureLevel < levelRetired {
		return
	}
	t.cluster().Retired = append(t.retired(), RetiredKey{Pattern: Pattern(o.Current), Since: at, Units: units})
}

// retired gives the retired keys for changing.
func (t *tx) retired() []RetiredKey {
	cluster := t.cluster()
	cluster.Retired = slices.Clone(cluster.Retired)
	return cluster.Retired
}

// noLongerKept takes a unit off the keepers of some keys; a key that nobody keeps is gone.
func (t *tx) noLongerKept(which func(RetiredKey) bool, unit uint32) {
	kept := func(k RetiredKey) bool { return which(k) && slices.Contains(k.Units, unit) }
	if !slices.ContainsFunc(t.control.cluster.Retired, kept) {
		return
	}
	keys := t.retired()
	for i, k := range keys {
		if kept(k) {
			keys[i].Units = slices.DeleteFunc(slices.Clone(k.Units), func(n uint32) bool { return n == unit })
		}
	}
	t.cluster().Retired = slices.DeleteFunc(keys, func(k RetiredKey) bool { return len(k.Units) == 0 })
}
