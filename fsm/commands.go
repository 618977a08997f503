package fsm

// Kind numbers a command in the log. Numbers are forever.
type Kind uint8

// The commands.
const (
	KindBootstrap         Kind = 1
	KindRegisterUnit      Kind = 2
	KindSubmitOrder       Kind = 3
	KindSubmitStatement   Kind = 4
	KindSubmitApproval    Kind = 5
	KindAssignPartitions  Kind = 6
	KindPutBatch          Kind = 7
	KindFenceUnit         Kind = 8
	KindRepairBlob        Kind = 9
	KindCreateKey         Kind = 10
	KindAddKeyVersion     Kind = 11
	KindUpdateKey         Kind = 12
	KindDeleteKey         Kind = 13
	KindRestoreKey        Kind = 14
	KindPurgeKey          Kind = 15
	KindSweepPurged       Kind = 16
	KindCreateAPIKey      Kind = 17
	KindDeleteAPIKey      Kind = 18
	KindCreateToken       Kind = 19
	KindUseToken          Kind = 20
	KindRevokeToken       Kind = 21
	KindDigest            Kind = 22
	KindRaiseFeatureLevel Kind = 23
	KindRemoveUnit        Kind = 24
	KindPaceRewrap        Kind = 25
	KindCreateKeys        Kind = 26
	KindDisownStatement   Kind = 27
	KindGroup             Kind = 28
	KindClearCurrent      Kind = 29
)

// A Command is a log entry's meaning. The implementations are the pointers to
// the structs in this file and in commands_keys.go; each is proposed with
// everything already chosen.
type Command interface{ Kind() Kind }

// Bootstrap founds the cluster: the first command of its log. With APIKey it
// also makes the first key of role Manager, so that the secret can be shown
// once. Refused with ErrAlreadyBootstrapped.
type Bootstrap struct {
	Cluster      ID            `cbor:"1,keyasint"`
	Incarnation  uint32        `cbor:"2,keyasint"` // 1 for a new cluster
	Instance     ID            `cbor:"3,keyasint"`
	FeatureLevel uint32        `cbor:"4,keyasint"`
	At           Time          `cbor:"5,keyasint"`
	APIKey       *APIKeyRecord `cbor:"6,keyasint,omitempty"`
}

// RegisterUnit makes a unit known, or refreshes what is known of it: every
// node proposes it at start, when its addresses change, and before an order,
// which is judged by the reports of all units. Report is the unit's signed
// report (DER), at a generation not below the unit's last. A unit that was
// never enrolled may change its identity; an enrolled one may not
// (ErrIdentityChanged). A lower generation is ErrRolledBack.
type RegisterUnit struct {
	Number   uint32   `cbor:"1,keyasint"`
	Identity Identity `cbor:"2,keyasint"`
	Role     Role     `cbor:"3,keyasint"`
	Location string   `cbor:"4,keyasint"`
	API      string   `cbor:"5,keyasint"` // host:port of the node's API
	Report   []byte   `cbor:"6,keyasint"` // SignedStatement, kind report
	DiskFree uint64   `cbor:"7,keyasint"` // bytes; 0 when not measured
	At       Time     `cbor:"8,keyasint"`
}

// SubmitOrder puts an order (SignedOrder, DER) to the state: rotations and the
// like open, cancel and settle name the open one, all other kinds are done in
// this entry. The proposer has checked the signatures. Short lists the units
// whose disk has no room for a second epoch, as the proposer measured.
// Submitting the same order again is success.
type SubmitOrder struct {
	Order []byte   `cbor:"1,keyasint"`
	At    Time     `cbor:"2,keyasint"`
	Short []uint32 `cbor:"3,keyasint,omitempty"`
}

// SubmitStatement brings a unit's statement (SignedStatement, DER); with a
// generated statement also one envelope (DER) for every unit the order names
// that loads. Submitting what the state already has is success.
type SubmitStatement struct {
	Statement []byte   `cbor:"1,keyasint"`
	Envelopes [][]byte `cbor:"2,keyasint,omitempty"`
	At        Time     `cbor:"3,keyasint"`
}

