package client

import "time"

// OrderContext is what a workstation needs to make an order (GET orders/context). A workstation checks the identities
// against those it has pinned: the answer proposes, it does not decide.
type OrderContext struct {
	Cluster     string `json:"cluster"`
	Incarnation uint32 `json:"incarnation"`
	Instance    string `json:"instance"`

	NextNumber     uint64      `json:"next_number"`
	CurrentPattern string      `json:"current_pattern,omitempty"` // empty before init
	Units          []OrderUnit `json:"units"`                     // every unit of the instance, by number
	Administrators []byte      `json:"administrators,omitempty"`  // DER; empty before the first are set

	Open *OpenOrder `json:"open,omitempty"` // an order under way: only cancel and settle are accepted
	Now  time.Time  `json:"now"`            // the node's clock, for not-after
}

// OrderUnit is a unit as an order names it.
type OrderUnit struct {
	Number   uint32 `json:"number"`
	Role     string `json:"role"`     // operational | recovery
	Identity []byte `json:"identity"` // Ed25519 public key, 32 bytes
	Enrolled bool   `json:"enrolled"`
	Alive    bool   `json:"alive"`
	Fenced   bool   `json:"fenced"`
}

// OpenOrder is the order under way.
type OpenOrder struct {
	Digest  string `json:"digest"`
	Number  uint64 `json:"number"`
	Kind    string `json:"kind"`
	State   string `json:"state"`
	Pattern string `json:"pattern,omitempty"` // of the new key, once generated
	Order   []byte `json:"order"`             // the SignedOrder, DER
}

// SubmitOrderRequest hands a signed order in (POST orders): init, rotate, recover, enrol, remove, administrators, settle,
// restore, destroy-retired and cancel.
type SubmitOrderRequest struct {
	Order []byte `json:"order"` // SignedOrder, DER
}

// SubmittedOrder is the answer: the state has accepted the order. Handing in the same order again gives the same answer.
type SubmittedOrder struct {
	Digest string `json:"digest"`
	Number uint64 `json:"number"`
	Kind   string `json:"kind"`
	State  string `json:"state"` // of the rotation after it
}

// ApprovalRequest hands in an administrator's signature for the step that an open order holds (POST
// orders/{digest}/approvals): commit, activate, set-immediate.
type ApprovalRequest struct {
	Approval []byte `json:"approval"` // Approval, DER
}

// DryRunRequest asks whether a rotation would go through (POST dry-run). It has no fields.
type DryRunRequest struct{}

// DryRun is the answer: every blob of the current epoch was opened, and every precondition looked at; nothing was
// generated or changed.
type DryRun struct {
	Ready      bool          `json:"ready"`
	Keys       ClassCounts   `json:"keys"`
	Opened     uint64        `json:"opened"`
	Unopenable []BlockedBlob `json:"unopenable"`
	Refusals   []Error       `json:"refusals"` // preconditions that do not hold
	Seconds    float64       `json:"seconds"`  // that opening the keys took, in the unit of the node that answers
	Estimate   *Estimate     `json:"estimate,omitempty"`
}

// What an estimate goes by.
const (
	// EstimateRotation: the rate of an earlier rotation of this cluster, from its first key to the flip.
	EstimateRotation = "rotation"
	// EstimateOpening: opening every key just now. It is a lower bound: the log and its disks are not in it.
	EstimateOpening = "opening"
)

// Estimate is how long a rotation would rewrap and verify the keys that there are, by what was measured.
type Estimate struct {
	Seconds       float64 `json:"seconds"`
	KeysPerSecond float64 `json:"keys_per_second"`
	Basis         string  `json:"basis"`           // EstimateRotation or EstimateOpening
	Order         uint64  `json:"order,omitempty"` // the rotation that was measured
}
