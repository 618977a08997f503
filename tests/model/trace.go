package model

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Kind is what a step of a trace is, by the numbers in rotation.pml.
type Kind int

// Entries of the log: statements of units, and the others.
const (
	Ready Kind = iota + 1
	Generated
	Loaded
	Committed
	Verified
	Activated
	Cleared
	Written
	Assign
	Create
	Order
	Cancel
	Approve
	Fence
)

// Steps of a unit, and what befalls it.
const (
	Accept Kind = iota + 21
	Generate
	Load
	Commit
	Check
	Activate
	Clear
	Rewrap
	Crash
	Start
)

// Any is a number that a trace does not tell.
const Any = -1

// Step is an entry of the log or a step of a unit. Units count from 0, where 0 means nobody from 1. Orders and master keys have
// the numbers in which they come, from 1; blobs too, whatever their numbers in the code.
type Step struct {
	Kind Kind
	Unit int
	// Lowest and Highest say when a unit took its step: after so many entries at least, and at most.
	Lowest, Highest int
	Says            Kind // a unit's step: what it then says
	Said            int  // a unit's entry: which of its steps said it, from 0
	Order           int
	Key, Next       int
	Partition       int
	Pass, Lease     int
	From, To        int // numbers; assign: the owner and the verifier, from 1
	Begins          int // assign: the partition begins again; order: activation waits for a signature
	Accepted        int // an entry
	State           int // of the rotation, after an entry
	// Current, New and Fixed are what a unit's registers hold after the step.
	Current, New, Fixed int
}

// Trace is a run as it was recorded.
type Trace struct {
	Generator int
	Given     int      // numbers of blobs at the beginning
	Second    int      // the first number of the second partition; 0: there is one partition
	Log       []Step   // in its order
	Units     [][]Step // each unit's in theirs
}

// Steps is how many there are of all kinds.
func (t Trace) Steps() int {
	n := len(t.Log)
	for _, steps := range t.Units {
		n += len(steps)
	}
	return n
}

// Loose is the trace with less said about when units took their steps: so many entries earlier or later.
func (t Trace) Loose(by int) Trace {
	return t.each(func(s *Step) { s.Lowest, s.Highest = max(s.Lowest-by, 0), s.Highest+by })
}

// Without is the trace without one of the log's entries.
func (t Trace) Without(at int) Trace {
	t.Log = slices.Delete(slices.Clone(t.Log), at, at+1)
	return t.each(func(s *Step) {
		if s.Lowest > at {
			s.Lowest--
		}
		if s.Highest > at {
			s.Highest--
		}
	})
}

// Exchanged is the trace with an entry before the one that was before it.
func (t Trace) Exchanged(at int) Trace {
	t.Log = slices.Clone(t.Log)
	t.Log[at-1], t.Log[at] = t.Log[at], t.Log[at-1]
	return t
}

// each changes a copy of the units' steps.
func (t Trace) each(change func(*Step)) Trace {
	t.Units = slices.Clone(t.Units)
	for unit := range t.Units {
		t.Units[unit] = slices.Clone(t.Units[unit])
		for i := range t.Units[unit] {
			change(&t.Units[unit][i])
		}
	}
	return t
}

// Sizes of a trace that is replayed, in trace.pml.
const (
	columns = 18
	most    = 2000 // rows
	numbers = 60
	late    = 12 // proposals that are under way at a time
	ever    = 32767
	endMark = 9999
)

// ErrTraceTooLarge is a trace that the model has no room for.
var ErrTraceTooLarge = errors.New("the trace is too large")

// Refused is a trace that is no run of the model.
type Refused struct {
	Entries int    // as many of the log's come to pass in the model
	Of      int    // as many there are
	Broken  string // what was not true, if that is why
	Due     string // what does not come to pass
}

func (r *Refused) Error() string {
	return fmt.Sprintf("the model allows %d entries of %d: %s%s", r.Entries, r.Of, r.Due, r.Broken)
}

// Replayer tells whether traces of so many units are runs of the model.
type Replayer struct {
	units   int
	program string
}

// NewReplayer makes one, in a folder of its own, which must be there and be empty.
func NewReplayer(ctx context.Context, dir string, units int) (*Replayer, error) {
	s := Search{Defines: []string{
		"TRACE", "UNITS=" + strconv.Itoa(units), "GENERATOR=generator", "HOLD=hold", "KEYS=" + strconv.Itoa(numbers), "CREATES=0",
		"PARTITION=" + strconv.Itoa(numbers/2), "LATES=" + strconv.Itoa(late), "PASSES=8", "SMALL=8", "WHO=3", "NOTES=16",
		"WROTE=" + strconv.Itoa(2*units), "ORDERS=200", "CANCELS=200", "CRASHES=250", "CHANGES=0",
	}}
	program, err := s.build(ctx, dir)
	return &Replayer{units, program}, err
}

