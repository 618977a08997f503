//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"
)

func main() {
	if os.Getenv(insideEnv) == "" {
		code, err := enter()
		if err != nil {
			fmt.Fprintln(os.Stderr, "chaos:", err)
		}
		os.Exit(code)
	}
	if err := inside(); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
}

// outcome is the last line, one JSON object.
type outcome struct {
	Seed        uint64  `json:"seed"`
	Rounds      int     `json:"rounds"`
	Faults      int     `json:"faults"`
	Kills       int     `json:"kills"`
	Points      int     `json:"points"` // at which a node killed itself
	Stops       int     `json:"stops"`
	Partitions  int     `json:"partitions"`
	Disk        int     `json:"disk"`
	Replaced    int     `json:"replaced"` // nodes, on an empty disk
	Clocks      int     `json:"clocks"`   // that jumped
	Rotations   int64   `json:"rotations"`
	Keys        int     `json:"keys"`
	Calls       int     `json:"calls"`
	Unanswered  int     `json:"unanswered"`
	Lost        int     `json:"lost"`
	History     string  `json:"history"`
	LeaderKills int     `json:"leader_kills"`
	Median      float64 `json:"resume_median_s"` // from a leader's kill until writes are answered again
	Worst       float64 `json:"resume_worst_s"`
	Seconds     float64 `json:"seconds"`
}

// run is a run under way.
type run struct {
	cluster   *cluster
	load      *load
	rotations *rotations
	random    *rand.Rand
	resumed   []time.Duration
	points    map[string]int // how often a node killed itself there
	damages   int            // of files
	ended     int            // nodes that ended by themselves, for their disk
	out       outcome
}

func inside() error {
	kills := flag.Int("kills", 200, "how many processes to kill at least")
	seed := flag.Uint64("seed", 1, "what is done to whom")
	binary := flag.String("binary", "bin/tumbler-points", "the program, built with the tag holdpoints")
	only := flag.String("only", "", "one fault alone, by its name")
	keep := flag.Bool("keep", false, "keep the folder of the cluster")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if *only != "" {
		faults = slices.DeleteFunc(faults, func(f fault) bool { return f.name != *only && f.name != leaderKill })
	}
	program, err := filepath.Abs(*binary)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "tumbler-chaos-")
	if err != nil {
		return err
	}
	r := &run{random: rand.New(rand.NewPCG(*seed, 0)), points: map[string]int{}, out: outcome{Seed: *seed, History: "linearizable"}}
	err = r.all(ctx, dir, program, *kills)
	if r.cluster != nil {
		err = errors.Join(err, r.cluster.kill(ctx, r.cluster.nodes...))
	}
	if err != nil || *keep {
		fmt.Println("the cluster's folder is", dir)
	} else {
		err = errors.Join(r.cluster.unmountSmall(), os.RemoveAll(dir))
	}
	r.sum()
	return errors.Join(json.NewEncoder(os.Stdout).Encode(r.out), err)
}

var began = time.Now()

func say(format string, args ...any) {
	fmt.Printf("%7.1f s  %s\n", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
}

// all is rounds of faults until enough processes were killed, a tenth of them leaders under load.
func (r *run) all(ctx context.Context, dir, program string, kills int) (err error) {
	if err := network(ctx, operational+recovery); err != nil {
		return err
	}
	say("five nodes, each in a network namespace of its own")
	if r.cluster, err = newCluster(ctx, dir, program); err != nil {
		return err
	}
	if r.load, err = newLoad(r.cluster, newHistory()); err != nil {
		return err
	}
	if err := relay(ctx, r.cluster.nodes); err != nil {
		return err
	}
	r.rotations = &rotations{cluster: r.cluster, wrong: r.load.wrong}
	ctx, cancel := context.WithCancelCause(ctx)
	var group sync.WaitGroup
	defer func() {
		cancel(nil)
		group.Wait()
	}()
	group.Go(func() { r.load.run(ctx, r.out.Seed) })
	group.Go(func() { r.rotations.run(ctx) })
	group.Go(func() {
		select {
		case wrong := <-r.load.wrong:
			cancel(wrong)
		case <-ctx.Done():
		}
	})
	for r.out.Kills < kills || r.out.LeaderKills < kills/10 {
		if err := r.round(ctx); err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
	}
	return nil
}

// faultsARound is how many there are before everything is looked at.
const faultsARound = 8

func (r *run) round(ctx context.Context) error {
	r.out.Rounds++
	var names []string
	for n := range faultsARound {
		f := r.choose()
		if n == 0 {
			f = faults[0] // so that there are enough of them
		}
		names = append(names, f.name)
		r.out.Faults++
		if err := f.happen(r, ctx); err != nil {
			return fmt.Errorf("round %d, %v: %w", r.out.Rounds, names, err)
		}
		r.passes(ctx, time.Second)
	}
	if err := r.check(ctx); err != nil {
		return fmt.Errorf("round %d, after %v: %w", r.out.Rounds, names, err)
	}
	r.sum()
	say("round %d: %v; %d kills, %d rotations, %d keys, %d calls: nothing lost", r.out.Rounds, names, r.out.Kills, r.out.Rotations, r.out.Keys, r.out.Calls)
	return nil
}

// sum brings the outcome up to date.
func (r *run) sum() {
	r.out.Seconds, r.out.Points = time.Since(began).Seconds(), len(r.points)
	if r.rotations != nil {
		r.out.Rotations = r.rotations.done.Load()
		r.out.Keys = r.load.keys.total()
		r.out.Calls, r.out.Unanswered = r.load.history.size()
	}
	slices.Sort(r.resumed)
	if n := len(r.resumed); n > 0 {
		r.out.Median, r.out.Worst = r.resumed[n/2].Seconds(), r.resumed[n-1].Seconds()
	}
}
