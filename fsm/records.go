package fsm

// Cluster is the control record of the cluster as a whole.
type Cluster struct {
	ID             ID      `cbor:"1,keyasint"`
	Incarnation    uint32  `cbor:"2,keyasint"`
	Instance       ID      `cbor:"3,keyasint"`
	FeatureLevel   uint32  `cbor:"4,keyasint"`
	Founded        Time    `cbor:"5,keyasint"`
	LastOrder      uint64  `cbor:"6,keyasint"` // highest number of an accepted order
	Administrators []byte  `cbor:"7,keyasint"` // order.Administrators (DER) that units are to have; empty before an init
	Pattern        Pattern `cbor:"8,keyasint"` // of the current master key; zero before an init is flipped
	Epochs         Epochs  `cbor:"9,keyasint"`
	NextBlob       uint64  `cbor:"10,keyasint"` // number of the next blob, from 1
	Census         Counts  `cbor:"11,keyasint"` // the current epoch's blobs
	Purging        uint64  `cbor:"12,keyasint"` // purged keys that SweepPurged has yet to remove
	Version        uint64  `cbor:"13,keyasint"` // index of the last entry that Watch reports
	// Retired are former master keys that recovery units keep, oldest first.
	Retired []RetiredKey `cbor:"14,keyasint,omitempty"`
}

// RetiredKey is a former master key.
type RetiredKey struct {
	Pattern   Pattern  `cbor:"1,keyasint"`
	Since     Time     `cbor:"2,keyasint"` // the flip that replaced it
	Units     []uint32 `cbor:"3,keyasint"` // recovery units that keep it, as far as they have said
	Destroyed uint64   `cbor:"4,keyasint"` // number of the order that destroys it; 0: none yet
}

// Epochs are the cluster's epoch numbers; none is ever used again.
type Epochs struct {
	Current uint64 `cbor:"1,keyasint"` // 0 before there is a master key
	Next    uint64 `cbor:"2,keyasint"` // open while pairs are asked for, else 0
	Old     uint64 `cbor:"3,keyasint"` // what a flip left and completion removes, else 0
	Last    uint64 `cbor:"4,keyasint"` // highest number ever opened
}

// Unit is what the state knows of a crypto unit.
type Unit struct {
	Number     uint32   `cbor:"1,keyasint"`
	Role       Role     `cbor:"2,keyasint"`
	Identity   Identity `cbor:"3,keyasint"`
	Location   string   `cbor:"4,keyasint"`
	API        string   `cbor:"5,keyasint"`
	Report     []byte   `cbor:"6,keyasint"`  // its last signed report, DER
	Generation uint64   `cbor:"7,keyasint"`  // highest that it stated
	Enrolled   Digest   `cbor:"8,keyasint"`  // order that enrolled it; zero: none did
	Removed    Digest   `cbor:"9,keyasint"`  // order that removed it; zero: none did
	Fenced     Digest   `cbor:"10,keyasint"` // order that left it behind; zero: not fenced
	DiskFree   uint64   `cbor:"11,keyasint"`
	Seen       Time     `cbor:"12,keyasint"` // last RegisterUnit
	// Stated is what brought it to Generation: a report or a statement, DER, whose signature nobody has checked yet. Its own
	// node does, before it believes that its unit was rolled back.
	Stated []byte `cbor:"13,keyasint,omitempty"`
	// Clear is the approval (SignedApproval, DER) by which the unit is to empty its current register; nothing once it has
	// written its file since.
	Clear []byte `cbor:"14,keyasint,omitempty"`
}

// IsEnrolled is true when an order named the unit and none removed it.
func (u Unit) IsEnrolled() bool { return u.Enrolled != Digest{} && u.Removed == Digest{} }

// IsFenced is true when a rotation left the unit behind.
func (u Unit) IsFenced() bool { return u.Fenced != Digest{} }

// KeyMetadata is what callers may change of a key.
type KeyMetadata struct {
	Name        string   `cbor:"1,keyasint"`
	Description string   `cbor:"2,keyasint"`
	KeyRing     string   `cbor:"3,keyasint"`
	Aliases     []string `cbor:"4,keyasint,omitempty"` // unique in the cluster
	Tags        []string `cbor:"5,keyasint,omitempty"`
	Extractable bool     `cbor:"6,keyasint"`
	Expires     Time     `cbor:"7,keyasint"`
	Extra       []byte   `cbor:"8,keyasint,omitempty"` // the caller's own; opaque here
}

// Key is a key's record. The material lies in blobs, by number.
type Key struct {
	ID       ID           `cbor:"1,keyasint"`
	Class    Class        `cbor:"2,keyasint"`
	Metadata KeyMetadata  `cbor:"3,keyasint"`
	State    KeyState     `cbor:"4,keyasint"`
	Versions []KeyVersion `cbor:"5,keyasint"` // ascending; the last is current
	Record   uint64       `cbor:"6,keyasint"` // record version, from 1
	Created  Stamp        `cbor:"7,keyasint"`
	Updated  Stamp        `cbor:"8,keyasint"`
	Deleted  Stamp        `cbor:"9,keyasint"`  // zero unless state 5
	Before   KeyState     `cbor:"10,keyasint"` // state before deletion
	Purged   bool         `cbor:"11,keyasint"`
}

// Current is the current version.
func (k *Key) Current() KeyVersion {
	if len(k.Versions) == 0 {
		return KeyVersion{}
	}
	return k.Versions[len(k.Versions)-1]
}

// Stamp says who did something, and when.
type Stamp struct {
	At Time   `cbor:"1,keyasint"`
	By string `cbor:"2,keyasint"`
}

// KeyVersion is one material of a key.
type KeyVersion struct {
	Number   uint32 `cbor:"1,keyasint"` // from 1
	ID       ID     `cbor:"2,keyasint"` // version 1 has the key's id
	Blob     uint64 `cbor:"3,keyasint"` // blob number
	Imported bool   `cbor:"4,keyasint"`
	Created  Stamp  `cbor:"5,keyasint"`
}

// BlobRecord is a wrapped blob with its number and class.
type BlobRecord struct {
	Number uint64
	Class  Class
	Blob   []byte
}

// APIKeyRecord is an API key; the state never holds its secret.
type APIKeyRecord struct {
	ID      ID       `cbor:"1,keyasint"`
	Name    string   `cbor:"2,keyasint"`
	Role    string   `cbor:"3,keyasint"` // Manager, Writer or Reader
	Hash    [32]byte `cbor:"4,keyasint"` // of the secret
	Created Stamp    `cbor:"5,keyasint"`
}

// TokenRecord is a join token; the state holds its hash alone.
type TokenRecord struct {
	ID      ID       `cbor:"1,keyasint"`
	Hash    [32]byte `cbor:"2,keyasint"`
	Unit    uint32   `cbor:"3,keyasint"` // the unit that may use it; 0: any
	Expires Time     `cbor:"4,keyasint"`
	Created Stamp    `cbor:"5,keyasint"`
	Used    Time     `cbor:"6,keyasint"` // 0: not yet
	UsedBy  uint32   `cbor:"7,keyasint"`
}