// SubmitApproval brings administrators' signatures at commit or activation
// (Approval, DER). One that the state already has is success.
type SubmitApproval struct {
	Order    Digest `cbor:"1,keyasint"`
	Approval []byte `cbor:"2,keyasint"`
	At       Time   `cbor:"3,keyasint"`
}

// AssignPartitions is the leader's: who writes and who verifies which
// partition, which partitions begin again, and which units are silent. All of
// it is accepted or none.
type AssignPartitions struct {
	Order       Digest       `cbor:"1,keyasint"`
	Assignments []Assignment `cbor:"2,keyasint"`
	// Silent replaces the list of units that the leader hears nothing from.
	// A rotation is blocked when every unit but these failed to open every
	// blob that is in question.
	Silent []uint32 `cbor:"3,keyasint,omitempty"`
	At     Time     `cbor:"4,keyasint"`
}

// Assignment changes one partition.
type Assignment struct {
	Partition uint32 `cbor:"1,keyasint"`
	// Lease is the lease number that the leader saw: refused with
	// ErrStaleLease if it has moved.
	Lease uint64 `cbor:"2,keyasint"`
	// Owner, unless 0, becomes the owner under the lease number Lease+1 (also
	// when it is the same unit).
	Owner uint32 `cbor:"3,keyasint"`
	// Verifier, unless 0, is asked to verify. A hint: any unit's verified
	// statement counts, if it wrote none of the partition in this pass.
	Verifier uint32 `cbor:"4,keyasint"`
	// Reset deletes the partition of the next epoch, raises the pass, sets
	// the cursor back and voids the partition's verified statements.
	Reset bool `cbor:"5,keyasint,omitempty"`
}

// PutBatch is one rewrapped batch of a partition: numbers From to To-1 of
// 1..N, all blobs the current epoch has there, rewrapped, as one table (see
// BuildTable) in the entry's Extensions. Accepted if order, lease and pass are
// current and From is the cursor; then the cursor is To. A To at or before the
// cursor under the same lease and pass is success. A range without a blob has
// Count 0, no Extensions, and a zero Table and Size.
type PutBatch struct {
	Order     Digest   `cbor:"1,keyasint"`
	Partition uint32   `cbor:"2,keyasint"`
	Pass      uint32   `cbor:"3,keyasint"`
	Lease     uint64   `cbor:"4,keyasint"`
	From      uint64   `cbor:"5,keyasint"`
	To        uint64   `cbor:"6,keyasint"` // exclusive
	Table     [32]byte `cbor:"7,keyasint"` // SHA-256 of the table
	Size      uint32   `cbor:"8,keyasint"` // bytes, at most MaxTableSize
	Count     uint32   `cbor:"9,keyasint"` // blobs, at most MaxTableCount
	Counts    Counts   `cbor:"10,keyasint"`
}

// FenceUnit leaves behind a unit that the leader has heard no awaited
// statement from within the fence time. Accepted only while the rotation is
// activating or cancelling and the unit's statement is awaited.
type FenceUnit struct {
	Order Digest `cbor:"1,keyasint"`
	Unit  uint32 `cbor:"2,keyasint"`
	At    Time   `cbor:"3,keyasint"`
}

// RepairBlob carries the bytes of a blob that opened on some unit's replica,
// to change the replicas whose bytes differ. The key and its version show
// that the blob exists; Epoch is the current one or, while pairs are asked
// for, the next. It ends the question whether the blob opens.
type RepairBlob struct {
	Key     ID     `cbor:"1,keyasint"`
	Version uint32 `cbor:"2,keyasint"`
	Epoch   uint64 `cbor:"3,keyasint"`
	Number  uint64 `cbor:"4,keyasint"`
	Blob    []byte `cbor:"5,keyasint"`
}

