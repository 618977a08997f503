package fsm

// Material is the wrapped material of one key version, as it travels in a
// command. Outside a rotation it is one blob under the current pattern. From
// the entry that starts the rewrap until the flip or the cancel it is a pair:
// the same material under the current and under the new pattern, in that
// order. View.ServiceState says which, and what Order is; anything else is
// refused with ErrSealAgain: read the state and seal again.
type Material struct {
	// Order is the order that asks for pairs; zero when none does.
	Order Digest        `cbor:"1,keyasint"`
	Blobs []PatternBlob `cbor:"2,keyasint"`
}

// PatternBlob is a wrapped blob and the master key that it is sealed under.
type PatternBlob struct {
	Pattern Pattern `cbor:"1,keyasint"`
	Blob    []byte  `cbor:"2,keyasint"`
}

// CreateKey creates or imports a key with its first version.
// Refused with ErrKeyExists, ErrAliasTaken, ErrSealAgain and, in a rotation of
// policy documented, ErrMasterKeyRotationInProgress. The result has Blob and
// Version (of the record, 1).
type CreateKey struct {
	Key      ID          `cbor:"1,keyasint"`
	Class    Class       `cbor:"2,keyasint"`
	Metadata KeyMetadata `cbor:"3,keyasint"`
	State    KeyState    `cbor:"4,keyasint"`
	Material Material    `cbor:"5,keyasint"`
	Imported bool        `cbor:"6,keyasint"`
	By       string      `cbor:"7,keyasint"`
	At       Time        `cbor:"8,keyasint"`
}

// AddKeyVersion gives a key new material: a new version and a new blob number.
// Record is the record version that the proposer read. With Replaces the
// material takes the place of an existing version whose blob a settle order
// has set aside; the proposer has checked that it is the same.
type AddKeyVersion struct {
	Key      ID       `cbor:"1,keyasint"`
	Record   uint64   `cbor:"2,keyasint"`
	Version  ID       `cbor:"3,keyasint"` // the new version's id
	Material Material `cbor:"4,keyasint"`
	Imported bool     `cbor:"5,keyasint"`
	Replaces uint32   `cbor:"6,keyasint,omitempty"`
	By       string   `cbor:"7,keyasint"`
	At       Time     `cbor:"8,keyasint"`
}

// UpdateKey replaces the metadata and state of a key whose record still has
// the version Record, else ErrRecordChanged. It cannot set KeyDestroyed.
type UpdateKey struct {
	Key      ID          `cbor:"1,keyasint"`
	Record   uint64      `cbor:"2,keyasint"`
	Metadata KeyMetadata `cbor:"3,keyasint"`
	State    KeyState    `cbor:"4,keyasint"`
	By       string      `cbor:"5,keyasint"`
	At       Time        `cbor:"6,keyasint"`
}

// DeleteKey sets state 5 (destroyed) and keeps the material. Record, unless 0,
// is the record version that the proposer read.
type DeleteKey struct {
	Key    ID     `cbor:"1,keyasint"`
	Record uint64 `cbor:"2,keyasint"`
	By     string `cbor:"3,keyasint"`
	At     Time   `cbor:"4,keyasint"`
}

// RestoreKey takes a deleted key back to the state it had.
type RestoreKey struct {
	Key    ID     `cbor:"1,keyasint"`
	Record uint64 `cbor:"2,keyasint"`
	By     string `cbor:"3,keyasint"`
	At     Time   `cbor:"4,keyasint"`
}

// PurgeKey marks a deleted key: from then on it is not found. SweepPurged
// removes its blobs.
type PurgeKey struct {
	Key    ID     `cbor:"1,keyasint"`
	Record uint64 `cbor:"2,keyasint"`
	By     string `cbor:"3,keyasint"`
	At     Time   `cbor:"4,keyasint"`
}

// SweepPurged removes the records and blobs, those set aside too, of up to
// Limit purged keys (at most MaxSweep). Refused with the retriable
// ErrSweepLater while an order is open. The result has Count.
type SweepPurged struct {
	Limit uint32 `cbor:"1,keyasint"`
}

// CreateAPIKey adds an API key; the state holds only a hash of its secret.
type CreateAPIKey struct {
	APIKey APIKeyRecord `cbor:"1,keyasint"`
}

// DeleteAPIKey removes an API key.
type DeleteAPIKey struct {
	ID ID `cbor:"1,keyasint"`
}

// CreateToken adds a one-time join token; the state holds only its hash.
type CreateToken struct {
	Token TokenRecord `cbor:"1,keyasint"`
}

// UseToken spends a token, once, for unit Unit. At, the proposer's time,
// decides whether it has expired.
type UseToken struct {
	ID   ID       `cbor:"1,keyasint"`
	Hash [32]byte `cbor:"2,keyasint"`
	Unit uint32   `cbor:"3,keyasint"`
	At   Time     `cbor:"4,keyasint"`
}

// RevokeToken removes a token, spent or not.
type RevokeToken struct {
	ID ID `cbor:"1,keyasint"`
}

// Kind is 10.
func (*CreateKey) Kind() Kind { return KindCreateKey }

// Kind is 11.
func (*AddKeyVersion) Kind() Kind { return KindAddKeyVersion }

// Kind is 12.
func (*UpdateKey) Kind() Kind { return KindUpdateKey }

// Kind is 13.
func (*DeleteKey) Kind() Kind { return KindDeleteKey }

// Kind is 14.
func (*RestoreKey) Kind() Kind { return KindRestoreKey }

// Kind is 15.
func (*PurgeKey) Kind() Kind { return KindPurgeKey }

// Kind is 16.
func (*SweepPurged) Kind() Kind { return KindSweepPurged }

// Kind is 17.
func (*CreateAPIKey) Kind() Kind { return KindCreateAPIKey }

// Kind is 18.
func (*DeleteAPIKey) Kind() Kind { return KindDeleteAPIKey }

// Kind is 19.
func (*CreateToken) Kind() Kind { return KindCreateToken }

// Kind is 20.
func (*UseToken) Kind() Kind { return KindUseToken }

// Kind is 21.
func (*RevokeToken) Kind() Kind { return KindRevokeToken }
