package fsm

import "slices"

// Rotation is the record of an init, rotate or recover order under way or
// done. Its statements are read through View.Receipt.
type Rotation struct {
	Order    Digest        `cbor:"1,keyasint"`
	Number   uint64        `cbor:"2,keyasint"` // the order's
	State    RotationState `cbor:"3,keyasint"`
	Resume   RotationState `cbor:"4,keyasint"` // blocked: what it goes back to
	Plan     Plan          `cbor:"5,keyasint"`
	From     Pattern       `cbor:"6,keyasint"` // current master key when it began
	To       Pattern       `cbor:"7,keyasint"` // the new one; zero until generated
	Silent   []uint32      `cbor:"8,keyasint,omitempty"`
	Bad      []BadBlob     `cbor:"9,keyasint,omitempty"` // blobs in question, by number
	Done     Counts        `cbor:"10,keyasint"`          // rewrapped so far, in the present passes
	Verified Counts        `cbor:"11,keyasint"`
	Opened   Time          `cbor:"12,keyasint"`
	Flipped  Time          `cbor:"13,keyasint"`
	Closed   Time          `cbor:"14,keyasint"`
	Cancel   Digest        `cbor:"15,keyasint"` // the order that cancelled it
	Rewrap   Rewrap        `cbor:"16,keyasint"`
	Pace     *Pace         `cbor:"17,keyasint,omitempty"` // nil: as fast as it goes
}

// Plan is what the order asks for, as far as the state goes by it.
type Plan struct {
	Kind         string   `cbor:"1,keyasint"` // init, rotate or recover
	Policy       string   `cbor:"2,keyasint"` // documented or online
	Generator    uint32   `cbor:"3,keyasint"` // 0: key parts
	Units        []uint32 `cbor:"4,keyasint"` // every unit that the order names, ascending
	Loads        []uint32 `cbor:"5,keyasint"` // those that load (for recover: the targets)
	SignedCommit bool     `cbor:"6,keyasint"`
	Hold         bool     `cbor:"7,keyasint"` // activation is signed
}

// Rewrap is the fixed range that a rotation covers and how far it is.
type Rewrap struct {
	N          uint64      `cbor:"1,keyasint"` // blobs 1..N
	Epoch      uint64      `cbor:"2,keyasint"` // the next epoch
	Census     Counts      `cbor:"3,keyasint"` // when it began, less what was set aside
	Partitions []Partition `cbor:"4,keyasint,omitempty"`
	Started    Time        `cbor:"5,keyasint"`
}

// Partition is one range of 1..N and where its rewrap stands.
type Partition struct {
	Index    uint32   `cbor:"1,keyasint"` // from 0
	From     uint64   `cbor:"2,keyasint"` // first number
	End      uint64   `cbor:"3,keyasint"` // one past the last number
	Cursor   uint64   `cbor:"4,keyasint"` // next number to write; End: written
	Pass     uint32   `cbor:"5,keyasint"` // from 1
	Lease    uint64   `cbor:"6,keyasint"` // 0: no owner yet
	Owner    uint32   `cbor:"7,keyasint"`
	Verifier uint32   `cbor:"8,keyasint"` // asked to verify; 0: nobody yet
	Verified uint32   `cbor:"9,keyasint"` // by which unit, in this pass; 0: not yet
	Done     Counts   `cbor:"10,keyasint"`
	Writers  []uint32 `cbor:"11,keyasint,omitempty"` // owners that wrote in this pass
	Writes   uint64   `cbor:"12,keyasint"`           // index of the last accepted batch
}

// Written is true when every number of the partition is in the next epoch.
func (p Partition) Written() bool { return p.Cursor == p.End }

// BadBlob is a blob of the current epoch that some units could not open.
type BadBlob struct {
	Number uint64   `cbor:"1,keyasint"`
	Units  []uint32 `cbor:"2,keyasint"` // ascending
}

// opensNowhere: every unit of the order that is heard of failed to open the blob.
func (r *Rotation) opensNowhere(bad BadBlob) bool {
	for _, n := range r.Plan.Units {
		if !slices.Contains(bad.Units, n) && !slices.Contains(r.Silent, n) {
			return false
		}
	}
	return true
}

// OrderRecord is an accepted order of any kind.
type OrderRecord struct {
	Number uint64 `cbor:"1,keyasint"`
	Digest Digest `cbor:"2,keyasint"`
	Kind   string `cbor:"3,keyasint"`
	Order  []byte `cbor:"4,keyasint"` // SignedOrder, DER
	Names  Digest `cbor:"5,keyasint"` // cancel, settle: the order it names
	Index  uint64 `cbor:"6,keyasint"` // of the entry that accepted it
	At     Time   `cbor:"7,keyasint"`
	// Administrators is the list (DER) that signed it.
	Administrators []byte `cbor:"8,keyasint"`
	// Related are the orders that name this one, by acceptance: settles and a cancel.
	Related []Digest `cbor:"9,keyasint,omitempty"`
}

// Receipt is the evidence of one rotation as auditors and units get it: the
// order, what cancelled or settled in it, its statements in the order in which
// the state accepted them, and approvals. All DER.
type Receipt struct {
	Order          []byte
	Administrators []byte
	Statements     [][]byte
	Approvals      [][]byte
	Settles        [][]byte
	Cancel         []byte // empty unless cancelled
}
