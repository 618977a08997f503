package client

// Members is the list of the cluster's members (GET members), as Raft's configuration has it.
type Members struct {
	Members []Member `json:"members"`
}

// Member is one node of the cluster.
type Member struct {
	Number       uint32 `json:"number"`
	Address      string `json:"address"` // Raft and RPC
	Voter        bool   `json:"voter"`
	Leader       bool   `json:"leader"`
	Alive        bool   `json:"alive"`
	AppliedIndex uint64 `json:"applied_index,omitempty"` // 0: not known
	DiskFree     uint64 `json:"disk_free,omitempty"`     // bytes; 0: not known
	DiskLow      bool   `json:"disk_low,omitempty"`      // below the node's low mark
}

// BootstrapRequest makes this node the only member of a new cluster (POST cluster/bootstrap). It has no fields.
type BootstrapRequest struct{}

// Bootstrapped is the new cluster and its first API key (role Manager), which is shown this once only.
type Bootstrapped struct {
	Cluster  string        `json:"cluster"`
	Instance string        `json:"instance"`
	APIKey   CreatedAPIKey `json:"api_key"`
}

// JoinRequest makes this node ask a member's node to be added (POST cluster/join).
type JoinRequest struct {
	Address string `json:"address"` // Raft and RPC address of any member, host:port
	Token   string `json:"token"`   // a join token's secret
}

// RemoveRequest takes a member out (POST cluster/remove).
type RemoveRequest struct {
	Number uint32 `json:"number"`
}

// LeaveRequest makes this node leave (POST cluster/leave). It has no fields.
type LeaveRequest struct{}

// TransferRequest hands leadership over (POST cluster/transfer-leader).
type TransferRequest struct {
	Number uint32 `json:"number"` // 0: whichever member is most up to date
}

// Done is the answer of an endpoint that has nothing else to tell.
type Done struct {
	Message string `json:"message,omitempty"`
}
