package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"tumbler/cryptounit/order"
)

func main() {
	seeds := flag.Uint64("seeds", 10000, "how many seeds to run")
	first := flag.Uint64("seed", 1, "the first of them")
	step := flag.Uint64("step", 1, "take each so manieth of them")
	storm := flag.Bool("storm", false, "worlds that last three times as long, with three times the share of faults")
	trace := flag.String("replay", "", "a file that shrinking wrote: run that alone")
	kept := flag.String("failures", "bin", "the folder for the shrunk traces of the first failures")
	small := flag.Bool("shrink", true, "shrink the traces of failures")
	flag.Parse()
	if *trace != "" {
		f, err := readFailure(*trace)
		if err == nil {
			_, err = replay(f.Seed, f.Trace)
		}
		fmt.Println(err)
		return
	}
	out, failures, err := run(*first, *seeds, *step, *storm, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "sim:", err)
	}
	for _, f := range failures {
		path := filepath.Join(*kept, fmt.Sprintf("sim-seed-%d.json", f.Seed))
		if *small {
			f = shrink(f)
		}
		fmt.Fprintf(os.Stderr, "seed %d fails with %d events: %s (%s): %v\n", f.Seed, len(f.Trace), f.Rule, path, f.keep(path))
	}
	line, _ := json.Marshal(out) // of numbers
	fmt.Println(string(line))
	if err != nil || out.Violations > 0 {
		os.Exit(1)
	}
}

// outcome is the last line, one JSON object.
type outcome struct {
	First      uint64         `json:"first_seed"`
	Seeds      uint64         `json:"seeds"`
	Hostile    uint64         `json:"hostile_seeds"`
	Storm      bool           `json:"storm,omitempty"`
	Events     int            `json:"events"`
	Faults     int            `json:"faults"`
	ByKind     map[string]int `json:"by_kind"`
	Entries    uint64         `json:"entries"`
	Rotations  int            `json:"rotations"`
	ByParts    int            `json:"by_parts"` // of the rotations: with a master key in parts
	Cancelled  int            `json:"cancelled"`
	Violations int            `json:"violations"`
	Failed     []uint64       `json:"failed_seeds,omitempty"`
	Seconds    float64        `json:"seconds"`
	done       uint64         // of the seeds
}

// run runs seeds on every core, and says meanwhile how far it is.
func run(first, seeds, step uint64, storm bool, told *os.File) (out outcome, failures []failure, err error) {
	p := newProgress(told)
	debug.SetGCPercent(400)
	out = outcome{First: first, Seeds: seeds, Storm: storm, ByKind: map[string]int{}}
	next := make(chan uint64)
	var group sync.WaitGroup
	var mu sync.Mutex
	stop := p.tell(func() string {
		mu.Lock()
		defer mu.Unlock()
		return out.line(time.Since(p.began))
	})
	for range runtime.NumCPU() {
		group.Go(func() {
			for seed := range next {
				ran, failed := runSeed(seed, storm)
				mu.Lock()
				out.add(ran)
				if seed%hostileSeeds == 0 {
					out.Hostile++
				}
				var v *Violation
				switch {
				case errors.As(failed, &v):
					out.Violations++
					out.Failed = append(out.Failed, seed)
					if len(failures) < mostShrunk {
						failures = append(failures, failure{seed, v.Rule, v.What, ran.trace})
					}
					p.say("seed %d, event %d: %v", seed, len(ran.trace), failed)
				case failed != nil:
					err = errors.Join(err, fmt.Errorf("seed %d: %w", seed, failed))
				}
				mu.Unlock()
			}
		})
	}
	for i := range seeds {
		next <- first + i*step
	}
	close(next)
	group.Wait()
	stop()
	out.Seconds = time.Since(p.began).Seconds()
	return out, failures, err
}

// mostShrunk bounds what a run shrinks.
const mostShrunk = 3

// ran is what came of one seed.
type ran struct {
	trace     []Event
	trail     uint64
	events    int
	faults    map[string]int
	entries   int
	rotations int
	byParts   int
	cancelled int
}