var (
	entries = regexp.MustCompile(`(?m)^entries: (\d+)$`)
	isRun   = "assertion violated  !(replayed)"
)

// Replay searches for a run of the model that is the trace, in an empty folder. *Refused: there is none.
func (r *Replayer) Replay(ctx context.Context, dir string, t Trace) error {
	text, err := t.rows(r.units)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "trace.txt"), []byte(text), 0o600); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, r.program, "-m100000", "-w16")
	command.Dir = dir
	out, err := command.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %w: %s", ErrIncomplete, err, tail(out))
	}
	found, err := read(string(out))
	if err != nil {
		return err
	}
	if strings.HasPrefix(found.Broken, strings.TrimSuffix(isRun, ")")) {
		return nil
	}
	refused := &Refused{Of: len(t.Log), Broken: found.Broken}
	if all := entries.FindAllStringSubmatch(string(out), -1); all != nil {
		if refused.Entries, err = strconv.Atoi(all[len(all)-1][1]); err != nil {
			return err
		}
	}
	refused.Due = t.due(refused.Entries)
	return refused
}

// due is what is to come to pass after so many entries.
func (t Trace) due(at int) (text string) {
	for _, steps := range t.Units {
		for _, s := range steps {
			if s.Lowest <= at && s.Highest >= at {
				text += fmt.Sprintf("unit %+v; ", s)
			}
		}
	}
	if at < len(t.Log) {
		text += fmt.Sprintf("entry %+v; ", t.Log[at])
	}
	return text
}

// rows is the trace as trace.pml reads it.
func (t Trace) rows(units int) (string, error) {
	slots, err := t.slots(units)
	if err != nil {
		return "", err
	}
	var rows [][columns]int
	for _, s := range t.Log {
		slot := 0
		switch {
		case s.Kind <= Written:
			of := slots[said{s.Unit, s.Said}]
			slot, slots[said{s.Unit, s.Said}] = of[0], append(of[1:], of[0])
		case s.Kind == Assign:
			slot = units
		case s.Kind == Create:
			slot = units + 1
		}
		rows = append(rows, [columns]int{
			int(s.Kind), s.Unit, 0, 0, slot, 0, s.Order, s.Key, s.Next, s.Partition, s.Pass, s.Lease, s.From, s.To, s.Begins, 0, s.Accepted, s.State,
		})
	}
	rows = append(rows, [columns]int{})
	var heads []int
	for unit, steps := range t.Units {
		heads = append(heads, len(rows))
		for i, s := range steps {
			in := slots[said{unit, i}]
			if len(in) == 0 {
				in = []int{unit} // nobody hears of it
			}
			for _, slot := range in {
				rows = append(rows, [columns]int{
					int(s.Kind), unit, s.Lowest, s.Highest, slot, int(s.Says), s.Order, s.Key, s.Next, s.Partition, s.Pass, s.Lease, s.From, s.To,
					s.Fixed, s.Current, s.New,
				})
			}
		}
		rows = append(rows, [columns]int{3: ever})
	}
	second := t.Second
	if second == 0 {
		second = numbers + 1
	}
	if len(rows) > most || t.Given > numbers || len(t.Units) != units {
		return "", fmt.Errorf("%w: %d rows", ErrTraceTooLarge, len(rows))
	}
	end := append(append([]int{endMark}, heads...), t.Generator, second, t.Given)
	return text(rows) + strings.Trim(fmt.Sprint(end), "[]") + "\n", nil
}

func text(rows [][columns]int) string {
	var b strings.Builder
	for _, r := range rows {
		b.WriteString(strings.Trim(fmt.Sprintln(r), "[]\n") + "\n")
	}
	return b.String()
}

// said names a step of a unit by which something is said.
type said struct{ unit, step int }

// slots gives what is said, and comes to the log, a place each time it comes there.
func (t Trace) slots(units int) (map[said][]int, error) {
	type use struct {
		of       said
		from, to int
	}
	var uses []use
	for at, s := range t.Log {
		if s.Kind > Written {
			continue
		}
		if s.Unit >= len(t.Units) || s.Said >= len(t.Units[s.Unit]) {
			return nil, fmt.Errorf("entry %d: nobody said it", at)
		}
		uses = append(uses, use{said{s.Unit, s.Said}, t.Units[s.Unit][s.Said].Lowest, at})
	}
	slices.SortStableFunc(uses, func(a, b use) int { return cmp.Compare(a.from, b.from) })
	slots := map[said][]int{}
	var taken [late]int // until which entry
	for _, u := range uses {
		i := slices.IndexFunc(taken[:], func(until int) bool { return until <= u.from })
		if i < 0 {
			return nil, fmt.Errorf("%w: more than %d proposals are under way", ErrTraceTooLarge, late)
		}
		taken[i] = u.to + 1
		slots[u.of] = append(slots[u.of], units+2+i)
	}
	return slots, nil
}
