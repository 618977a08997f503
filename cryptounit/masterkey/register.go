// Package masterkey holds the states of a crypto unit's two master-key
// registers, the table of their transitions, and verification patterns.
//
// It is a leaf: it knows states and patterns, never a key. The crypto unit
// applies the table to the registers that hold keys, and the replicated state
// applies the same table to what every register should be, so the two cannot
// disagree about what may follow what.
package masterkey

import "fmt"

// CurrentState is the state of a current master-key register.
type CurrentState uint8

// The states of a current register. The numbers are written to logs and
// sealed files: they are forever.
const (
	CurrentEmpty CurrentState = 1
	CurrentValid CurrentState = 2
)

// String returns the word that lists and tables show.
func (s CurrentState) String() string {
	switch s {
	case CurrentEmpty:
		return "Empty"
	case CurrentValid:
		return "Valid"
	}
	return fmt.Sprintf("CurrentState(%d)", uint8(s))
}

// NewState is the state of a new master-key register.
type NewState uint8

// The states of a new register. The numbers are forever.
const (
	NewEmpty           NewState = 1
	NewFullUncommitted NewState = 2
	NewFullCommitted   NewState = 3
)

// String returns the words that lists and tables show.
func (s NewState) String() string {
	switch s {
	case NewEmpty:
		return "Empty"
	case NewFullUncommitted:
		return "Full Uncommitted"
	case NewFullCommitted:
		return "Full Committed"
	}
	return fmt.Sprintf("NewState(%d)", uint8(s))
}

// Registers is the visible side of a unit's two registers: states, and the
// patterns of what they hold. An empty register has the zero pattern.
type Registers struct {
	Current        CurrentState
	CurrentPattern Pattern
	New            NewState
	NewPattern     Pattern
}

// Empty is what a unit starts with and what zeroizing leaves.
func Empty() Registers {
	return Registers{Current: CurrentEmpty, New: NewEmpty}
}

// Check reports whether the states are known ones and the patterns agree
// with them.
func (r Registers) Check() error {
	switch r.Current {
	case CurrentEmpty, CurrentValid:
	default:
		return fmt.Errorf("%w: current register state %d", ErrInvalid, r.Current)
	}
	switch r.New {
	case NewEmpty, NewFullUncommitted, NewFullCommitted:
	default:
		return fmt.Errorf("%w: new register state %d", ErrInvalid, r.New)
	}
	if (r.Current == CurrentEmpty) != r.CurrentPattern.IsZero() {
		return fmt.Errorf("%w: current register is %v with pattern %v", ErrInvalid, r.Current, r.CurrentPattern)
	}
	if (r.New == NewEmpty) != r.NewPattern.IsZero() {
		return fmt.Errorf("%w: new register is %v with pattern %v", ErrInvalid, r.New, r.NewPattern)
	}
	if r.New != NewEmpty && r.NewPattern == r.CurrentPattern {
		return fmt.Errorf("%w: both registers hold pattern %v", ErrInvalid, r.NewPattern)
	}
	return nil
}

// Holds reports whether either register holds the key that the short pattern
// of a blob names.
func (r Registers) Holds(short [ShortSize]byte) bool {
	return r.Current == CurrentValid && r.CurrentPattern.Short() == short ||
		r.New != NewEmpty && r.NewPattern.Short() == short
}
