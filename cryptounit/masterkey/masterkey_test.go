package masterkey

import (
	"bytes"
	"errors"
	"testing"
)

func TestPatternVectors(t *testing.T) {
	counting := make([]byte, Size)
	for i := range counting {
		counting[i] = byte(i)
	}
	for _, v := range []struct {
		key  []byte
		want string
	}{
		{make([]byte, Size), "1a7dfdeaffeedac489287e85be5e9c049a2ff6470f55cf30260f553900000000"},
		{counting, "491176b0f443c65a7c7d72df47d6cbc0d04e111fb5a619f60d3e776700000000"},
	} {
		p := PatternOf(v.key)
		if p.String() != v.want {
			t.Errorf("PatternOf(%x) = %v, want %v", v.key, p, v.want)
		}
		text, err := p.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back Pattern
		if err := back.UnmarshalText(text); err != nil || back != p {
			t.Errorf("UnmarshalText(%s) = %v, %v", text, back, err)
		}
		if short := p.Short(); !bytes.Equal(short[:], p[:16]) {
			t.Errorf("Short = %x", short)
		}
	}
}

func TestPatternTextRefusesAnythingElse(t *testing.T) {
	for _, bad := range []string{"", "00", string(bytes.Repeat([]byte("g"), 64)), string(bytes.Repeat([]byte("0"), 66))} {
		p := Pattern{1}
		if err := p.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("UnmarshalText(%q) accepted", bad)
		}
		if p != (Pattern{1}) {
			t.Errorf("UnmarshalText(%q) changed the pattern to %v", bad, p)
		}
	}
}

var (
	patternA = PatternOf([]byte("a"))
	patternB = PatternOf([]byte("b"))
	patternC = PatternOf([]byte("c"))
)

// TestTransitionTable goes through every state with every command: each pair
// stands in the table once, with the state that follows or the guard that
// refuses.
func TestTransitionTable(t *testing.T) {
	empty := Empty()
	valid := Registers{CurrentValid, patternA, NewEmpty, Pattern{}}
	states := map[string]Registers{
		"Empty/Empty":            empty,
		"Empty/Full Uncommitted": {CurrentEmpty, Pattern{}, NewFullUncommitted, patternB},
		"Empty/Full Committed":   {CurrentEmpty, Pattern{}, NewFullCommitted, patternB},
		"Valid/Empty":            valid,
		"Valid/Full Uncommitted": {CurrentValid, patternA, NewFullUncommitted, patternB},
		"Valid/Full Committed":   {CurrentValid, patternA, NewFullCommitted, patternB},
	}
	validB := Registers{CurrentValid, patternB, NewEmpty, Pattern{}}
	type outcome struct {
		next Registers
		err  error
	}
	to := func(r Registers) outcome { return outcome{next: r} }
	refused := func(err error) outcome { return outcome{err: err} }
	table := map[string]map[Command]outcome{
		"Empty/Empty": {
			Load:         to(states["Empty/Full Uncommitted"]),
			Commit:       refused(ErrNewEmpty),
			Activate:     refused(ErrNewEmpty),
			ClearNew:     to(empty),
			SetImmediate: refused(ErrNewEmpty),
			ClearCurrent: refused(ErrCurrentEmpty),
			Zeroize:      to(empty),
		},
		"Empty/Full Uncommitted": {
			Load:         refused(ErrNewNotEmpty),
			Commit:       to(states["Empty/Full Committed"]),
			Activate:     refused(ErrUncommitted),
			ClearNew:     to(empty),
			SetImmediate: refused(ErrUncommitted),
			ClearCurrent: refused(ErrCurrentEmpty),
			Zeroize:      to(empty),
		},
		"Empty/Full Committed": {
			Load:         refused(ErrNewNotEmpty),
			Commit:       refused(ErrCommitted),
			Activate:     to(validB),
			ClearNew:     to(empty),
			SetImmediate: to(validB),
			ClearCurrent: refused(ErrCurrentEmpty),
			Zeroize:      to(empty),
		},
		"Valid/Empty": {
			Load:         to(states["Valid/Full Uncommitted"]),
			Commit:       refused(ErrNewEmpty),
			Activate:     refused(ErrNewEmpty),
			ClearNew:     to(valid),
			SetImmediate: refused(ErrCurrentNotEmpty),
			ClearCurrent: to(empty),
			Zeroize:      to(empty),
		},
		"Valid/Full Uncommitted": {
			Load:         refused(ErrNewNotEmpty),
			Commit:       to(states["Valid/Full Committed"]),
			Activate:     refused(ErrUncommitted),
			ClearNew:     to(valid),
			SetImmediate: refused(ErrCurrentNotEmpty),
			ClearCurrent: to(states["Empty/Full Uncommitted"]),
			Zeroize:      to(empty),
		},
		"Valid/Full Committed": {
			Load:         refused(ErrNewNotEmpty),
			Commit:       refused(ErrCommitted),
			Activate:     to(validB),
			ClearNew:     to(valid),
			SetImmediate: refused(ErrCurrentNotEmpty),
			ClearCurrent: to(states["Empty/Full Committed"]),
			Zeroize:      to(empty),
		},
	}
	for name, state := range states {
		for _, command := range Commands() {
			want, ok := table[name][command]
			if !ok {
				t.Fatalf("the table has no row for %s, %v", name, command)
			}
			got, err := state.Apply(command, patternB)
			if want.err != nil {
				if !errors.Is(err, want.err) || got != state {
					t.Errorf("%s, %v: got %+v, %v; want refusal %v, unchanged", name, command, got, err, want.err)
				}
				continue
			}
			if err != nil || got != want.next {
				t.Errorf("%s, %v: got %+v, %v; want %+v", name, command, got, err, want.next)
			}
			if err := got.Check(); err != nil {
				t.Errorf("%s, %v: the result is inconsistent: %v", name, command, err)
			}
		}
	}
}

