//go:build plantedkeys

package cluster

import (
	"encoding/hex"
	"net"
	"os"
	"time"

	"github.com/hashicorp/memberlist"

	"tumbler/cluster/tap"
)

// tapGossip has everything copied that this node sends, and what it is answered on connections that it makes: all of
// gossip, since every node does so. It is not compressed then, so that it can be searched. What $TUMBLER_GOSSIP_PLANT
// holds, in hex, is gossiped: no key is near gossip, and the search of it is to be proven.
func tapGossip(c *memberlist.Config) {
	c.EnableCompression = false
	c.Transport = &tappedGossip{c.Transport.(*memberlist.NetTransport)}
	if plant, err := hex.DecodeString(os.Getenv("TUMBLER_GOSSIP_PLANT")); err == nil && len(plant) > 0 {
		c.Delegate = planted{c.Delegate, plant}
	}
}

type tappedGossip struct{ *memberlist.NetTransport }

func (t *tappedGossip) WriteTo(b []byte, address string) (time.Time, error) {
	tap.Packet("gossip", b)
	return t.NetTransport.WriteTo(b, address)
}

func (t *tappedGossip) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	tap.Packet("gossip", b)
	return t.NetTransport.WriteToAddress(b, a)
}

func (t *tappedGossip) DialTimeout(address string, timeout time.Duration) (net.Conn, error) {
	return tapped(t.NetTransport.DialTimeout(address, timeout))
}

func (t *tappedGossip) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return tapped(t.NetTransport.DialAddressTimeout(a, timeout))
}

func tapped(c net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	return tap.Conn("gossip", c), nil
}

// planted gossips bytes, in packets and in the exchange of state.
type planted struct {
	memberlist.Delegate
	bytes []byte
}

func (p planted) GetBroadcasts(int, int) [][]byte { return [][]byte{p.bytes} }
func (p planted) LocalState(bool) []byte          { return p.bytes }
