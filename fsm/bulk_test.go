package fsm

import (
	"errors"
	"testing"

	"tumbler/cryptounit/order"
)

// bulk is keys of these ids, sealed as the state asks for now.
func (w *world) bulk(ids ...byte) *CreateKeys {
	v := w.view()
	defer v.Close()
	service := v.ServiceState()
	c := &CreateKeys{Order: service.Order, Patterns: service.Patterns, Class: ClassKMS, By: "b", At: w.clock}
	for _, id := range ids {
		key := BulkKey{Key: ID{id}}
		for _, blob := range w.material(key.Key).Blobs {
			key.Blobs = append(key.Blobs, blob.Blob)
		}
		c.Keys = append(c.Keys, key)
	}
	return c
}

// TestManyKeysInOneEntry: they get consecutive numbers, count in the census, and rotate like any other.
func TestManyKeysInOneEntry(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	w.createKey(1)
	if r := w.must(w.bulk(2, 3, 4)); r.Blob != 2 || r.Count != 3 {
		t.Errorf("the answer is %+v", r)
	}
	v := w.view()
	defer v.Close()
	if census := v.Cluster().Census; census.KMS != 4 {
		t.Errorf("the census is %+v", census)
	}
	for id := byte(2); id <= 4; id++ {
		k, err := v.Key(ID{id})
		if err != nil || k.State != KeyActive || k.Current().Blob != uint64(id) {
			t.Errorf("key %d is %+v, %v", id, k, err)
		}
	}
	w.register()
	w.must(w.order(order.Rotate, func(o *order.Order) { o.Policy = order.Online }))
	w.until(StateRewrapping)
	w.must(w.bulk(5, 6))
	w.rewrap(1, 2)
	w.until(StateComplete)
	after := w.view()
	defer after.Close()
	if r, _ := after.Rotation(); r.Rewrap.N != 4 || after.Cluster().Census.KMS != 6 {
		t.Errorf("the rewrap covered 1..%d, the census is %+v", r.Rewrap.N, after.Cluster().Census)
	}
}

// TestABulkIsAllOrNothing: whichever key is refused, none is there.
func TestABulkIsAllOrNothing(t *testing.T) {
	w := newWorld(t, 2, 1)
	w.must(w.order(order.Init, nil))
	w.until(StateComplete)
	one := w.createKey(1)
	w.must(&UpdateKey{Key: one, Metadata: KeyMetadata{Aliases: []string{"mine"}}, State: KeyActive})
	change := func(how func(*CreateKeys)) *CreateKeys {
		c := w.bulk(7, 8)
		how(c)
		return c
	}
	w.refuses(t,
		refusal{"none", change(func(c *CreateKeys) { c.Keys = nil }), ErrInvalid},
		refusal{"too many", change(func(c *CreateKeys) { c.Keys = make([]BulkKey, MaxBulk+1) }), ErrInvalid},
		refusal{"the last exists", change(func(c *CreateKeys) { c.Keys[1].Key = one }), ErrKeyExists},
		refusal{"one comes twice", change(func(c *CreateKeys) { c.Keys[1].Key = c.Keys[0].Key }), ErrKeyExists},
		refusal{"an alias is another key's", change(func(c *CreateKeys) { c.Keys[1].Metadata.Aliases = []string{"mine"} }), ErrAliasTaken},
		refusal{"an alias comes twice", change(func(c *CreateKeys) {
			c.Keys[0].Metadata.Aliases, c.Keys[1].Metadata.Aliases = []string{"a"}, []string{"a"}
		}), ErrAliasTaken},
		refusal{"no such class", change(func(c *CreateKeys) { c.Class = 9 }), ErrInvalid},
		refusal{"the last has a blob too many", change(func(c *CreateKeys) { c.Keys[1].Blobs = append(c.Keys[1].Blobs, []byte{1}) }), ErrSealAgain},
		refusal{"another pattern", change(func(c *CreateKeys) { c.Patterns = []Pattern{{1}} }), ErrSealAgain},
		refusal{"an order that does not ask", change(func(c *CreateKeys) { c.Order = Digest{1} }), ErrSealAgain},
		refusal{"the last blob is empty", change(func(c *CreateKeys) { c.Keys[1].Blobs = [][]byte{{}} }), ErrInvalid},
	)
	v := w.view()
	defer v.Close()
	if _, err := v.Key(ID{7}); !errors.Is(err, ErrNotFound) {
		t.Errorf("the first key of a refused bulk is there: %v", err)
	}
	w.register()
	early := w.bulk(7, 8)
	w.must(w.order(order.Rotate, func(o *order.Order) { o.Policy = order.Documented }))
	w.until(StateRewrapping)
	w.refuses(t, refusal{"policy documented", early, ErrMasterKeyRotationInProgress})
}
