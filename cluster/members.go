package cluster

import (
	"sort"
	"strconv"

	"github.com/hashicorp/raft"
)

// Member is a node of the cluster: its first four fields are Raft's, the rest hints.
type Member struct {
	Number  uint32
	Address string // of Raft and of calls
	Voter   bool
	Leader  bool // as far as this node knows

	Alive        bool   // gossip hears of it
	APIAddress   string // from gossip
	Role         string // from gossip
	AppliedIndex uint64 // as last heard by this node, which asks when it leads and Load is called; 0 when unknown
}

// server is a member as Raft's newest configuration has it.
type server struct {
	raft.Server
	number uint32
}

func serverID(number uint32) raft.ServerID {
	return raft.ServerID(strconv.FormatUint(uint64(number), 10))
}

// servers are the members by number, none before a bootstrap or a join.
func (c *Cluster) servers() []server {
	r := c.live.Load()
	if r == nil {
		return nil
	}
	var out []server
	for _, s := range r.GetConfiguration().Configuration().Servers {
		if number, err := parseNumber(string(s.ID)); err == nil {
			out = append(out, server{s, number})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].number < out[j].number })
	return out
}

func (c *Cluster) server(number uint32) (server, bool) {
	for _, s := range c.servers() {
		if s.number == number {
			return s, true
		}
	}
	return server{}, false
}

// addressOf is where to reach a node: a member, or one that gossip has heard of.
func (c *Cluster) addressOf(number uint32) (string, bool) {
	if s, ok := c.server(number); ok {
		return string(s.Address), true
	}
	return c.gossip.addressOf(number)
}

// Members are the nodes of the cluster by number.
func (c *Cluster) Members() []Member {
	leader, _ := c.leader.get()
	alive := c.gossip.alive()
	var out []Member
	for _, s := range c.servers() {
		meta, heard := alive[s.number]
		m := Member{
			Number: s.number, Address: string(s.Address), Voter: s.Suffrage == raft.Voter, Leader: s.number == leader,
			Alive: heard, APIAddress: meta.API, Role: meta.Role, AppliedIndex: c.progress.applied(s.number),
		}
		if s.number == c.cfg.Number {
			m.Alive, m.AppliedIndex = true, c.cfg.FSM.AppliedIndex()
		}
		out = append(out, m)
	}
	return out
}
