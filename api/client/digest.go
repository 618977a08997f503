package client

// DigestReport is every node's digest of the replicated state at one index (POST cluster/digest).
type DigestReport struct {
	Index  uint64       `json:"index"`
	Agreed bool         `json:"agreed"` // all that answered gave the same
	Nodes  []NodeDigest `json:"nodes"`
}

// NodeDigest is one node's answer.
type NodeDigest struct {
	Number uint32 `json:"number"`
	Digest string `json:"digest,omitempty"` // hex
	Error  string `json:"error,omitempty"`  // why there is none
	Differ bool   `json:"differ,omitempty"` // it is of the minority, which stops serving
}

// DigestRequest asks for it. It has no fields.
type DigestRequest struct{}
