package client

import "time"

// Status is what one node knows of itself and of the cluster (GET status).
type Status struct {
	Node    NodeStatus    `json:"node"`    // the node that answered
	Cluster ClusterStatus `json:"cluster"` // the replicated state, as that node has applied it

	Service  ServiceStatus    `json:"service"`            // what callers are refused now
	Rotation *RotationSummary `json:"rotation,omitempty"` // the open order, if any
	Retired  []RetiredKey     `json:"retired,omitempty"`  // former master keys that recovery units keep
	Warnings []string         `json:"warnings,omitempty"` // for people
}

// NodeStatus is one node.
type NodeStatus struct {
	Number       uint32    `json:"number"`
	Role         string    `json:"role"` // operational | recovery
	Location     string    `json:"location,omitempty"`
	Version      string    `json:"version"`
	StartedAt    time.Time `json:"started_at"`
	Ready        bool      `json:"ready"`
	NotReady     string    `json:"not_ready,omitempty"` // why not
	AppliedIndex uint64    `json:"applied_index"`
	Converged    bool      `json:"converged"` // the unit's registers are what the state wants
	Disk         Disk      `json:"disk"`
}

// Disk is the space that is left for a node's data folder, in bytes.
type Disk struct {
	Free     uint64 `json:"free"`
	LowMark  uint64 `json:"low_mark"`
	Low      bool   `json:"low"`      // below the mark: new keys are refused and no node rewraps
	Reserved uint64 `json:"reserved"` // the reserve that is kept; 0: given up
}

// ClusterStatus is the cluster's identity and contents. Bootstrapped is false on a node that belongs to none yet.
type ClusterStatus struct {
	Bootstrapped   bool        `json:"bootstrapped"`
	ID             string      `json:"id,omitempty"`
	Incarnation    uint32      `json:"incarnation"` // 0: not bootstrapped
	Instance       string      `json:"instance,omitempty"`
	Leader         uint32      `json:"leader"` // 0: none known
	Members        int         `json:"members"`
	Alive          int         `json:"alive"`
	FeatureLevel   uint32      `json:"feature_level"`
	Initialised    bool        `json:"initialised"` // there is a master key
	CurrentPattern string      `json:"current_pattern,omitempty"`
	Epoch          uint64      `json:"epoch"`
	Blobs          ClassCounts `json:"blobs"` // the census of the current epoch
}

// ServiceStatus tells what is refused at the moment, and why.
type ServiceStatus struct {
	Refused []string `json:"refused"` // create, import, wrap…; empty when everything is served
	Reason  string   `json:"reason,omitempty"`
}

// RotationSummary is one line about the open order.
type RotationSummary struct {
	Digest  string  `json:"digest"`
	Number  uint64  `json:"number"`
	Kind    string  `json:"kind"`
	State   string  `json:"state"`
	Percent float64 `json:"percent"`
	Waiting string  `json:"waiting,omitempty"`
}

// RetiredKey is a former master key, kept to restore old backups until a quorum destroys it.
type RetiredKey struct {
	Pattern string    `json:"pattern"`
	Since   time.Time `json:"since"`
	Units   []uint32  `json:"units"` // recovery units that keep it, as far as they have said
	// DestroyedBy is the number of the order that destroys it: Units have yet to carry that out. 0: none.
	DestroyedBy uint64 `json:"destroyed_by,omitempty"`
}

// ClassCounts counts keys (blobs) by class.
type ClassCounts struct {
	SystemInternal uint64 `json:"system_internal"`
	KMS            uint64 `json:"kms"`
	EP11           uint64 `json:"ep11"`
}

// Total is the sum over the classes.
func (c ClassCounts) Total() uint64 { return c.SystemInternal + c.KMS + c.EP11 }
