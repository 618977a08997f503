package node

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"tumbler/api/client"
	"tumbler/fsm"
	"tumbler/holdpoint"
)

// ErrDiffers: this node's replicated state is not the majority's. It must not serve, nor vote, with it.
var ErrDiffers = errors.New("this node's replicated state differs from the majority's")

// differsName is the file in state/ that keeps a node with such a state from starting; it goes with that folder.
const differsName = "DIFFERS"

// differAnswer is how long a node that ends waits, so that who told it hears that it does.
const differAnswer = 300 * time.Millisecond

func (c Config) differsFile() string { return filepath.Join(c.DataDir, "state", differsName) }

// differs says what happened and what to do.
func (c Config) differs(index uint64) error {
	return fmt.Errorf("%w, as compared at index %d: take the node out (`tumbler cluster leave --number %d`), remove raft/ and state/ in %s, keep unit/, "+
		"start it, and join it again", ErrDiffers, index, c.Number, c.DataDir)
}

// checkSame refuses to start with a state that was found to differ.
func (c Config) checkSame() error {
	text, err := os.ReadFile(c.differsFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var index uint64
	if _, err := fmt.Sscan(string(text), &index); err != nil {
		return fmt.Errorf("%w (%s cannot be read: %w)", c.differs(0), c.differsFile(), err)
	}
	return c.differs(index)
}

// compare asks every member for its digest at an index. The digest that more than half of the members have, if there is one,
// is the majority's.
func (c *calls) compare(ctx context.Context, index uint64) (nodes []client.NodeDigest, majority string) {
	members := c.cluster.Members()
	nodes = make([]client.NodeDigest, len(members))
	done := make(chan struct{})
	for i, m := range members {
		go func() {
			defer func() { done <- struct{}{} }()
			nodes[i].Number = m.Number
			body, err := c.cluster.Call(ctx, m.Number, callDigest, fsmIndex(index))
			if err != nil {
				nodes[i].Error = err.Error()
				return
			}
			nodes[i].Digest = fmt.Sprintf("%x", body)
		}()
	}
	for range members {
		<-done
	}
	votes := map[string]int{}
	for _, n := range nodes {
		if votes[n.Digest]++; n.Digest != "" && votes[n.Digest] > len(members)/2 {
			majority = n.Digest
		}
	}
	return nodes, majority
}

// differ answers who says that this node differs: it looks for itself, and ends if a majority of the members has one digest
// and this node another. Nobody's word alone can stop it.
func (n *Node) differ(ctx context.Context, peer uint32, body []byte) ([]byte, error) {
	if len(body) != 8 {
		return nil, fmt.Errorf("%s: the body has %d bytes, not 8", callDiffers, len(body))
	}
	index := binary.BigEndian.Uint64(body)
	own, err := n.store.DigestAt(ctx, index)
	if err != nil {
		return nil, err
	}
	_, majority := n.calls.compare(ctx, index)
	if mine := fmt.Sprintf("%x", own); majority == "" || majority == mine {
		return nil, fmt.Errorf("at index %d this node has %s, the majority %q, whatever node %d says", index, mine, majority, peer)
	}
	if err := holdpoint.Step("differs-note", func() error { return os.WriteFile(n.config.differsFile(), fmt.Appendln(nil, index), 0o600) }); err != nil {
		n.log.Warn("the next start will not know that this node's state differs", "error", err)
	}
	time.AfterFunc(differAnswer, func() { n.fail(n.config.differs(index)) }) // after the answer has gone out
	return nil, nil
}

// Digest has every member hash its state at one index, and those that differ from the majority stop.
func (c adminChecks) Digest(ctx context.Context) (client.DigestReport, error) {
	result, err := c.replica.Propose(ctx, &fsm.DigestState{})
	if err != nil {
		return client.DigestReport{}, err
	}
	out := client.DigestReport{Index: result.Index, Agreed: true}
	out.Nodes, out.Majority = c.calls.compare(ctx, result.Index)
	first := ""
	for _, n := range out.Nodes {
		if first == "" {
			first = n.Digest
		}
		out.Agreed = out.Agreed && (n.Digest == "" || n.Digest == first)
	}
	for i := range out.Nodes {
		n := &out.Nodes[i]
		if n.Digest == "" || out.Majority == "" || n.Digest == out.Majority {
			continue
		}
		n.Differ = true
		if _, err := c.cluster.Call(ctx, n.Number, callDiffers, fsmIndex(result.Index)); err != nil {
			n.Error = "it does not stop: " + err.Error()
		} else {
			n.Stopped = true
		}
	}
	return out, nil
}
