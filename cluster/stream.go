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
	number  func(raft.ServerAddress) (uint32, bool)        // of the member with that address
	same    func(ctx context.Context, number uint32) error // refuses a node of another cluster
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
	if err := s.same(ctx, number); err != nil {
		return nil, err
	}
	return dialTLS(ctx, s.network, s.creds, string(address), raftProtocol, number)
}
