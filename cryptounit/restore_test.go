package cryptounit

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
)

// archived is a unit's file as it is now.
func (c *cast) archived(n uint32) []byte {
	c.t.Helper()
	file, _, err := c.unit(n).Sealed()
	if err != nil {
		c.t.Fatal(err)
	}
	return file
}

// restoration is what the administrators of the file sign for the state of a master key.
func (c *cast) restoration(s Status, state masterkey.Pattern, change func(*order.Order)) *order.Order {
	c.t.Helper()
	o := c.draft(order.Restore)
	o.Current, o.Number = state, s.LastOrder+1
	o.Subject = order.Subject{Archive: order.Digest{7}, Incarnation: s.Incarnation + 1, Units: []order.UnitRef{{Number: s.Number, Role: s.Role, Identity: s.Identity}}}
	if change != nil {
		change(o)
	}
	return o
}

// restore has a unit stand up from a file, on an empty folder, for a state under a master key.
func (c *cast) restore(n uint32, file []byte, state masterkey.Pattern, change func(*order.Order), signers int) (*Unit, error) {
	config := c.configs[n-1]
	config.Dir = c.t.TempDir() + "/unit"
	u, err := Restore(config, file, func(s Status) (order.SignedOrder, error) {
		return c.sign(c.restoration(s, state, change), signers), nil
	})
	if err == nil {
		c.t.Cleanup(func() { u.Close() })
	} else if _, there := os.Stat(config.Dir); !os.IsNotExist(there) {
		c.t.Error("a refusal left a folder")
	}
	return u, err
}

// alone makes a restored unit the only one of the cast, which then has new ones join.
func (c *cast) alone(u *Unit, incarnation uint64) {
	s := u.Status()
	for n, old := range c.units {
		old.Close()
		c.configs[n].Dir = c.t.TempDir()
	}
	c.configs[s.Number-1].Dir = u.file.dir
	c.units[s.Number-1], c.incarnation, c.number = u, incarnation, s.LastOrder
}

func TestARestoredUnitGoesOnAlone(t *testing.T) {
	c := initialised(t, 2, 1)
	a := c.pattern(3)
	blob := c.mustBlob(1, c.header(1, UseRoot, order.KMS))
	c.begin(order.Rotate, nil).accept().generate() // the restore is its cancel
	file, was := c.archived(3), c.unit(3).Status()
	if bytes.Contains(file, was.Identity[:]) {
		t.Error("the file that goes into an archive is not sealed")
	}
	if u, err := c.restore(1, c.archived(1), a, nil, 2); err != nil || u.Check(blob) != nil { // where there are no recovery units
		t.Error(err)
	}
	u, err := c.restore(3, file, a, nil, 2)
	if err != nil {
		t.Fatal(err)
	}
	s := u.Status()
	if s.Identity == was.Identity || s.Incarnation != 2 || s.LastOrder != was.LastOrder+1 || s.OpenOrder != (order.Digest{}) || s.Generation <= was.Generation {
		t.Errorf("%+v", s)
	}
	if s.Registers.New != masterkey.NewEmpty || s.Registers.CurrentPattern != a {
		t.Errorf("%+v", s.Registers)
	}
	if err := u.Check(blob); err != nil {
		t.Error(err)
	}
	if _, err := c.unit(3).Accept(c.sign(c.restoration(s, a, nil), 2)); err == nil {
		t.Error("the unit that was there before obeys a restore")
	}
	// What its file holds is what it is.
	u.Close()
	config := c.configs[2]
	config.Dir = u.file.dir
	again, err := Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if now := again.Status(); now.Identity != s.Identity || now.Incarnation != 2 || now.Registers != s.Registers {
		t.Errorf("%+v", now)
	}
	rotation := c.draft(order.Rotate) // of the incarnation before
	rotation.Units[2].Identity = s.Identity
	if _, err := again.Accept(c.sign(rotation, 2)); !errors.Is(err, ErrOrderForeign) {
		t.Errorf("an order of before the restore: %v", err)
	}
}

