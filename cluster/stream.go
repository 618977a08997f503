package cluster

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/hashicorp/raft"
)

// stream is Raft's part of the port, and how it reaches the other nodes.
type stream struct {
	*acceptor
	network network
	creds   *credentials
	timeout time.Duration
	number  func(raft.ServerAddress) (uint32, bool)                        // of the member with that address
	heard   func(uint32) (string, bool)                                    // where gossip hears of a node
	same    func(ctx context.Context, number uint32, address string) error // refuses another node, and one of another cluster
}

// Dial connects to the member with that address, and checks that it is that member, and of this cluster: after a restore another
// cluster may have one with its number and address, whose log must never meet this one.
func (s *stream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	number, ok := s.number(address)
	if !ok {
		return nil, fmt.Errorf("%w: nobody is known at %s", ErrNotMember, address)
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(timeout, s.timeout))
	defer cancel()
	return dialMember(ctx, s.heard, string(address), number, func(ctx context.Context, address string) (net.Conn, error) {
		if err := s.same(ctx, number, address); err != nil {
			return nil, err
		}
		return dialTLS(ctx, s.network, s.creds, address, raftProtocol, number)
	})
}

// dialMember reaches a member whose address in Raft's configuration is the one given or, where gossip hears of it elsewhere and it
// does not answer there, has moved: two nodes cannot agree on the new address of one of them before they reach each other. Gossip
// stays a hint, for whoever answers proves that it is that node.
func dialMember(ctx context.Context, heard func(uint32) (string, bool), address string, number uint32, dial func(context.Context, string) (net.Conn, error)) (net.Conn, error) {
	moved, ok := heard(number)
	if !ok || moved == address {
		return dial(ctx, address)
	}
	half, cancel := ctx, context.CancelFunc(func() {})
	if until, limited := ctx.Deadline(); limited {
		half, cancel = context.WithTimeout(ctx, time.Until(until)/2)
	}
	conn, err := dial(half, address)
	cancel()
	if err == nil {
		return conn, nil
	}
	if conn, second := dial(ctx, moved); second == nil {
		return conn, nil
	}
	return nil, err
}
