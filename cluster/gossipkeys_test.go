package cluster

import (
	"bytes"
	"slices"
	"testing"

	"github.com/hashicorp/memberlist"
)

func key32(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }

// Whatever the keys were, those that are asked for are in force, the first in front; and nobody who decrypts meanwhile sees a
// key move under its hands (the race detector looks).
func TestGossipKeysAreReplacedUnderWhoDecrypts(t *testing.T) {
	ring, err := memberlist.NewKeyring([][]byte{key32(1)}, key32(1))
	if err != nil {
		t.Fatal(err)
	}
	g := &gossip{keyring: ring}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for sum := byte(0); ; {
			for _, key := range ring.GetKeys() {
				sum += key[0]
			}
			select {
			case <-stop:
				return
			default:
			}
		}
	}()
	for _, want := range [][]byte{{1, 2}, {2, 1}, {2}, {3, 2, 4, 5}, {5, 2}, {1, 5}, {6}, {1, 2, 3, 4, 5, 6, 7, 8}, {8, 1}} {
		var keys [][]byte
		for _, b := range want {
			keys = append(keys, key32(b))
		}
		if err := g.setKeys(keys); err != nil {
			t.Fatal(err)
		}
		have := ring.GetKeys()
		if len(have) != len(keys) || !bytes.Equal(have[0], keys[0]) {
			t.Errorf("asked for %v, %d keys are in force, the first is %d", want, len(have), have[0][0])
		}
		for _, key := range keys {
			if !slices.ContainsFunc(have, func(other []byte) bool { return bytes.Equal(key, other) }) {
				t.Errorf("asked for %v, and %d is not in force", want, key[0])
			}
		}
	}
	close(stop)
	<-done
}

func TestGossipKeysThatCannotBeUsedChangeNothing(t *testing.T) {
	f := newFarm(t)
	c := f.cluster(1)[0]
	before := c.gossip.keyring.GetKeys()
	for name, keys := range map[string][][]byte{"none": nil, "too many": slices.Repeat([][]byte{key32(1)}, 9), "a short one": {key32(1), {1}}} {
		if err := c.SetGossipKeys(keys); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if after := c.gossip.keyring.GetKeys(); len(after) != len(before) || !bytes.Equal(after[0], before[0]) {
		t.Errorf("%d keys were in force, and %d are", len(before), len(after))
	}
}

// Two nodes renew their key one after the other, and go on hearing each other.
func TestNodesRenewTheGossipKeyOneByOne(t *testing.T) {
	f := newFarm(t)
	nodes := f.cluster(2)
	old := slices.Clone(nodes[0].config.Gossip.Keyring[0])
	fresh := key32(9)
	for _, keys := range [][][]byte{{old, fresh}, {fresh, old}, {fresh}} {
		for _, n := range nodes {
			f.noError(n.SetGossipKeys(keys))
			f.noError(nodes[1].meetOne(f.ctx(), 1)) // a stream, encrypted both ways
			f.noError(nodes[0].meetOne(f.ctx(), 2))
		}
	}
	f.noError(nodes[0].SetGossipKeys([][]byte{old}))
	if err := nodes[1].meetOne(f.ctx(), 1); err == nil {
		t.Error("a node that has only the old key is still heard")
	}
}