func (o *outcome) add(r ran) {
	o.done++
	o.Events += r.events
	o.Entries += uint64(r.entries)
	o.Rotations += r.rotations
	o.ByParts += r.byParts
	o.Cancelled += r.cancelled
	for kind, n := range r.faults {
		o.Faults += n
		o.ByKind[kind] += n
	}
}

// shape is what a world is made of, by its seed.
type shape struct{ operational, recovery, partitions int }

// images are made once a process.
var images = struct {
	sync.Mutex
	of map[shape]*image
}{of: map[shape]*image{}}

func imageOf(s shape) (*image, error) {
	images.Lock()
	defer images.Unlock()
	if m := images.of[s]; m != nil {
		return m, nil
	}
	m, err := found(s.operational, s.recovery, s.partitions)
	if err == nil {
		images.of[s] = m
	}
	return m, err
}

// hostileSeeds: in each so manieth world all hosts lie.
const hostileSeeds = 5

// worldOf is the world of a seed before its first event, and how many events of a hundred are faults.
func worldOf(seed uint64, dice *rand.Rand) (w *world, faults float64, err error) {
	s := []shape{{2, 1, 1}, {2, 1, 2}, {2, 1, 3}, {1, 2, 2}, {2, 2, 2}, {3, 2, 1}}[dice.IntN(6)]
	faults = []float64{0.03, 0.1, 0.1, 0.2}[dice.IntN(4)]
	m, err := imageOf(s)
	if err != nil {
		return nil, 0, err
	}
	if w, err = m.world(seed); err == nil && seed%hostileSeeds == 0 {
		w.liars, err = newLiars(w)
	}
	return w, faults, err
}

// runSeed runs one seed from its first event to its rest.
func runSeed(seed uint64, storm bool) (r ran, err error) {
	dice := rand.New(rand.NewPCG(seed, 0x7462))
	w, faults, err := worldOf(seed, dice)
	if err != nil {
		return r, err
	}
	most := 50 + dice.IntN(130)
	if storm {
		most, faults = 3*most, 3*faults
	}
	return w.draws(dice, most, faults)
}

// draws has as many events happen as most, which the dice choose, and then has the world come to rest.
func (w *world) draws(dice *rand.Rand, most int, faults float64) (ran, error) {
	if w.liars != nil {
		faults = 0.02
	}
	tries := 0
	return w.run(func() (Event, bool) {
		tries++
		e := w.draw(dice, faults)
		for w.recording != nil && !known(e) {
			e = w.draw(dice, faults)
		}
		return e, w.drawn < most && tries < 40*most
	})
}

// replay runs a seed's world through the events of a trace, as far as they can happen.
func replay(seed uint64, trace []Event) (ran, error) {
	w, _, err := worldOf(seed, rand.New(rand.NewPCG(seed, 0x7462)))
	if err != nil {
		return ran{}, err
	}
	return w.run(func() (e Event, more bool) {
		if len(trace) == 0 {
			return e, false
		}
		e, trace = trace[0], trace[1:]
		return e, true
	})
}

// run has events happen as long as there are more, and then has the world come to rest.
func (w *world) run(next func() (Event, bool)) (r ran, err error) {
	defer w.close()
	defer func() { r.of(w) }()
	w.leader = 1
	for {
		e, more := next()
		if !more {
			if w.liars != nil {
				return r, nil // nobody promises that it ends
			}
			return r, w.calm()
		}
		happened, err := w.do(e)
		if happened {
			r.trace = append(r.trace, e)
			w.drawn++
		}
		if err != nil {
			return r, err
		}
	}
}

func (r *ran) of(w *world) {
	r.trail, r.events, r.entries, r.faults = w.trail.sum, w.events, len(w.log), maps.Clone(w.faults)
	view, err := w.truth.View()
	if err != nil {
		return
	}
	defer view.Close()
	all, _ := view.Rotations()
	for _, each := range all {
		if each.Flipped != 0 && each.Plan.Kind == order.Rotate.String() {
			r.rotations++
			if each.Plan.Generator == 0 {
				r.byParts++
			}
		}
		if each.Cancel != [32]byte{} {
			r.cancelled++
		}
	}
}
