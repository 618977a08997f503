package fsm

import (
	"math"
	"slices"

	"tumbler/cryptounit/order"
)

// Restoration is a restore order, and what goes with it. No log carries it: it is applied to the state of an archive, before
// that becomes the state of a cluster. So a cluster that runs accepts none, whoever proposes it.
type Restoration struct {
	Order          []byte    // SignedOrder, DER
	Administrators []byte    // the list (DER) that signed it: that of the unit which goes on
	Report         []byte    // of that unit, in the new incarnation: SignedStatement, DER
	Retired        []Pattern // the master keys that it keeps as retired ones
	At             Time
}

// ApplyRestoration makes the state that of a cluster of one unit, in a new incarnation. Raft must not drive the store. The
// proposer has checked the signatures, and the unit has obeyed. The error is a *Refusal, after which nothing has changed, or
// the store's.
func (s *Store) ApplyRestoration(c Restoration) error {
	if err := s.stoppedBy(); err != nil {
		return err
	}
	b := s.db.NewIndexedBatch()
	t := &tx{from: b, control: s.control, index: s.applied + 1}
	if err := t.restore(&c); err != nil {
		return err
	}
	if err := t.write(b); err != nil {
		return s.fail(err)
	}
	s.control, s.applied = t.control, t.index
	if err := s.commit(b); err != nil {
		return s.fail(err)
	}
	return nil
}

func (t *tx) restore(c *Restoration) error {
	signed, err := order.DecodeSignedOrder(c.Order)
	if err != nil {
		return ErrOrderMalformed.with("%v", err)
	}
	o, err := signed.Decode()
	if err != nil {
		return ErrOrderMalformed.with("%v", err)
	}
	if err := t.restorable(o, c); err != nil {
		return err
	}
	self, digest := o.Subject.Units[0], Digest(signed.Digest())
	report, err := restoredReport(o, self, c.Report)
	if err != nil {
		return err
	}
	submitted := &SubmitOrder{Order: c.Order, At: c.At}
	t.recordOrder(o, digest, submitted, c.Administrators)
	if err := t.endByRestore(o, digest, c.At); err != nil {
		return err
	}
	for _, u := range t.control.units {
		t.remove(space(spaceUnit, u32(u.Number)))
	}
	t.own().units = []Unit{{
		Number: self.Number, Role: Role(self.Role), Identity: Identity(self.Identity), Report: c.Report, Enrolled: digest, Seen: c.At,
	}}
	t.states(self.Number, report.Generation, c.Report)
	t.removeAll(space(spaceToken, nil)) // of before: they would let nodes in
	retired := t.keptBy(self.Number, append(slices.Clip(c.Retired), Pattern(report.Report.Registers.CurrentPattern)), c.At)
	cluster := t.cluster()
	cluster.Incarnation, cluster.LastOrder, cluster.Administrators = uint32(o.Subject.Incarnation), o.Number, c.Administrators
	cluster.Retired = retired
	t.notable()
	return nil
}

// restorable holds the guards, together.
func (t *tx) restorable(o *order.Order, c *Restoration) error {
	cluster := &t.control.cluster
	switch {
	case o.Kind != order.Restore:
		return ErrOrderKind.with("%v", o.Kind)
	case cluster.Pattern == (Pattern{}):
		return ErrNoMasterKey
	case Pattern(o.Current) != cluster.Pattern:
		return ErrOrderPattern.with("it names %v, the state's is %x", o.Current, cluster.Pattern)
	case len(o.Subject.Units) != 1:
		return ErrOrderUnits.with("one goes on, and it names %d", len(o.Subject.Units))
	case o.Subject.Incarnation <= uint64(cluster.Incarnation) || o.Subject.Incarnation > math.MaxUint32:
		return ErrOrderCluster.with("it leads from incarnation %d to %d", cluster.Incarnation, o.Subject.Incarnation)
	}
	if err := t.judgeOrder(o, &SubmitOrder{Order: c.Order, At: c.At}); err != nil {
		return err
	}
	list, err := order.DecodeAdministrators(c.Administrators)
	if err != nil {
		return ErrAdministratorsDiffer.with("%v", err)
	}
	if digest, err := list.Digest(); err != nil || digest != o.Administrators {
		return ErrAdministratorsDiffer.with("it was signed for another list than the unit has")
	}
	return t.namesUnits(o)
}

// restoredReport: the unit's report shows what the order made of it.
func restoredReport(o *order.Order, self order.UnitRef, der []byte) (*order.Statement, error) {
	s, err := reportOf(self.Number, Identity(self.Identity), der)
	if err != nil {
		return nil, err
	}
	if s.Report.Role != self.Role || s.Cluster != o.Cluster || s.Incarnation != o.Subject.Incarnation || s.Report.LastOrder != o.Number {
		return nil, ErrStatementMalformed.with("the report is not of the unit that goes on, after this order")
	}
	return s, nil
}

// endByRestore ends what is under way: before the flip the order stands as the cancel, after it the units that are no more have
// nothing left to do.
func (t *tx) endByRestore(o *order.Order, digest Digest, at Time) error {
	open := t.control.open()
	if open == nil {
		return nil
	}
	if open.State == StateActivating {
		t.complete(at)
		return nil
	}
	if err := t.relate(open.Order, digest); err != nil {
		return err
	}
	r := t.rotation()
	if err := t.own().record.SetCancel(o); err != nil {
		return ErrOrderMalformed.with("%v", err)
	}
	r.State, r.Cancel, r.Closed, r.Bad = StateCancelled, digest, at, nil
	t.dropNext()
	t.removeAll(space(spaceEnvelope, r.Order[:]))
	return nil
}

// dropNext ends the next epoch, in one operation; the current one was never touched.
func (t *tx) dropNext() {
	if epochs := &t.cluster().Epochs; epochs.Next != 0 {
		t.removeAll(epochKey(epochs.Next))
		epochs.Next = 0
	}
}

// keptBy lists the master keys of a unit but the instance's, which is no former one even if the unit has it as such: a recovery
// puts its current key, of after the state, in that one's place.
func (t *tx) keptBy(unit uint32, keys []Pattern, now Time) (kept []RetiredKey) {
	for _, p := range keys {
		if p == (Pattern{}) || p == t.control.cluster.Pattern {
			continue
		}
		since := now // it was after the state
		if at := slices.IndexFunc(t.control.cluster.Retired, func(k RetiredKey) bool { return k.Pattern == p }); at >= 0 {
			since = t.control.cluster.Retired[at].Since
		}
		kept = append(kept, RetiredKey{Pattern: p, Since: since, Units: []uint32{unit}})
	}
	return kept
}
