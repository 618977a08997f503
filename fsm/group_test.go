package fsm

import (
	"errors"
	"reflect"
	"testing"

	"tumbler/cryptounit/order"
)

// TestAGroupIsItsCommandsOneByOne: each sees those before it, and a refusal is its own alone.
func TestAGroupIsItsCommandsOneByOne(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	create := func(id byte) Grouped {
		return Grouped{&CreateKey{Key: ID{id}, Class: ClassKMS, State: KeyActive, Material: w.material(ID{id}), At: w.clock}}
	}
	steps := []struct {
		command Grouped
		want    error
	}{
		{create(1), nil},
		{create(1), ErrKeyExists},
		{create(2), nil},
		{Grouped{&DeleteKey{Key: ID{1}, Record: 1}}, nil},
		{Grouped{&UpdateKey{Key: ID{1}, Record: 1}}, ErrRecordChanged},
		{Grouped{&RestoreKey{Key: ID{1}, Record: 2}}, nil},
		{Grouped{&AddKeyVersion{Key: ID{2}, Record: 1, Version: ID{3}, Material: w.material(ID{2})}}, nil},
	}
	var group Group
	for _, s := range steps {
		group.Commands = append(group.Commands, s.command)
	}
	result := w.must(&group)
	if len(result.Grouped) != len(steps) {
		t.Fatalf("%d answers to %d commands", len(result.Grouped), len(steps))
	}
	for i, r := range result.Grouped {
		if err := r.Refused(); !errors.Is(err, steps[i].want) || r.Index != result.Index {
			t.Errorf("command %d: %+v, %v", i, r, err)
		}
	}
	if blobs := []uint64{result.Grouped[0].Blob, result.Grouped[2].Blob, result.Grouped[6].Blob}; !reflect.DeepEqual(blobs, []uint64{1, 2, 3}) {
		t.Errorf("blobs %v", blobs)
	}
	v := w.view()
	defer v.Close()
	one, err := v.Key(ID{1})
	if err != nil || one.State != KeyActive || one.Record != 3 || v.Census() != (Counts{KMS: 3}) {
		t.Errorf("%+v, %v, census %v", one, err, v.Census())
	}
}

// TestAGroupDuringARewrap: its new keys come as pairs, and rotate like any others.
func TestAGroupDuringARewrap(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	w.createKey(1)
	alone := w.material(ID{3})
	w.register()
	w.must(w.order(order.Rotate, nil))
	w.until(StateRewrapping)
	result := w.must(&Group{Commands: []Grouped{
		{&CreateKey{Key: ID{2}, Class: ClassKMS, State: KeyActive, Material: w.material(ID{2}), At: w.clock}},
		{&CreateKey{Key: ID{3}, Class: ClassKMS, State: KeyActive, Material: alone, At: w.clock}},
	}})
	if err := result.Grouped[1].Refused(); result.Grouped[0].Refused() != nil || !errors.Is(err, ErrSealAgain) {
		t.Fatalf("%+v", result.Grouped)
	}
	w.rewrap(1, 2)
	w.until(StateComplete)
	v := w.view()
	defer v.Close()
	for n := uint64(1); n <= 2; n++ {
		if err := v.Blobs(v.CurrentEpoch(), n, n, func(_ uint64, b []byte) (bool, error) { return true, w.units[0].Check(b) }); err != nil {
			t.Errorf("blob %d: %v", n, err)
		}
	}
}

// TestARepeatedGroupIsDoneOnce, whatever became of its commands.
func TestARepeatedGroupIsDoneOnce(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	s := &state{t: t, store: w.store, index: w.index}
	group := &Group{Commands: []Grouped{
		{&CreateKey{Key: ID{1}, Class: ClassKMS, State: KeyActive, Material: w.material(ID{1}), At: w.clock}},
		{&DeleteKey{Key: ID{9}}},
	}}
	request := NewRequestID(s.index)
	first, err := s.as(request, group)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := s.as(request, group); err != nil || !reflect.DeepEqual(again, first) {
		t.Errorf("at first %+v, then %+v, %v", first, again, err)
	}
	if !errors.Is(first.Grouped[1].Refused(), ErrKeyNotFound) {
		t.Errorf("%+v", first)
	}
	v, err := s.store.View()
	if err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	if v.Census() != (Counts{KMS: 1}) {
		t.Error(v.Census())
	}
}

// TestWhatSharesNoEntry: a group is of some changes of keys, at least one and at most MaxGroup, in a cluster of level 4.
func TestWhatSharesNoEntry(t *testing.T) {
	purge := Grouped{&PurgeKey{Key: ID{1}}}
	s := newState(t)
	s.want(ErrFeatureLevel, &Group{Commands: []Grouped{purge}})
	s.want(nil, &RaiseFeatureLevel{Level: FeatureLevel})
	s.want(nil, &Group{Commands: []Grouped{purge}})
	s.want(ErrInvalid, &Group{})
	full := &Group{}
	for range MaxGroup {
		full.Commands = append(full.Commands, purge)
	}
	s.want(nil, full)
	s.want(ErrInvalid, &Group{Commands: append(full.Commands, purge)})
	for _, c := range samples() {
		data, err := Encode(&Group{Commands: []Grouped{{c}}}, RequestID{1})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Decode(data); (err == nil) != Shares(c.Kind()) || err != nil && !errors.Is(err, ErrUndecodable) {
			t.Errorf("%T in a group: %v", c, err)
		}
	}
}