func TestCommandsThatNameAnotherKey(t *testing.T) {
	committed := Registers{CurrentValid, patternA, NewFullCommitted, patternB}
	uncommitted := Registers{CurrentValid, patternA, NewFullUncommitted, patternB}
	valid := Registers{CurrentValid, patternA, NewEmpty, Pattern{}}
	for _, c := range []struct {
		name    string
		from    Registers
		command Command
		pattern Pattern
		want    error
	}{
		{"load of the current key", valid, Load, patternA, ErrSameAsCurrent},
		{"load without a pattern", valid, Load, Pattern{}, ErrNoPattern},
		{"commit of another key", uncommitted, Commit, patternC, ErrPatternMismatch},
		{"commit without a pattern", uncommitted, Commit, Pattern{}, ErrNoPattern},
		{"activation of another key", committed, Activate, patternC, ErrPatternMismatch},
		{"activation without a pattern", committed, Activate, Pattern{}, ErrNoPattern},
		{"an unknown command", valid, Command(99), patternB, ErrUnknownCommand},
		{"registers in no known state", Registers{}, Load, patternB, ErrInvalid},
		{"two registers with one key", Registers{CurrentValid, patternA, NewFullCommitted, patternA}, Activate, patternA, ErrInvalid},
		{"an empty register with a pattern", Registers{CurrentEmpty, patternA, NewEmpty, Pattern{}}, Load, patternB, ErrInvalid},
	} {
		got, err := c.from.Apply(c.command, c.pattern)
		if !errors.Is(err, c.want) || got != c.from {
			t.Errorf("%s: got %+v, %v; want %v, unchanged", c.name, got, err, c.want)
		}
	}
}

func TestHolds(t *testing.T) {
	r := Registers{CurrentValid, patternA, NewFullUncommitted, patternB}
	if !r.Holds(patternA.Short()) || !r.Holds(patternB.Short()) || r.Holds(patternC.Short()) {
		t.Error("Holds does not follow the registers")
	}
	if Empty().Holds([ShortSize]byte{}) {
		t.Error("empty registers hold the zero pattern")
	}
}