func TestARestoreIsRefused(t *testing.T) {
	c := initialised(t, 2, 1)
	a, file := c.pattern(3), c.archived(3)
	unknown := masterkey.PatternOf([]byte("another"))
	for _, r := range []struct {
		name    string
		want    error
		state   masterkey.Pattern
		signers int
		change  func(*order.Order)
	}{
		{"too few signatures", order.ErrTooFewSignatures, a, 1, nil},
		{"nothing opens the state", ErrRetired, unknown, 2, nil},
		{"another kind", ErrOrderForeign, a, 2, func(o *order.Order) { o.Kind, o.Subject = order.Enrol, order.Subject{Units: o.Subject.Units} }},
		{"another cluster", ErrOrderForeign, a, 2, func(o *order.Order) { o.Cluster[0] ^= 2 }},
		{"another instance", ErrOrderForeign, a, 2, func(o *order.Order) { o.Instance[0] ^= 4 }},
		{"a state of a later incarnation", ErrOrderForeign, a, 2, func(o *order.Order) { o.Incarnation, o.Subject.Incarnation = 2, 3 }},
		{"no later incarnation", ErrOrderForeign, a, 2, func(o *order.Order) { o.Subject.Incarnation = 1 }},
		{"the identity that it had", order.ErrNotNamed, a, 2, func(o *order.Order) { o.Subject.Units[0].Identity = c.unit(3).Status().Identity }},
		{"two units go on", order.ErrNotNamed, a, 2, func(o *order.Order) { o.Subject.Units = append(o.Units[:1:1], o.Subject.Units...) }},
		{"an old number", ErrOrderNumber, a, 2, func(o *order.Order) { o.Number = 1 }},
		{"too late", ErrOrderExpired, a, 2, func(o *order.Order) { o.NotAfter = c.now.Add(-time.Hour) }},
		{"another list", order.ErrOtherAdministrators, a, 2, func(o *order.Order) { o.Administrators[0] ^= 1 }},
	} {
		t.Run(r.name, func(t *testing.T) {
			if _, err := c.restore(3, file, r.state, r.change, r.signers); !errors.Is(err, r.want) {
				t.Errorf("%v, want %v", err, r.want)
			}
		})
	}
	if _, err := c.restore(2, file, a, nil, 2); !errors.Is(err, ErrStateFile) {
		t.Errorf("the file of another unit: %v", err)
	}
	for n := 0; n < len(file); n += 7 {
		changed := bytes.Clone(file)
		changed[n] ^= 1
		if _, err := c.restore(3, changed, a, nil, 2); !errors.Is(err, ErrStateFile) {
			t.Fatalf("byte %d was changed: %v", n, err)
		}
	}
	if _, err := Restore(c.configs[2], file, nil); !errors.Is(err, ErrStateFile) {
		t.Errorf("a folder that has a unit: %v", err)
	}
	c.sealer.fail = errors.New("no such key")
	if _, err := c.restore(3, file, a, nil, 2); !errors.Is(err, ErrStateFile) {
		t.Errorf("another sealing key: %v", err)
	}
	c.sealer.fail = nil
	imprinted := imprinted(t, 1, 1)
	if _, err := imprinted.restore(2, imprinted.archived(2), a, nil, 2); !errors.Is(err, ErrImprint) {
		t.Errorf("a unit in imprint mode: %v", err)
	}
}

// TestARetiredKeyBecomesTheInstancesAgain: a state of two rotations ago; the unit that is left keeps its master key as a retired
// one, gives it to another unit by a recovery, and holds it itself from then on.
func TestARetiredKeyBecomesTheInstancesAgain(t *testing.T) {
	c := initialised(t, 1, 1)
	a := c.pattern(2)
	blob := c.mustBlob(1, c.header(1, UseRoot, order.KMS))
	for range 2 {
		c.committed().activate()
	}
	now := c.pattern(2)
	u, err := c.restore(2, c.archived(2), a, nil, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.Check(blob); !errors.Is(err, ErrPatternUnknown) {
		t.Errorf("a retired key opens something by itself: %v", err)
	}
	c.alone(u, 2)
	c.open(1)
	enrolment := c.enrolment(1, func(o *order.Order) { o.Current = a })
	if err := c.unit(1).Enrol(c.sign(enrolment, 2), c.listDER()); err != nil {
		t.Fatal(err)
	}
	recovery := c.begin(order.Recover, func(o *order.Order) {
		o.Current, o.Subject.Pattern, o.Subject.Units, o.Generator = a, a, o.Units[:1], 2
	})
	recovery.crashes = true
	recovery.accept().generate()
	s := c.unit(2).Status()
	if s.Registers.CurrentPattern != a || s.Registers.New != masterkey.NewEmpty || len(s.Retired) != 2 || s.Retired[1] != now {
		t.Errorf("the source holds %+v, and keeps %v", s.Registers, s.Retired)
	}
	recovery.load().commit().activate()
	for _, n := range []uint32{1, 2} {
		if err := c.unit(n).Check(blob); err != nil {
			t.Errorf("unit %d: %v", n, err)
		}
	}
	c.committed().activate() // every unit holds one key again
	if s := c.unit(2).Status(); len(s.Retired) != 3 || s.Retired[2] != a {
		t.Errorf("after the next rotation it keeps %v", s.Retired)
	}
}
