package cluster

import (
	"context"
	"net"
	"time"
)

// tcp is the network of this machine.
type tcp struct{}

func (tcp) Listen(ctx context.Context, address string) (net.Listener, error) {
	return (&net.ListenConfig{KeepAlive: 15 * time.Second}).Listen(ctx, "tcp", address)
}

func (tcp) Dial(ctx context.Context, address string) (net.Conn, error) {
	return (&net.Dialer{KeepAlive: 15 * time.Second}).DialContext(ctx, "tcp", address)
}
