package masterkey

import (
	"errors"
	"fmt"
)

// Command is what may be asked of a unit's registers.
type Command uint8

// The commands. The numbers are forever.
const (
	// Load puts a key into the new register: Empty → Full uncommitted.
	Load Command = 1
	// Commit fixes it: Full uncommitted → Full committed.
	Commit Command = 2
	// Activate moves the committed key to the current register and clears
	// the new one, as one event.
	Activate Command = 3
	// ClearNew empties the new register, whatever it holds.
	ClearNew Command = 4
	// SetImmediate moves the committed key into a current register that is
	// Empty, without a rotation.
	SetImmediate Command = 5
	// ClearCurrent empties the current register.
	ClearCurrent Command = 6
	// Zeroize empties both.
	Zeroize Command = 7
)

// Commands lists every command.
func Commands() []Command {
	return []Command{Load, Commit, Activate, ClearNew, SetImmediate, ClearCurrent, Zeroize}
}

// String returns the command's name as the command line writes it.
func (c Command) String() string {
	switch c {
	case Load:
		return "load"
	case Commit:
		return "commit"
	case Activate:
		return "activate"
	case ClearNew:
		return "clear-new"
	case SetImmediate:
		return "set-immediate"
	case ClearCurrent:
		return "clear-current"
	case Zeroize:
		return "zeroize"
	}
	return fmt.Sprintf("Command(%d)", uint8(c))
}

// The refusals of the transition table, one a guard.
var (
	ErrInvalid         = errors.New("master-key registers are inconsistent")
	ErrUnknownCommand  = errors.New("unknown master-key command")
	ErrNoPattern       = errors.New("the command names no verification pattern")
	ErrNewNotEmpty     = errors.New("the new master-key register is not empty")
	ErrNewEmpty        = errors.New("the new master-key register is empty")
	ErrCommitted       = errors.New("the new master-key register is already committed")
	ErrUncommitted     = errors.New("the new master-key register is not committed")
	ErrPatternMismatch = errors.New("the new master-key register holds another verification pattern")
	ErrSameAsCurrent   = errors.New("the value is already the current master key")
	ErrCurrentEmpty    = errors.New("the current master-key register is empty")
	ErrCurrentNotEmpty = errors.New("the current master-key register is not empty")
)

// Apply returns the registers after c, or a refusal with r unchanged.
// Load, Commit, Activate and SetImmediate name the pattern they mean; the
// other commands ignore p. Activate from an Empty current register is how an
// initialisation or a recovery ends.
func (r Registers) Apply(c Command, p Pattern) (Registers, error) {
	if err := r.Check(); err != nil {
		return r, err
	}
	switch c {
	case Load:
		return r.load(p)
	case Commit:
		return r.commit(p)
	case Activate:
		return r.activate(p)
	case SetImmediate:
		if r.Current != CurrentEmpty {
			return r, ErrCurrentNotEmpty
		}
		return r.activate(p)
	case ClearNew:
		r.New, r.NewPattern = NewEmpty, Pattern{}
		return r, nil
	case ClearCurrent:
		if r.Current == CurrentEmpty {
			return r, ErrCurrentEmpty
		}
		r.Current, r.CurrentPattern = CurrentEmpty, Pattern{}
		return r, nil
	case Zeroize:
		return Empty(), nil
	}
	return r, fmt.Errorf("%w: %d", ErrUnknownCommand, c)
}

func (r Registers) load(p Pattern) (Registers, error) {
	if p.IsZero() {
		return r, ErrNoPattern
	}
	if r.New != NewEmpty {
		return r, ErrNewNotEmpty
	}
	if p == r.CurrentPattern {
		return r, ErrSameAsCurrent
	}
	r.New, r.NewPattern = NewFullUncommitted, p
	return r, nil
}

func (r Registers) commit(p Pattern) (Registers, error) {
	if err := r.guardNew(p); err != nil {
		return r, err
	}
	if r.New == NewFullCommitted {
		return r, ErrCommitted
	}
	r.New = NewFullCommitted
	return r, nil
}

func (r Registers) activate(p Pattern) (Registers, error) {
	if err := r.guardNew(p); err != nil {
		return r, err
	}
	if r.New != NewFullCommitted {
		return r, ErrUncommitted
	}
	return Registers{Current: CurrentValid, CurrentPattern: p, New: NewEmpty}, nil
}

// guardNew refuses a command that means a key which the new register does
// not hold.
func (r Registers) guardNew(p Pattern) error {
	if p.IsZero() {
		return ErrNoPattern
	}
	if r.New == NewEmpty {
		return ErrNewEmpty
	}
	if r.NewPattern != p {
		return fmt.Errorf("%w: it holds %v, the command names %v", ErrPatternMismatch, r.NewPattern, p)
	}
	return nil
}
