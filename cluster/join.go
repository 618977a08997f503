package cluster

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"

	"github.com/hashicorp/raft"

	"tumbler/holdpoint"
)

const (
	methodHello  = "hello"
	methodJoin   = "join"
	methodGossip = "gossip"
)

// identityKey is where Bolt keeps the id that the bootstrap gave the cluster: a node never mixes the logs of two.
var identityKey = []byte("tumbler/cluster")

// helloAnswer is what any node says of itself.
type helloAnswer struct {
	Number  uint32 `json:"number"`
	Cluster string `json:"cluster"` // hex, "" if it belongs to none
}

// joinRequest is what a node says that wants to become a voter.
type joinRequest struct {
	Number  uint32 `json:"number"`
	Address string `json:"address"`
	Cluster string `json:"cluster"`
	Empty   bool   `json:"empty"` // its log is
	Token   string `json:"token"`
}

func (c *Cluster) setIdentity(id [16]byte) error {
	if err := holdpoint.Step("cluster-id", func() error { return c.log.bolt.Set(identityKey, id[:]) }); err != nil {
		return fmt.Errorf("note the cluster's id: %w", err)
	}
	return nil
}

// identity is the id of this node's cluster in hex, or "".
func (c *Cluster) identity() string {
	id, err := c.log.bolt.Get(identityKey)
	if err != nil || !c.Bootstrapped() {
		return ""
	}
	return hex.EncodeToString(id)
}

// sameCluster refuses an address where another node answers, or one that belongs to another cluster. One that belongs to none
// yet is about to join this one.
func (c *Cluster) sameCluster(ctx context.Context, number uint32, address string) error {
	hello, err := c.hello(ctx, number, address)
	if err != nil {
		return err
	}
	if hello.Cluster != "" && hello.Cluster != c.identity() {
		return fmt.Errorf("node %d: %w", number, ErrOtherCluster)
	}
	return nil
}

func (c *Cluster) answerHello(context.Context, uint32, []byte) ([]byte, error) {
	return json.Marshal(helloAnswer{Number: c.cfg.Number, Cluster: c.identity()})
}

// Join asks the node at the address seed, a member, to be let into its cluster, and returns once this node is a voter and
// has the state. The seed passes it on to the leader, which asks Config.Admit. It may be repeated with the same token after
// a crash or a cut connection.
func (c *Cluster) Join(ctx context.Context, seed, token string) error {
	if _, _, err := net.SplitHostPort(seed); err != nil {
		return fmt.Errorf("the seed's address %q: %w; write host:port, as the seed's configuration has it", seed, err)
	}
	c.changing.Lock()
	defer c.changing.Unlock()
	request, err := c.introduce(ctx, seed)
	if err != nil {
		return err
	}
	request.Token = token
	for {
		request.Empty = !c.Bootstrapped() // an attempt that was cut off may have made it a voter, once it had the log
		body, err := json.Marshal(request)
		if err != nil {
			return err
		}
		_, changed := c.leader.get()
		_, err = c.calls.send(ctx, seed, 0, methodJoin, body)
		if err == nil {
			break
		}
		var remote *RemoteError
		if errors.As(err, &remote) && !retriable(err) {
			return err
		}
		c.logger.Info("not joined yet", "error", err)
		if stop := c.pause(ctx, changed); stop != nil {
			return fmt.Errorf("join at %s: %w (last: %w)", seed, stop, err)
		}
		if c.ctx.Err() != nil {
			return c.closedError()
		}
	}
	err = c.until(ctx, func() bool {
		s, ok := c.server(c.cfg.Number)
		return ok && s.Suffrage == raft.Voter
	})
	if err != nil {
		return err
	}
	return c.ReadIndex(ctx)
}

