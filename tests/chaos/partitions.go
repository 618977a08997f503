//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// partitions are the ways in which nodes lose each other. Clients reach all of them meanwhile.
var partitions = []struct {
	name string
	cut  func(*run, context.Context) error
}{
	{"isolated leader", func(r *run, ctx context.Context) error {
		if leader := r.cluster.leader(ctx); leader != nil {
			return r.apart(ctx, []*node{leader})
		}
		return r.apart(ctx, r.some(1))
	}},
	{"isolated generator", func(r *run, ctx context.Context) error {
		generator := operational // the lowest-numbered recovery unit, unless a rotation names another
		if status, err := r.cluster.admin.Rotation(ctx); err == nil && status.Order != nil && status.Order.Generator > 0 {
			generator = int(status.Order.Generator) - 1
		}
		return r.apart(ctx, []*node{r.cluster.nodes[generator]})
	}},
	{"two and three", func(r *run, ctx context.Context) error { return r.apart(ctx, r.some(2)) }},
	{"all apart", func(r *run, ctx context.Context) error {
		var errs error
		for _, n := range r.cluster.nodes {
			errs = errors.Join(errs, r.apart(ctx, []*node{n}))
		}
		return errs
	}},
	{"one way", func(r *run, ctx context.Context) error {
		pair := r.some(1 + 1)
		return r.deaf(ctx, pair[0], pair[1])
	}},
	{"deaf", func(r *run, ctx context.Context) error {
		hears := r.some(1)[0]
		var errs error
		for _, n := range r.cluster.nodes {
			if n != hears {
				errs = errors.Join(errs, r.deaf(ctx, hears, n))
			}
		}
		return errs
	}},
	{"30 % loss", func(r *run, ctx context.Context) error {
		return r.everywhere(ctx, func(n, other *node) error {
			return n.table(ctx, "-A", "INPUT", "-s", address(other.number), "-m", "statistic", "--mode", "random", "--probability", "0.3", "-j", "DROP")
		})
	}},
	{"200 ms", func(r *run, ctx context.Context) error {
		return r.everywhere(ctx, func(n, other *node) error { return n.detour(ctx, other) })
	}},
}

// partition cuts, lets time pass, and heals.
func (r *run) partition(ctx context.Context) error {
	p := partitions[r.out.Partitions%len(partitions)]
	r.out.Partitions++
	if err := p.cut(r, ctx); err != nil {
		return fmt.Errorf("partition (%s): %w", p.name, err)
	}
	r.passes(ctx, 6*time.Second)
	if r.random.IntN(3) == 0 { // somebody dies meanwhile
		victim := r.some(1)
		if err := r.cluster.kill(ctx, victim...); err != nil {
			return err
		}
		r.out.Kills++
		if err := r.cluster.restart(); err != nil {
			return err
		}
		r.passes(ctx, 2*time.Second)
	}
	for _, n := range r.cluster.nodes {
		if err := errors.Join(n.table(ctx, "-F"), n.table(ctx, "-t", "nat", "-F")); err != nil {
			return err
		}
		if err := n.reset(ctx); err != nil { // who was on a detour
			return err
		}
	}
	return nil
}

// apart takes what some nodes and the others send each other.
func (r *run) apart(ctx context.Context, some []*node) error {
	inside := map[*node]bool{}
	for _, n := range some {
		inside[n] = true
	}
	return r.everywhere(ctx, func(n, other *node) error {
		if inside[n] == inside[other] {
			return nil
		}
		return r.deaf(ctx, n, other)
	})
}

// deaf takes what a node would hear of another.
func (r *run) deaf(ctx context.Context, n, other *node) error {
	return n.table(ctx, "-A", "INPUT", "-s", address(other.number), "-j", "DROP")
}

func (r *run) everywhere(_ context.Context, do func(n, other *node) error) error {
	for _, n := range r.cluster.nodes {
		for _, other := range r.cluster.nodes {
			if n == other {
				continue
			}
			if err := do(n, other); err != nil {
				return err
			}
		}
	}
	return nil
}

// table changes the packet filter of a node's namespace.
func (n *node) table(ctx context.Context, args ...string) error {
	return command(ctx, "ip", append([]string{"netns", "exec", fmt.Sprintf("n%d", n.number), "iptables", "-w"}, args...)...)
}

// detour sends what a node sends another through the relay.
func (n *node) detour(ctx context.Context, other *node) error {
	var errs error
	for _, way := range []struct {
		protocol string
		port     int
	}{{"tcp", other.port() + 1}, {"tcp", other.port() + 2}, {"udp", other.port() + 2}} {
		errs = errors.Join(errs, n.table(ctx, "-t", "nat", "-A", "OUTPUT", "-p", way.protocol, "-d", address(other.number),
			"--dport", fmt.Sprint(way.port), "-j", "DNAT", "--to-destination", net.JoinHostPort(bridgeAddress, fmt.Sprint(way.port))))
	}
	return errors.Join(errs, n.reset(ctx))
}

// reset ends the connections to other nodes that are there, so that new ones take the way that is set.
func (n *node) reset(ctx context.Context) error {
	rule := []string{"OUTPUT", "-p", "tcp", "-m", "multiport", "--dports", "8444:8499", "-m", "conntrack", "--ctstate", "ESTABLISHED", "-j", "REJECT", "--reject-with", "tcp-reset"}
	if err := n.table(ctx, append([]string{"-I"}, rule...)...); err != nil {
		return err
	}
	pause(ctx, 150*time.Millisecond) // two heartbeats: each connection has sent something
	return n.table(ctx, append([]string{"-D"}, rule...)...)
}
