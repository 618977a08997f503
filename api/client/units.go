package client

import "time"

// Units is every crypto unit of the instance (GET units): what the state says of it, and its live signed report.
type Units struct {
	Units []Unit `json:"units"`
}

// Unit is one crypto unit. Everything but Report is the node's reading, for show: who decides anything by it verifies
// Report, against an identity that it has pinned.
type Unit struct {
	Number   uint32 `json:"number"`
	Role     string `json:"role"` // operational | recovery
	Location string `json:"location,omitempty"`
	Address  string `json:"address,omitempty"` // API address of its node, if known

	Identity string `json:"identity"` // hex Ed25519 public key: the fingerprint that people compare
	Enrolled bool   `json:"enrolled"` // named by the state's administrators' orders
	Alive    bool   `json:"alive"`    // its node answers
	Fenced   bool   `json:"fenced"`   // left behind by a rotation; converges before it serves
	Stale    bool   `json:"stale"`    // neither register holds the cluster's pattern

	Registers      Registers      `json:"registers"`
	Administrators Administrators `json:"administrators"`
	Generation     uint64         `json:"generation"` // of the unit's sealed file
	LastOrder      uint64         `json:"last_order"`
	OpenOrder      string         `json:"open_order,omitempty"` // digest
	Retired        int            `json:"retired,omitempty"`    // number of retired keys that it keeps

	Report []byte `json:"report,omitempty"` // SignedStatement (kind report), DER; fresh
	Error  string `json:"error,omitempty"`  // why there is no live report; the fields are then the state's last
}

// States of the registers, as commands print them.
const (
	RegisterEmpty           = "Empty"
	RegisterValid           = "Valid"
	RegisterFullUncommitted = "Full Uncommitted"
	RegisterFullCommitted   = "Full Committed"
)

// Registers are a unit's two master-key registers.
type Registers struct {
	Current Register `json:"current"`
	New     Register `json:"new"`
}

// Register is one register: a state, and the pattern of what it holds (empty when it holds nothing).
type Register struct {
	State   string `json:"state"`
	Pattern string `json:"pattern,omitempty"`
}

// Administrators is a list of administrators with its thresholds. A signature threshold of 0 is imprint mode.
type Administrators struct {
	SignatureThreshold  int             `json:"signature_threshold"`
	RevocationThreshold int             `json:"revocation_threshold"`
	List                []Administrator `json:"list"`
}

// ImprintMode tells whether nobody's signature is asked for.
func (a Administrators) ImprintMode() bool { return a.SignatureThreshold == 0 }

// Administrator is one entry of that list.
type Administrator struct {
	Name                 string `json:"name"`
	SubjectKeyIdentifier string `json:"subject_key_identifier"` // hex SHA-256 of the public key
	PublicKey            []byte `json:"public_key"`             // DER, as in the order package
}

// SetAdministratorsRequest installs the first administrators of a unit in imprint mode (POST units/{n}/administrators).
type SetAdministratorsRequest struct {
	Administrators []byte   `json:"administrators"` // DER
	Signatures     [][]byte `json:"signatures"`     // DER, each an order.Signature over that list: the new threshold of them; none if it keeps imprint mode
}

// UnitAnswer is a unit's reading after a change, with its fresh report.
type UnitAnswer struct {
	Unit Unit `json:"unit"`
}

// ZeroizeRequest clears everything in a unit (POST units/{n}/zeroize): registers, retired keys, administrators, identity.
type ZeroizeRequest struct {
	// Approval is an order.SignedApproval (DER) of the unit's own signature threshold, for the unit at its present
	// generation. Absent for a unit in imprint mode.
	Approval []byte `json:"approval,omitempty"`
	// MasterKey is asked for where no other unit that answers holds the master key: its verification pattern.
	MasterKey string `json:"master_key,omitempty"`
}

// Zeroized is a unit that is a new one.
type Zeroized struct {
	Number uint32 `json:"number"`
	Former string `json:"former_identity"` // hex
	// Report is a fresh one, signed by the new identity (SignedStatement, DER): imprint mode, both registers Empty.
	Report []byte `json:"report"`
}

// StatementSeen is the last statement of a unit that the state holds for an order.
type StatementSeen struct {
	Kind       string     `json:"kind"` // ready, generated, loaded, committed, verified, activated, cleared, cannot-open
	Generation uint64     `json:"generation"`
	At         *time.Time `json:"at,omitempty"`
}
