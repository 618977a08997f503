package order

import (
	"fmt"
	"time"

	"tumbler/cryptounit/masterkey"
)

// Kind is what an order orders.
type Kind uint8

// The kinds. The numbers are forever.
const (
	Init           Kind = 1
	Rotate         Kind = 2
	Recover        Kind = 3
	Enrol          Kind = 4
	Remove         Kind = 5
	Administration Kind = 6 // new administrators or thresholds
	Settle         Kind = 7
	Restore        Kind = 8
	DestroyRetired Kind = 9
	Cancel         Kind = 10
)

var kindNames = [...]string{"", "init", "rotate", "recover", "enrol", "remove", "administrators", "settle", "restore", "destroy-retired", "cancel"}

// String returns the word of JSON and of lists.
func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", uint8(k))
	}
	return kindNames[k]
}

// StaysOpen reports whether an order of this kind is carried out over many
// steps; the others are done in the step that accepts them.
func (k Kind) StaysOpen() bool { return k == Init || k == Rotate || k == Recover }

// Policy says what callers may do while a rotation runs.
type Policy uint8

// The policies. The numbers are forever.
const (
	Documented Policy = 1
	Online     Policy = 2
)

// String returns the word of the command line.
func (p Policy) String() string {
	switch p {
	case Documented:
		return "documented"
	case Online:
		return "online"
	}
	return fmt.Sprintf("Policy(%d)", uint8(p))
}

// Authority says whether a step follows by itself or needs a signature more.
type Authority uint8

// The authorities. The numbers are forever.
const (
	Automatic Authority = 1
	Signed    Authority = 2
)

// String returns the word of JSON and of lists.
func (a Authority) String() string {
	switch a {
	case Automatic:
		return "automatic"
	case Signed:
		return "signed"
	}
	return fmt.Sprintf("Authority(%d)", uint8(a))
}

// Retirement says what recovery units do with the former master key.
type Retirement uint8

// The retirements. The numbers are forever.
const (
	Keep    Retirement = 1
	Destroy Retirement = 2
)

// String returns the word of JSON and of lists.
func (r Retirement) String() string {
	switch r {
	case Keep:
		return "keep"
	case Destroy:
		return "destroy"
	}
	return fmt.Sprintf("Retirement(%d)", uint8(r))
}

// UnitRef names one crypto unit in an order.
type UnitRef struct {
	Number   uint32
	Role     Role
	Identity Identity
}

// BlobName names the very bytes of one blob: its number and the SHA-256 of
// the bytes; Class is what the census counts it by.
type BlobName struct {
	Number uint64
	Class  Class
	Digest Digest
}

// Subject is what an order is about, beyond the instance. Which fields a
// kind uses: cancel, settle: Order, OrderNumber (settle also Blobs);
// recover: Pattern, Units (the targets; Order.Generator is the source);
// enrol, remove: Units; restore: Archive, Incarnation (the new one), Units
// (the one unit that goes on); destroy-retired: Pattern; administrators:
// Administrators (the DER of the new list).
type Subject struct {
	Order          Digest
	OrderNumber    uint64
	Units          []UnitRef
	Pattern        masterkey.Pattern
	Administrators []byte
	Blobs          []BlobName
	Archive        Digest
	Incarnation    uint64
}

// Order is what a quorum of administrators signs, once.
type Order struct {
	Kind        Kind
	Cluster     ID
	Incarnation uint64
	Instance    ID
	// Number is above that of every order before it.
	Number uint64
	// Current is the pattern of the current master key, zero for an init.
	Current masterkey.Pattern
	// Units are all units of the instance, by rising number; of an enrol
	// with those that it enrols, of a remove with those that it removes.
	Units []UnitRef
	// Generator is the unit that draws the new key (or, for a recover,
	// seals the existing one); 0 when the key comes in Parts parts.
	Generator uint32
	Parts     uint32
	Suite     Suite
	Subject   Subject
	// Administrators is the digest of the list that the signers are on.
	Administrators Digest
	Policy         Policy
	Commit         Authority
	Activate       Authority
	Retire         Retirement
	// NotAfter bounds acceptance, never what follows it. Whole seconds, UTC.
	NotAfter time.Time
}

// Unit returns the order's entry for one unit number.
func (o *Order) Unit(number uint32) (UnitRef, bool) { return findUnit(o.Units, number) }

func findUnit(units []UnitRef, number uint32) (UnitRef, bool) {
	for _, u := range units {
		if u.Number == number {
			return u, true
		}
	}
	return UnitRef{}, false
}

// Participants are the units that take part in every step: all that the
// order names or, for a recover, its source and its targets.
func (o *Order) Participants() []uint32 {
	if o.Kind != Recover {
		return numbers(o.Units)
	}
	all := []uint32{}
	for _, u := range o.Units {
		if _, target := findUnit(o.Subject.Units, u.Number); target || u.Number == o.Generator {
			all = append(all, u.Number)
		}
	}
	return all
}

// Targets are the participants whose registers the order changes.
func (o *Order) Targets() []uint32 {
	if o.Kind == Recover {
		return numbers(o.Subject.Units)
	}
	return numbers(o.Units)
}

// Loaders are the targets that receive the key: all but a generator that
// holds it already.
func (o *Order) Loaders() []uint32 {
	loaders := []uint32{}
	for _, n := range o.Targets() {
		if n != o.Generator {
			loaders = append(loaders, n)
		}
	}
	return loaders
}

func numbers(units []UnitRef) []uint32 {
	ns := make([]uint32, len(units))
	for i, u := range units {
		ns[i] = u.Number
	}
	return ns
}