func retriable(err error) bool {
	for _, kind := range []error{errNotLeader, errMaybe, ErrNoLeader, ErrOutcomeUnknown, ErrShutdown} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// introduce learns the seed's cluster, and takes its id on if this node has none.
func (c *Cluster) introduce(ctx context.Context, seed string) (joinRequest, error) {
	answer, err := c.calls.send(ctx, seed, 0, methodHello, nil)
	if err != nil {
		return joinRequest{}, fmt.Errorf("join at %s: %w; check the address (of Raft, not of the API) and that the seed runs", seed, err)
	}
	var hello helloAnswer
	if err := json.Unmarshal(answer, &hello); err != nil {
		return joinRequest{}, fmt.Errorf("join at %s: %w", seed, err)
	}
	id, err := hex.DecodeString(hello.Cluster)
	switch {
	case hello.Number == c.cfg.Number:
		return joinRequest{}, fmt.Errorf("%w: the seed at %s is node %d too", ErrNumberTaken, seed, hello.Number)
	case hello.Cluster == "" || err != nil || len(id) != 16:
		return joinRequest{}, fmt.Errorf("the seed at %s: %w", seed, ErrNotBootstrapped)
	case c.Bootstrapped() && c.identity() != hello.Cluster:
		return joinRequest{}, ErrOtherCluster
	}
	if !c.Bootstrapped() {
		if err := c.setIdentity([16]byte(id)); err != nil {
			return joinRequest{}, err
		}
	}
	return joinRequest{Number: c.cfg.Number, Address: c.Address(), Cluster: hello.Cluster}, nil
}

// answerJoin takes a request in from the joining node itself, or from a member that passes it on.
func (c *Cluster) answerJoin(ctx context.Context, peer uint32, body []byte) ([]byte, error) {
	var request joinRequest
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, fmt.Errorf("a request to join: %w", err)
	}
	if _, member := c.server(peer); peer != request.Number && !member {
		return nil, fmt.Errorf("%w: %d asks for %d", ErrNotMember, peer, request.Number)
	}
	if err := c.usable(); err != nil {
		return nil, err
	}
	if c.raft.State() == raft.Leader {
		return nil, c.admit(ctx, request)
	}
	leader, _ := c.leader.get()
	if leader == 0 || leader == c.cfg.Number || peer != request.Number { // passed on once
		return nil, errNotLeader
	}
	return c.calls.call(ctx, leader, methodJoin, body)
}

// admit makes a node a voter, in two steps: first it only follows, so that the majority never waits for a node that has
// nothing yet, or cannot be reached.
func (c *Cluster) admit(ctx context.Context, request joinRequest) error {
	if request.Cluster != c.identity() {
		return ErrOtherCluster
	}
	member, known := c.server(request.Number)
	same := known && string(member.Address) == request.Address
	voter := known && member.Suffrage == raft.Voter
	switch {
	case voter && request.Empty:
		return fmt.Errorf("node %d: %w", request.Number, ErrLostLog)
	case voter && same:
		return nil
	case known && !same && c.answers(ctx, request.Number, string(member.Address)) == nil:
		return fmt.Errorf("%w: node %d answers at %s", ErrNumberTaken, request.Number, member.Address)
	}
	if err := c.answers(ctx, request.Number, request.Address); err != nil {
		return fmt.Errorf("node %d says that it is at %s, and the leader, node %d, does not reach it there: %w", request.Number, request.Address, c.cfg.Number, err)
	}
	if !same {
		if c.cfg.Admit == nil {
			return ErrNoAdmission
		}
		if err := c.cfg.Admit(ctx, request.Number, request.Token); err != nil {
			if retriable(err) {
				return err
			}
			return fmt.Errorf("%w: %w", ErrNotAdmitted, err)
		}
	}
	id, address := serverID(request.Number), raft.ServerAddress(request.Address)
	if !voter { // a voter that moved keeps its vote
		if err := c.change(ctx, c.raft.AddNonvoter(id, address, 0, configTimeout)); err != nil {
			return err
		}
		if err := c.catchUp(ctx, request.Number); err != nil {
			return err
		}
	}
	if err := c.change(ctx, c.raft.AddVoter(id, address, 0, configTimeout)); err != nil {
		return err
	}
	c.logger.Info("a node has joined", "number", request.Number, "address", request.Address)
	return nil
}

// answers asks the node at an address whether it is that node.
func (c *Cluster) answers(ctx context.Context, number uint32, address string) error {
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeouts.Call)
	defer cancel()
	_, err := c.hello(ctx, number, address)
	return err
}

// hello is what the node with that number says of itself at an address.
func (c *Cluster) hello(ctx context.Context, number uint32, address string) (hello helloAnswer, err error) {
	answer, err := c.calls.send(ctx, address, 0, methodHello, nil)
	if err != nil {
		return hello, err
	}
	if err := json.Unmarshal(answer, &hello); err != nil {
		return hello, fmt.Errorf("node %d: %w", number, err)
	}
	if hello.Number != number {
		return hello, fmt.Errorf("%w: node %d answers", ErrPeer, hello.Number)
	}
	return hello, nil
}

// catchUp waits until the node's log holds what was in this one at the start.
func (c *Cluster) catchUp(ctx context.Context, number uint32) error {
	target := c.raft.LastIndex()
	var last error
	err := c.until(ctx, func() bool {
		if c.raft.State() != raft.Leader {
			return true
		}
		var p position
		p, last = c.positionOf(ctx, number)
		return last == nil && p.Last >= target
	})
	if err != nil {
		return fmt.Errorf("wait for node %d to catch up: %w", number, errors.Join(err, last))
	}
	if c.raft.State() != raft.Leader {
		return errNotLeader
	}
	return nil
}
