package fsm

import (
	"errors"
	"path/filepath"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// keptArchive is a state, and the sealed file of each unit as it was then.
type keptArchive struct {
	state string
	files [][]byte
}

// archive: keeps the state and every unit's file, under a name.
func (s *scenario) archive(d *datadriven.TestData) string {
	a := keptArchive{state: filepath.Join(s.world.t.TempDir(), "state")}
	keepSnapshot(s.world.t, s.store, a.state)
	for _, u := range s.units {
		file, _, err := u.Sealed()
		if err != nil {
			s.world.t.Fatal(err)
		}
		a.files = append(a.files, file)
	}
	s.archives[first(d)] = a
	return "kept\n"
}

// restore: a cluster of unit= alone, of the archive state= and of that unit's file in the archive file= (else the same). It may
// lie: wrong=incarnation, pattern, units, report, list, number, kind.
func (s *scenario) restore(d *datadriven.TestData) string {
	n, state := number32(d, "unit", 0), word(d, "state")
	file := word(d, "file")
	if file == "" {
		file = state
	}
	var stores [2]*Store
	for i := range stores {
		stores[i] = openStore(s.t, s.t.(interface{ TempDir() string }).TempDir())
		if err := stores[i].Recover(s.archives[state].state, 1<<40, 0); err != nil {
			s.world.t.Fatal(err)
		}
	}
	dir := filepath.Join(s.world.t.TempDir(), "unit")
	var signed order.SignedOrder
	u, err := cryptounit.Restore(cryptounit.Config{Dir: dir, Number: n, Role: s.units[n-1].Status().Role, Sealer: plainSealer{}}, s.archives[file].files[n-1],
		func(status cryptounit.Status) (order.SignedOrder, error) {
			signed = s.restoration(stores[0], status, word(d, "wrong"))
			return signed, nil
		})
	if err != nil {
		return "the unit refuses: " + strings.SplitN(err.Error(), ":", 2)[0] + "\n"
	}
	s.t.Cleanup(func() { u.Close() })
	c := s.applied(u, signed, word(d, "wrong"))
	for _, store := range stores {
		before := digestOf(s.world.t, store)
		err := store.ApplyRestoration(c)
		var refusal *Refusal
		if errors.As(err, &refusal) && digestOf(s.world.t, store) != before {
			s.world.t.Error("a refusal changed the state")
		}
		if err != nil && store == stores[0] {
			return told(Result{}, err)
		}
	}
	s.standsAlone(stores, u, dir)
	return s.describe()
}

// restoration is what the administrators sign for a state and a unit.
func (s *scenario) restoration(store *Store, status cryptounit.Status, wrong string) order.SignedOrder {
	v, err := store.View()
	if err != nil {
		s.world.t.Fatal(err)
	}
	defer v.Close()
	cluster := v.Cluster()
	digest, err := status.Administrators.Digest()
	if err != nil {
		s.world.t.Fatal(err)
	}
	o := &order.Order{
		Kind: order.Restore, Cluster: order.ID(cluster.ID), Incarnation: uint64(cluster.Incarnation), Instance: order.ID(cluster.Instance),
		Number: max(cluster.LastOrder, status.LastOrder) + 1, Current: masterkey.Pattern(cluster.Pattern), Suite: order.SuiteHPKE, Administrators: digest,
		Policy: order.Documented, Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep, NotAfter: time.Now().Add(time.Hour).UTC().Truncate(time.Second),
		Subject: order.Subject{Archive: order.Digest{1}, Incarnation: status.Incarnation + 1, Units: []order.UnitRef{{Number: status.Number, Role: status.Role, Identity: status.Identity}}},
	}
	for _, u := range v.Units() {
		if u.IsEnrolled() {
			o.Units = append(o.Units, order.UnitRef{Number: u.Number, Role: order.Role(u.Role), Identity: order.Identity(u.Identity)})
		}
	}
	switch wrong {
	case "units":
		o.Units = o.Units[1:]
	case "pattern":
		o.Current = status.Registers.CurrentPattern
	case "incarnation":
		o.Subject.Incarnation = 1 << 32
	}
	der, err := o.Encode()
	if err != nil {
		s.world.t.Fatal(err)
	}
	signed := order.SignedOrder{Order: der}
	if err := signed.Sign(s.admin); err != nil {
		s.world.t.Fatal(err)
	}
	return signed
}

// applied is what node has the state apply.
func (s *scenario) applied(u *cryptounit.Unit, signed order.SignedOrder, wrong string) Restoration {
	encoded, err := signed.Encode()
	if err != nil {
		s.world.t.Fatal(err)
	}
	status := u.Status()
	list, err := status.Administrators.Encode()
	if err != nil {
		s.world.t.Fatal(err)
	}
	report, err := u.Report()
	if err != nil {
		s.world.t.Fatal(err)
	}
	if wrong == "report" {
		if report, err = s.units[0].Report(); err != nil {
			s.world.t.Fatal(err)
		}
	}
	der, err := report.Encode()
	if err != nil {
		s.world.t.Fatal(err)
	}
	if wrong == "list" {
		list = nil
	}
	c := Restoration{Order: encoded, Administrators: list, Report: der, At: s.clock}
	for _, p := range status.Retired {
		c.Retired = append(c.Retired, Pattern(p))
	}
	return c
}

// standsAlone makes the restored cluster the world: the units of before are gone.
func (s *scenario) standsAlone(stores [2]*Store, u *cryptounit.Unit, dir string) {
	n := u.Status().Number
	s.store, s.other, s.restored = stores[0], stores[1], true
	s.log, s.index, s.number = nil, stores[0].AppliedIndex(), u.Status().LastOrder
	s.gone, s.waiting = nil, nil
	for i := range s.units {
		if i == int(n-1) {
			continue
		}
		s.units[i].Close()
		s.gone = append(s.gone, uint32(i+1))
	}
	s.units[n-1], s.dirs[n-1] = u, dir
}
