package client

// DigestReport is every node's digest of the replicated state at one index (POST cluster/digest).
type DigestReport struct {
	Index  uint64 `json:"index"`
	Agreed bool   `json:"agreed"` // all that answered gave the same
	// Majority is the digest that more than half of the members have; none: no node can be said to differ.
	Majority string       `json:"majority,omitempty"`
	Nodes    []NodeDigest `json:"nodes"`
}

// NodeDigest is one node's answer.
type NodeDigest struct {
	Number  uint32 `json:"number"`
	Digest  string `json:"digest,omitempty"`  // hex
	Error   string `json:"error,omitempty"`   // why there is none
	Differ  bool   `json:"differ,omitempty"`  // it is of the minority, which stops serving
	Stopped bool   `json:"stopped,omitempty"` // it has compared for itself, and stops
}

// DigestRequest asks for it. It has no fields.
type DigestRequest struct{}