// Digest asks every node to hash its whole state at this entry's index (see
// Store.DigestAt). The result's Index is that index.
type DigestState struct{}

// RaiseFeatureLevel lets proposers emit what older nodes do not understand,
// once every member has reported that it does.
type RaiseFeatureLevel struct {
	Level uint32 `cbor:"1,keyasint"`
}

// RemoveUnit forgets a unit that no order has enrolled, or that an order of
// kind remove has removed. Refused with ErrOrderOpen while an order is open.
type RemoveUnit struct {
	Number uint32 `cbor:"1,keyasint"`
}

// PaceRewrap is what operators ask of every unit that rewraps: to pause, to go
// on, to keep to a rate. What is nil stays as it was. It is bound to the open
// rotation: ErrNotRewrapping once everything is verified, and where the order
// has nothing to rewrap. It stalls and nothing else: it changes no key and
// bars no cancel.
type PaceRewrap struct {
	Order  Digest  `cbor:"1,keyasint"`
	Paused *bool   `cbor:"2,keyasint,omitempty"`
	Rate   *uint64 `cbor:"3,keyasint,omitempty"` // keys a second of all units together; 0: no limit
	By     string  `cbor:"4,keyasint"`
	At     Time    `cbor:"5,keyasint"`
}

// DisownStatement takes back what somebody else had the state believe of a
// unit: its own node proposes it where it finds that the statement which the
// state holds as the unit's last (Unit.Stated) does not bear the unit's
// signature. The unit's generation is that of its report again. The state
// believes it as it believes every statement: unchecked. It refuses
// ErrStatementConflict if its last is another statement.
type DisownStatement struct {
	Number   uint32   `cbor:"1,keyasint"`
	Identity Identity `cbor:"2,keyasint"`
	Stated   Digest   `cbor:"3,keyasint"` // SHA-256 of Unit.Stated
	Report   []byte   `cbor:"4,keyasint"` // SignedStatement, kind report
	At       Time     `cbor:"5,keyasint"`
}

// ClearCurrent has a unit empty its current register: Approval is a quorum's
// for that unit at its present generation (SignedApproval, DER, of the step
// clear-current), whose signatures the proposer has checked. The unit's own
// node hands it to the unit, once this entry is applied. Refused while an
// order is open, with ErrLastHolder if no other unit would hold the master
// key, with ErrGeneration if the unit has written its file since. The same
// again is success.
type ClearCurrent struct {
	Approval []byte `cbor:"1,keyasint"`
	At       Time   `cbor:"2,keyasint"`
}

// Kind is 1.
func (*Bootstrap) Kind() Kind { return KindBootstrap }

// Kind is 2.
func (*RegisterUnit) Kind() Kind { return KindRegisterUnit }

// Kind is 3.
func (*SubmitOrder) Kind() Kind { return KindSubmitOrder }

// Kind is 4.
func (*SubmitStatement) Kind() Kind { return KindSubmitStatement }

// Kind is 5.
func (*SubmitApproval) Kind() Kind { return KindSubmitApproval }

// Kind is 6.
func (*AssignPartitions) Kind() Kind { return KindAssignPartitions }

// Kind is 7.
func (*PutBatch) Kind() Kind { return KindPutBatch }

// Kind is 8.
func (*FenceUnit) Kind() Kind { return KindFenceUnit }

// Kind is 9.
func (*RepairBlob) Kind() Kind { return KindRepairBlob }

// Kind is 22.
func (*DigestState) Kind() Kind { return KindDigest }

// Kind is 23.
func (*RaiseFeatureLevel) Kind() Kind { return KindRaiseFeatureLevel }

// Kind is 24.
func (*RemoveUnit) Kind() Kind { return KindRemoveUnit }

// Kind is 25.
func (*PaceRewrap) Kind() Kind { return KindPaceRewrap }

// Kind is 27.
func (*DisownStatement) Kind() Kind { return KindDisownStatement }

// Kind is 29.
func (*ClearCurrent) Kind() Kind { return KindClearCurrent }
