package cluster

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// Load is what the members bear: who writes much asks for it, and goes slower for it.
type Load struct {
	// Lag is how many entries the slowest voter that answers is behind the leader: in its log or in its state, whichever
	// is more. Who writes much waits while it is above 64 (a node further behind may need a whole snapshot).
	Lag uint64 `json:"lag"`

	// Delay is the longest that a member's clients have waited lately (Config.Delay); 0: there are none.
	Delay time.Duration `json:"delay"` // ns
}

const (
	methodProgress = "progress"
	methodLoad     = "load"
	loadFresh      = 200 * time.Millisecond // how old an answer of Load may be
	loadPatience   = time.Second            // a voter that is silent for longer does not count
)

// position is how far a node is, and how its clients fare.
type position struct {
	Last    uint64        `json:"last"`    // entry in its log
	Applied uint64        `json:"applied"` // command in its state
	Delay   time.Duration `json:"delay"`   // ns
}

func (c *Cluster) position() position {
	return position{Last: c.raft.LastIndex(), Applied: c.cfg.FSM.AppliedIndex(), Delay: c.cfg.Delay()}
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
	load      Load
	at        time.Time
}

func (p *progress) applied(number uint32) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.positions[number].Applied
}

func (p *progress) fresh() (Load, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.load, time.Since(p.at) < loadFresh
}

func (p *progress) learn(positions map[uint32]position, load Load) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.positions, p.load, p.at = positions, load, time.Now()
}

// Load asks the leader. The answer may be 200 ms old.
func (c *Cluster) Load(ctx context.Context) (load Load, err error) {
	body, err := c.atLeader(ctx, methodLoad, nil, c.loadHere)
	if err != nil {
		return Load{}, err
	}
	return load, json.Unmarshal(body, &load)
}

func (c *Cluster) loadHere(ctx context.Context, _ []byte) ([]byte, error) {
	if c.raft.State() != raft.Leader {
		return nil, errNotLeader
	}
	c.progress.asking.Lock()
	defer c.progress.asking.Unlock()
	load, ok := c.progress.fresh()
	if !ok {
		load = c.askLoad(ctx)
	}
	return json.Marshal(load)
}

// askLoad asks every other member.
func (c *Cluster) askLoad(ctx context.Context) Load {
	ctx, cancel := context.WithTimeout(ctx, loadPatience)
	defer cancel()
	mine := c.position()
	positions, load := map[uint32]position{}, Load{Delay: mine.Delay}
	var wg sync.WaitGroup
	var mu sync.Mutex
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
			load.Delay = max(load.Delay, p.Delay)
			if s.Suffrage == raft.Voter {
				load.Lag = max(load.Lag, behind(mine.Last, p.Last), behind(mine.Applied, p.Applied))
			}
		})
	}
	wg.Wait()
	c.progress.learn(positions, load)
	return load
}

func behind(leader, other uint64) uint64 {
	if other >= leader {
		return 0
	}
	return leader - other
}
