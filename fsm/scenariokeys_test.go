package fsm

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/cockroachdb/datadriven"

	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
)

// describe is the state as stories show it.
func (s *scenario) describe() string {
	v := s.view()
	defer v.Close()
	var b strings.Builder
	r, _ := v.Rotation()
	c := v.Cluster()
	fmt.Fprintf(&b, "%s: %v", r.Plan.Kind, r.State)
	if r.Rewrap.Epoch != 0 {
		fmt.Fprintf(&b, ", covers 1..%d, rewrapped %d, verified %d", r.Rewrap.N, r.Done.Sum(), r.Verified.Sum())
	}
	b.WriteString("\n")
	if r.State.Open() && r.Rewrap.Epoch != 0 && r.State != StateCancelling && r.State != StateActivating {
		for _, p := range r.Rewrap.Partitions {
			fmt.Fprintf(&b, "partition %d: %d..%d, cursor %d, pass %d, lease %d, owner %d, verified by %d\n", p.Index, p.From, p.End-1, p.Cursor, p.Pass, p.Lease, p.Owner, p.Verified)
		}
	}
	if p := r.Pace; p != nil {
		fmt.Fprintf(&b, "paused %v, rate %d, asked by %s\n", p.Paused, p.Rate, p.Asked.By)
	}
	for _, bad := range r.Bad {
		fmt.Fprintf(&b, "blob %d does not open in units %v\n", bad.Number, bad.Units)
	}
	fmt.Fprintf(&b, "epochs: current %d, next %d, old %d; blobs of KMS keys: %d\n", c.Epochs.Current, c.Epochs.Next, c.Epochs.Old, c.Census.KMS)
	return b.String()
}

// openAll: how many blobs each epoch has on a replica, and whether every key opens in every unit that holds its master key.
func (s *scenario) openAll(d *datadriven.TestData) string {
	v, err := s.replica(d).View()
	if err != nil {
		s.world.t.Fatal(err)
	}
	defer v.Close()
	var b strings.Builder
	for epoch := uint64(1); epoch <= v.Cluster().Epochs.Last; epoch++ {
		count := 0
		if err := v.Blobs(epoch, 1, v.Cluster().NextBlob, func(uint64, []byte) (bool, error) { count++; return true, nil }); err != nil {
			s.world.t.Fatal(err)
		}
		fmt.Fprintf(&b, "epoch %d: %d blobs\n", epoch, count)
		if epoch == v.CurrentEpoch() && uint64(count) != v.Census().Sum() {
			fmt.Fprintf(&b, "but the census counts %d\n", v.Census().Sum())
		}
	}
	aside := 0
	if err := scan(v.snap, []byte{spaceAside}, func(_, _ []byte) (bool, error) { aside++; return true, nil }); err != nil {
		s.world.t.Fatal(err)
	}
	if aside > 0 {
		fmt.Fprintf(&b, "set aside: %d blobs\n", aside)
	}
	keys, err := v.Keys(KeyFilter{States: []KeyState{KeyPreActive, KeyActive, KeySuspended, KeyDeactivated, KeyDestroyed}}, 0, 10000)
	if err != nil {
		s.world.t.Fatal(err)
	}
	opened := 0
	for _, k := range keys {
		for _, version := range k.Versions {
			blob, err := v.Blob(v.CurrentEpoch(), version.Blob)
			switch {
			case errors.Is(err, ErrSetAside):
				fmt.Fprintf(&b, "key %d version %d: set aside\n", k.ID[0], version.Number)
				continue
			case err != nil:
				fmt.Fprintf(&b, "key %d version %d: %v\n", k.ID[0], version.Number, err)
				continue
			}
			if s.opensSomewhere(blob.Blob) {
				opened++
			} else {
				fmt.Fprintf(&b, "key %d version %d: opens nowhere\n", k.ID[0], version.Number)
			}
		}
	}
	fmt.Fprintf(&b, "%d open\n", opened)
	return b.String()
}

// opensSomewhere: in every unit whose registers hold the pattern, and at least one does.
func (s *scenario) opensSomewhere(blob []byte) bool {
	opened := false
	for _, u := range s.units {
		err := u.Check(blob)
		if errors.Is(err, cryptounit.ErrPatternUnknown) || s.restored && errors.Is(err, cryptounit.ErrClosed) {
			continue
		}
		if err != nil {
			return false
		}
		opened = true
	}
	return opened
}

