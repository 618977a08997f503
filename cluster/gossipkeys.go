package cluster

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/hashicorp/memberlist"
)

// maxGossipKeys bounds a keyring: every packet may be tried under each.
const maxGossipKeys = 8

// SetGossipKeys replaces the keys of gossip while it goes on: the first encrypts, all decrypt. To renew a key, every node is
// given the new one beside the old before any node puts it first, and loses the old one last. An error changes nothing.
func (c *Cluster) SetGossipKeys(keys [][]byte) error {
	if len(keys) == 0 || len(keys) > maxGossipKeys {
		return fmt.Errorf("%d keys of gossip: give one to %d", len(keys), maxGossipKeys)
	}
	for _, key := range keys {
		if err := memberlist.ValidateKey(key); err != nil {
			return err
		}
	}
	return c.gossip.setKeys(keys)
}

func (g *gossip) setKeys(keys [][]byte) error {
	g.changing.Lock()
	defer g.changing.Unlock()
	is := func(key []byte) func([]byte) bool { return func(other []byte) bool { return bytes.Equal(key, other) } }
	for _, key := range keys {
		if err := g.keyring.AddKey(key); err != nil {
			return err
		}
	}
	if err := g.keyring.UseKey(keys[0]); err != nil {
		return err
	}
	// memberlist takes a key out by moving those behind it, under the eyes of who decrypts: so the last is taken out, after
	// those that stay were moved before it.
	have := slices.Clone(g.keyring.GetKeys())
	gone := slices.IndexFunc(have, func(key []byte) bool { return !slices.ContainsFunc(keys, is(key)) })
	if gone >= 0 && slices.ContainsFunc(have[gone:], func(key []byte) bool { return slices.ContainsFunc(keys, is(key)) }) {
		for _, key := range slices.Backward(keys) {
			if err := g.keyring.UseKey(key); err != nil {
				return err
			}
		}
	}
	have = slices.Clone(g.keyring.GetKeys())
	for _, key := range slices.Backward(have) {
		if slices.ContainsFunc(keys, is(key)) {
			break
		}
		if err := g.keyring.RemoveKey(key); err != nil {
			return err
		}
	}
	return nil
}
