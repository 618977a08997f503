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
	number  func(raft.ServerAddress) (uint32, bool) // of the member with that address
}

// Dial connects to the member with that address, and checks that it is that member.
func (s *stream) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	number, ok := s.number(address)
	if !ok {
		return nil, fmt.Errorf("%w: nobody is known at %s", ErrNotMember, address)
	}
	ctx, cancel := context.WithTimeout(context.Background(), min(timeout, s.timeout))
	defer cancel()
	return dialTLS(ctx, s.network, s.creds, string(address), raftProtocol, number)
}
