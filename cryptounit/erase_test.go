package cryptounit

import (
	"testing"

	"tumbler/cryptounit/order"
)

// TestWhatAUnitGivesUpIsErased: a secret that no register and no list holds any more is erased at once, not when a
// collection comes to it; one that is still held is not.
func TestWhatAUnitGivesUpIsErased(t *testing.T) {
	c := initialised(t, 1, 1)
	erased := func(what string, s *secret, want bool) {
		t.Helper()
		if s == nil {
			t.Fatalf("%s: there is none", what)
		}
		if got := s.region == nil; got != want {
			t.Errorf("%s: erased is %v", what, got)
		}
	}
	s := c.begin(order.Rotate, nil).accept()
	importer, drawer := c.unit(1).content.importer, c.unit(2).content.importer
	s.generate()
	erased("the generator's importer key once it has drawn", drawer, true)
	erased("an importer key before it is used", importer, false)
	s.load()
	erased("an importer key once it is used", importer, true)
	s.commit()
	serving, kept, next := c.unit(1).content.current, c.unit(2).content.current, c.unit(1).content.next
	s.activate()
	erased("the former key of an operational unit", serving, true)
	erased("the former key of a recovery unit", kept, false)
	erased("the key that became the current one", next, false)

	s = c.committed()
	next = c.unit(1).content.next
	cancelled := c.cancel(s, 1)
	s.take(1, func(u *Unit) (order.SignedStatement, error) { return u.ClearNew(cancelled) })
	s.take(2, func(u *Unit) (order.SignedStatement, error) { return u.ClearNew(cancelled) })
	erased("the new key of a cancelled order", next, true)

	destroy := c.draft(order.DestroyRetired)
	destroy.Subject.Pattern = c.unit(2).content.Retired[0].Pattern
	if err := c.unit(2).DestroyRetired(c.sign(destroy, 2)); err != nil {
		t.Fatal(err)
	}
	erased("a destroyed retired key", kept, true)

	identity, current := c.unit(1).content.identity, c.unit(1).content.current
	status := c.unit(1).Status()
	wipe := c.approve(order.Approval{Step: order.StepZeroize, Unit: status.Identity, Generation: status.Generation}, 2)
	if err := c.unit(1).Zeroize(&wipe); err != nil {
		t.Fatal(err)
	}
	erased("the identity of a zeroized unit", identity, true)
	erased("the master key of a zeroized unit", current, true)
	last := c.unit(2).content.current
	c.unit(2).Close()
	erased("the master key of a closed unit", last, true)
}

// TestSubkeysGoWithTheirRegister: each is derived once, and erased as soon as the master key that it came from is.
func TestSubkeysGoWithTheirRegister(t *testing.T) {
	s, err := secretOf(counting())
	if err != nil {
		t.Fatal(err)
	}
	var subkeys []*secret
	for _, p := range []purpose{purposeBlob, purposeKEK} {
		key, err := s.derived.subkeyOf(s, p)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := s.derived.subkeyOf(s, p); again != key || err != nil {
			t.Errorf("%s was derived again: %v", p, err)
		}
		subkeys = append(subkeys, key)
	}
	s.free()
	for i, key := range subkeys {
		if key.region != nil {
			t.Errorf("subkey %d outlives its register", i)
		}
	}
	if s.derived.made != nil {
		t.Error("what was erased is remembered")
	}
}
