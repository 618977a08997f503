package main

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"tumbler/tests/model"
)

var whole = flag.Bool("whole", false, "ask the model about many runs, with any number of units")

// recorded runs a seed, and gives what the model can be asked about it; false: nothing.
func recorded(t *testing.T, seed uint64, faults float64) (model.Trace, bool) {
	t.Helper()
	dice := rand.New(rand.NewPCG(seed, 0x7462))
	w, most, err := worldOf(seed, dice)
	if err != nil {
		t.Fatal(err)
	}
	recording := w.record()
	if recording == nil {
		w.close()
		return model.Trace{}, false
	}
	w.recording = recording
	if _, err := w.draws(dice, 50+dice.IntN(130), min(most, faults)); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	if recording.empty() {
		return model.Trace{}, false
	}
	return recording.trace, true
}

// asker asks the model, of any number of units.
type asker map[int]*model.Replayer

func (a asker) replay(t *testing.T, trace model.Trace) error {
	t.Helper()
	units := len(trace.Units)
	if a[units] == nil {
		var err error
		if a[units], err = model.NewReplayer(t.Context(), t.TempDir(), units); err != nil {
			t.Fatal(err)
		}
	}
	return a[units].Replay(t.Context(), t.TempDir(), trace)
}

// TestTheModelAllowsWhatIsSimulated: each run of the simulation, as far as it is about what the model knows, is one of the model's.
func TestTheModelAllowsWhatIsSimulated(t *testing.T) {
	model, most, runs, steps := asker{}, uint64(24), 0, 0
	if *whole {
		most = 300
	}
	for seed := uint64(1); seed <= most; seed++ {
		trace, some := recorded(t, seed, 1)
		if !some || len(trace.Units) != 3 && !*whole {
			continue
		}
		if err := model.replay(t, trace); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		runs++
		steps += trace.Steps()
	}
	if runs < int(most)/4 {
		t.Errorf("of %d seeds %d are about what the model knows", most, runs)
	}
	t.Logf("%d runs, %d steps", runs, steps)
}

// TestTheModelRefusesWhatIsNoRun: with a step left out or two exchanged, a run is none of the model's any more.
func TestTheModelRefusesWhatIsNoRun(t *testing.T) {
	asked, seed := asker{}, uint64(1)
	trace, some := recorded(t, seed, 0)
	for !some || len(trace.Units) != 3 || !slices.ContainsFunc(trace.Log, func(s model.Step) bool { return s.Kind == model.Activated }) {
		seed++
		trace, some = recorded(t, seed, 0)
	}
	trace = trace.Loose(3) // so that it is not the time that is wrong
	if err := asked.replay(t, trace); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, trace model.Trace) {
		t.Helper()
		var refused *model.Refused
		if err := asked.replay(t, trace); !errors.As(err, &refused) {
			t.Errorf("%s: %v", what, err)
		}
	}
	exchanged := 0
	for at, s := range trace.Log {
		if s.Kind >= model.Activated {
			continue // nothing depends on it
		}
		refused(fmt.Sprintf("without entry %d, %+v", at, s), trace.Without(at))
		if s.Kind > model.Ready && s.Kind < model.Verified && trace.Log[at-1].Kind == s.Kind-1 {
			exchanged++
			refused(fmt.Sprintf("entry %d, %+v before %+v", at, s, trace.Log[at-1]), trace.Exchanged(at))
		}
	}
	if exchanged == 0 {
		t.Error("nothing was exchanged")
	}
}