// key: create, version, delete, restore, purge, with id=; or sweep. keep= keeps the proposal.
func (s *scenario) key(d *datadriven.TestData) string {
	return s.give(d, s.keyCommand(first(d), byte(number32(d, "id", 0))), nil)
}

func (s *scenario) keyCommand(verb string, number byte) Command {
	id := ID{number}
	switch verb {
	case "create":
		return &CreateKey{Key: id, Class: ClassKMS, State: KeyActive, Material: s.material(id), At: s.clock}
	case "version":
		return &AddKeyVersion{Key: id, Version: ID{number, 2}, Material: s.material(id), At: s.clock}
	case "import-again":
		return &AddKeyVersion{Key: id, Replaces: 1, Material: s.material(id), At: s.clock}
	case "delete":
		return &DeleteKey{Key: id, At: s.clock}
	case "restore":
		return &RestoreKey{Key: id, At: s.clock}
	case "purge":
		return &PurgeKey{Key: id, At: s.clock}
	case "sweep":
		return &SweepPurged{Limit: 100}
	}
	s.world.t.Fatalf("no such act on a key: %q", verb)
	return nil
}

// cannotOpen: unit= states that blob= does not open, as replica= has it.
func (s *scenario) cannotOpen(d *datadriven.TestData) string {
	n := uint64(number32(d, "blob", 0))
	var answers strings.Builder
	for _, unit := range numbers32(d, "unit") {
		v, err := s.replica(d).View()
		if err != nil {
			s.world.t.Fatal(err)
		}
		blob, err := v.Blob(v.CurrentEpoch(), n)
		v.Close()
		if err != nil {
			s.world.t.Fatal(err)
		}
		r, _, _ := s.evidence()
		st, err := s.units[unit-1].CannotOpen(order.Digest(r.Order), n, blob.Blob)
		if errors.Is(err, cryptounit.ErrOpens) {
			answers.WriteString("it opens\n")
			continue
		}
		if err != nil {
			s.world.t.Fatal(err)
		}
		answers.WriteString(s.give(d, s.statement(st, nil), nil))
	}
	r, _, _ := s.evidence()
	return answers.String() + r.State.String() + "\n"
}

// repair: the bytes that replica= has of blob= of key id= are carried to all.
func (s *scenario) repair(d *datadriven.TestData) string {
	v, err := s.replica(d).View()
	if err != nil {
		s.world.t.Fatal(err)
	}
	n := uint64(number32(d, "blob", 0))
	blob, err := v.Blob(v.CurrentEpoch(), n)
	c := &RepairBlob{Key: ID{byte(number32(d, "id", 0))}, Version: 1, Epoch: uint64(number32(d, "epoch", uint32(v.CurrentEpoch()))), Number: n, Blob: bytes.Clone(blob.Blob)}
	v.Close()
	if err != nil {
		return "error: " + err.Error() + "\n"
	}
	answer := s.give(d, c, nil)
	r, _, _ := s.evidence()
	return answer + r.State.String() + "\n"
}

// keys: count= more keys, from id 100 on, by the two first bytes.
func (s *scenario) manyKeys(d *datadriven.TestData) string {
	for i := range number32(d, "count", 0) {
		id := ID{100, byte(i >> 8), byte(i)}
		s.must(&CreateKey{Key: id, Class: ClassKMS, State: KeyActive, Material: s.material(id), At: s.clock})
	}
	s.register()
	return s.describe()
}

// acts: round=: everything that a caller does with keys, on keys that no other round uses.
func (s *scenario) acts(d *datadriven.TestData) string {
	var b strings.Builder
	base := byte(number32(d, "round", 0) * 4)
	for _, act := range []struct {
		verb string
		id   byte
	}{
		{"create", 200 + base}, {"version", base + 1}, {"delete", base + 2}, {"restore", base + 2}, {"version", base + 2},
		{"delete", base + 3}, {"purge", base + 3}, {"delete", base + 3}, {"sweep", 0},
	} {
		fmt.Fprintf(&b, "%s: %s", act.verb, told(s.world.propose(s.keyCommand(act.verb, act.id), nil)))
	}
	return b.String()
}
