package cluster

import (
	"context"
	"encoding/json"
	"sort"
	"strconv"
	"sync"
	"time"

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
	AppliedIndex uint64 // as last heard by this node, which asks when it leads and Lag is called; 0 when unknown
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
	if meta, ok := c.gossip.alive()[number]; ok {
		return meta.Address, true
	}
	return "", false
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

const (
	methodProgress = "progress"
	methodLag      = "lag"
	lagFresh       = 200 * time.Millisecond // how old an answer of Lag may be
	lagPatience    = time.Second            // a voter that is silent for longer does not count
)

// position is how far a node is.
type position struct {
	Last    uint64 `json:"last"`    // entry in its log
	Applied uint64 `json:"applied"` // command in its state
}

func (c *Cluster) position() position {
	return position{Last: c.raft.LastIndex(), Applied: c.cfg.FSM.AppliedIndex()}
}

func (c *Cluster) answerProgress(context.Context, uint32, []byte) ([]byte, error) {
	return json.Marshal(c.position())
}

func (c *Cluster) positionOf(ctx context.Context, number uint32) (p position, err error) {
	answer, err := c.calls.call(ctx, number, methodProgress, nil)
	if err != nil {
		return position{}, err
	}
	return p, json.Unmarshal(answer, &p)
}

// progress is what a leader last heard of the others' positions.
type progress struct {
	asking sync.Mutex // one round at a time

	mu        sync.Mutex
	positions map[uint32]position
	lag       uint64
	at        time.Time
}

func (p *progress) applied(number uint32) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.positions[number].Applied
}

func (p *progress) fresh() (uint64, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.lag, time.Since(p.at) < lagFresh
}

// Lag is how many entries the slowest voter that answers is behind the leader: in its log or in its state, whichever is
// more. Who writes much waits while it is above 64 (a node further behind may need a whole snapshot). The answer may be
// 200 ms old.
func (c *Cluster) Lag(ctx context.Context) (uint64, error) {
	body, err := c.atLeader(ctx, methodLag, nil, c.lagHere)
	if err != nil {
		return 0, err
	}
	return decodeIndex(body)
}

func (c *Cluster) lagHere(ctx context.Context, _ []byte) ([]byte, error) {
	if c.raft.State() != raft.Leader {
		return nil, errNotLeader
	}
	c.progress.asking.Lock()
	defer c.progress.asking.Unlock()
	if lag, ok := c.progress.fresh(); ok {
		return encodeIndex(lag), nil
	}
	ctx, cancel := context.WithTimeout(ctx, lagPatience)
	defer cancel()
	mine := c.position()
	var wg sync.WaitGroup
	var mu sync.Mutex
	positions, lag := map[uint32]position{}, uint64(0)
	for _, s := range c.servers() {
		if s.number == c.cfg.Number {
			continue
		}
		wg.Go(func() {
			p, err := c.positionOf(ctx, s.number)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			positions[s.number] = p
			if s.Suffrage == raft.Voter {
				lag = max(lag, behind(mine.Last, p.Last), behind(mine.Applied, p.Applied))
			}
		})
	}
	wg.Wait()
	c.progress.mu.Lock()
	defer c.progress.mu.Unlock()
	c.progress.positions, c.progress.lag, c.progress.at = positions, lag, time.Now()
	return encodeIndex(lag), nil
}

func behind(leader, other uint64) uint64 {
	if other >= leader {
		return 0
	}
	return leader - other
}
