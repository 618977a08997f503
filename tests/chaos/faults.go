//go:build linux

package main

import (
	"context"
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"time"
)

// fault is something that happens to nodes, and is over when it returns: what has ended was started again, though it may not
// serve yet.
type fault struct {
	name   string
	weight int
	happen func(*run, context.Context) error
}

const leaderKill = "kill the leader"

// faults are all there are, chosen by their weights.
var faults = []fault{
	{leaderKill, 25, (*run).killLeader}, // also the first of each round, so that there are enough
	{"kill", 40, (*run).killSome},
	{"crash point", 30, (*run).crash},
	{"stop", 15, (*run).stopSome},
	{"partition", 30, (*run).partition},
	{"disk", 20, (*run).diskTrouble},
	{"rolling restart", 3, (*run).rolling},
	{"damage", 6, (*run).damaged},
	{"clock", 10, (*run).jump},
}

func (r *run) choose() fault {
	sum := 0
	for _, f := range faults {
		sum += f.weight
	}
	at := r.random.IntN(sum)
	for _, f := range faults {
		if at -= f.weight; at < 0 {
			return f
		}
	}
	panic("unreachable")
}

// some gives that many nodes.
func (r *run) some(count int) (nodes []*node) {
	for _, i := range r.random.Perm(len(r.cluster.nodes))[:count] {
		nodes = append(nodes, r.cluster.nodes[i])
	}
	return nodes
}

// passes lets up to that long pass.
func (r *run) passes(ctx context.Context, most time.Duration) {
	pause(ctx, time.Duration(r.random.Int64N(int64(most))))
}

// killSome kills up to all nodes at once, and perhaps the same again while they start.
func (r *run) killSome(ctx context.Context) error {
	victims := r.some(1 + r.random.IntN(len(r.cluster.nodes)))
	for {
		if err := r.cluster.kill(ctx, victims...); err != nil {
			return err
		}
		r.out.Kills += len(victims)
		r.passes(ctx, time.Second)
		if err := r.cluster.restart(); err != nil {
			return err
		}
		if r.random.IntN(4) > 0 {
			return nil
		}
		r.passes(ctx, 1500*time.Millisecond)
	}
}

// killLeader kills the leader while all clients write, and measures until one of their writes that began later is answered.
func (r *run) killLeader(ctx context.Context) error {
	if err := r.cluster.wait(ctx, "/readyz"); err != nil {
		return err
	}
	leader := r.cluster.leader(ctx)
	if leader == nil {
		return nil
	}
	r.load.probes.Store(true)
	defer r.load.probes.Store(false)
	if !r.written(ctx, time.Now()) {
		return fmt.Errorf("nobody can write within %v before the leader is killed", patience)
	}
	killed := time.Now()
	if err := r.cluster.kill(ctx, leader); err != nil {
		return err
	}
	r.out.Kills++
	r.out.LeaderKills++
	if !r.written(ctx, killed) {
		return fmt.Errorf("nobody can write within %v after node %d, the leader, was killed", patience, leader.number)
	}
	r.resumed = append(r.resumed, time.Since(killed))
	return leader.start()
}

// written waits for the answer of a write that began after a time.
func (r *run) written(ctx context.Context, after time.Time) bool {
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case began := <-r.load.writes:
			if began.After(after) {
				return true
			}
		case <-late.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}

//go:embed points.txt
var pointList string

// pointsAtOnce is how many points are armed in a node: it dies at the first that it passes.
const pointsAtOnce = 8

// crash has nodes kill themselves at a durable step: of what they do now, or of their start.
func (r *run) crash(ctx context.Context) error {
	victims := r.some(1 + r.random.IntN(3))
	if r.random.IntN(3) == 0 {
		if err := r.cluster.kill(ctx, victims...); err != nil {
			return err
		}
		r.out.Kills += len(victims)
		if err := r.cluster.restart(); err != nil {
			return err
		}
	}
	all := strings.Fields(pointList)
	for _, n := range victims {
		for _, i := range r.random.Perm(len(all))[:pointsAtOnce] {
			if n.running() {
				if err := n.arm(all[i], 1+r.random.IntN(3)); err != nil {
					return err
				}
			}
		}
	}
	for deadline := time.Now().Add(3 * time.Second); time.Now().Before(deadline) && anyRuns(victims); {
		pause(ctx, 20*time.Millisecond)
	}
	for _, n := range victims {
		for _, point := range n.died() {
			r.out.Kills++
			r.points[point]++
		}
		if err := n.disarm(); err != nil {
			return err
		}
	}
	return r.cluster.restart()
}

func anyRuns(nodes []*node) bool { return slices.ContainsFunc(nodes, (*node).running) }

// stopSome has nodes stand still for a while.
func (r *run) stopSome(ctx context.Context) error {
	victims := r.some(1 + r.random.IntN(3))
	for _, n := range victims {
		if err := n.signal(syscall.SIGSTOP); err != nil {
			return err
		}
		r.out.Stops++
	}
	r.passes(ctx, 4*time.Second)
	for _, n := range victims {
		if err := n.signal(syscall.SIGCONT); err != nil {
			return err
		}
	}
	return nil
}
