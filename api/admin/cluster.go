package admin

import (
	"context"
	"net"
	"strconv"

	"tumbler/api/client"
)

func (s *Server) members(context.Context, request) (client.Members, error) {
	members := s.b.Cluster.Members()
	if members == nil {
		members = []client.Member{}
	}
	return client.Members{Members: members}, nil
}

func (s *Server) bootstrap(ctx context.Context, r request, _ client.BootstrapRequest) (client.Bootstrapped, error) {
	return s.b.Node.Bootstrap(ctx, r.Client)
}

func (s *Server) join(ctx context.Context, _ request, in client.JoinRequest) (client.Done, error) {
	if _, port, err := net.SplitHostPort(in.Address); err != nil || port == "" {
		return client.Done{}, invalid("%q is not an address: want the Raft address of a member, host:port", in.Address)
	}
	if in.Token == "" {
		return client.Done{}, invalid("no token: make one with `tumbler cluster token create` on a member")
	}
	return client.Done{Message: "this node has joined"}, s.b.Cluster.Join(ctx, in.Address, in.Token)
}

func (s *Server) leave(ctx context.Context, _ request, _ client.LeaveRequest) (client.Done, error) {
	return client.Done{Message: "this node has left"}, s.b.Cluster.Leave(ctx)
}

func (s *Server) remove(ctx context.Context, _ request, in client.RemoveRequest) (client.Done, error) {
	if in.Number == 0 {
		return client.Done{}, invalid("no member number: they begin at 1")
	}
	return client.Done{Message: "the member was removed"}, s.b.Cluster.Remove(ctx, in.Number)
}

func (s *Server) transferLeader(ctx context.Context, _ request, in client.TransferRequest) (client.Done, error) {
	return client.Done{Message: "leadership was transferred"}, s.b.Cluster.TransferLeader(ctx, in.Number)
}

func (s *Server) digest(ctx context.Context, _ request, _ client.DigestRequest) (client.DigestReport, error) {
	return s.b.Checks.Digest(ctx)
}

const (
	defaultEntries = 100
	maxEntries     = 1000
)

func (s *Server) entries(ctx context.Context, r request) (client.Log, error) {
	from, err := number(r, "from", 0)
	if err != nil {
		return client.Log{}, err
	}
	limit, err := number(r, "limit", defaultEntries)
	if err != nil {
		return client.Log{}, err
	}
	if limit < 1 || limit > maxEntries {
		return client.Log{}, invalid("limit is %d: want 1 to %d", limit, maxEntries)
	}
	return s.b.Node.Log(ctx, from, int(limit))
}

// number reads a number from the query; absent is the one given.
func number(r request, name string, absent uint64) (uint64, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, invalid("%s=%q is not a number", name, text)
	}
	return n, nil
}

// pathNumber reads a unit number from the path.
func pathNumber(r request) (uint32, error) {
	n, err := strconv.ParseUint(r.PathValue("number"), 10, 32)
	if err != nil || n == 0 {
		return 0, invalid("%q is not a unit number: they begin at 1", r.PathValue("number"))
	}
	return uint32(n), nil
}
