//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// damage is what happens to a file of a node that does not run; the node then names it, and does not start.
var damage = []struct {
	file string // below data; the last that matches
	do   func(r *run, path string) error
	says string
}{
	{"unit/unit.sealed", (*run).truncate, "unit.sealed"},
	{"unit/unit.sealed", (*run).flip, "unit.sealed"},
	{"raft/log.bolt", (*run).truncate, "log.bolt"},
	{"raft/snapshots/*/meta", (*run).flip, "snapshots"},
	{"raft/snapshots/*/meta", (*run).truncate, "snapshots"},
	{"raft/tables/*.table", (*run).flip, ".table"},
}

// truncate cuts a file off.
func (r *run) truncate(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()/2)
}

// flip changes one bit.
func (r *run) flip(path string) error {
	content, err := os.ReadFile(path)
	if err != nil || len(content) == 0 {
		return err
	}
	content[r.random.IntN(len(content))] ^= 1 << r.random.IntN(8)
	return os.WriteFile(path, content, 0o600)
}

// damaged stops a node, damages one of its files, sees it refuse to start by the name of that file, and replaces it.
func (r *run) damaged(ctx context.Context) error {
	d := damage[r.damages%len(damage)]
	r.damages++
	r.out.Disk++
	r.rotations.under.Lock() // units come and go while no order is open
	defer r.rotations.under.Unlock()
	if err := r.cluster.wait(ctx, "/readyz"); err != nil {
		return err
	}
	n := r.some(1)[0]
	if err := r.cluster.kill(ctx, n); err != nil {
		return err
	}
	r.out.Kills++
	files, err := filepath.Glob(n.path("data/" + d.file))
	if err != nil {
		return err
	}
	if len(files) == 0 { // there is no snapshot yet: the node is replaced all the same
		return r.replace(ctx, n)
	}
	if err := d.do(r, files[len(files)-1]); err != nil {
		return err
	}
	if err := n.start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(patience); n.running(); pause(ctx, 20*time.Millisecond) {
		if n.is(ctx, "/readyz") && strings.HasPrefix(d.file, "raft/tables") {
			return nil // an old one, that a snapshot covers
		}
		if n.is(ctx, "/readyz") || time.Now().After(deadline) {
			return fmt.Errorf("node %d runs with a damaged %s", n.number, files[len(files)-1])
		}
	}
	if said := n.logged(40); !strings.Contains(said, d.says) {
		return fmt.Errorf("node %d does not say that %s is damaged:\n%s", n.number, d.file, said)
	}
	return r.replace(ctx, n)
}

// replace takes a lost node's unit out of the instance, and has another node take its number, on an empty disk.
func (r *run) replace(ctx context.Context, n *node) error {
	c := r.cluster
	if n.running() {
		return fmt.Errorf("node %d runs, and is not to be replaced", n.number)
	}
	number := fmt.Sprint(n.number)
	if err := r.insist(ctx, "tke", "unenrol", "--units", number, "--yes"); err != nil {
		return err
	}
	entries, err := os.ReadDir(n.path("data")) // which may be a disk of its own
	if err != nil && !os.IsNotExist(err) {
		return err
	}
	for _, e := range entries {
		if err := os.RemoveAll(n.path("data/" + e.Name())); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	if err := n.start(); err != nil {
		return err
	}
	for !n.is(ctx, "/healthz") {
		if !n.running() {
			return fmt.Errorf("node %d, on an empty disk, has ended:\n%s", n.number, n.logged(30))
		}
		pause(ctx, 20*time.Millisecond)
	}
	for deadline := time.Now().Add(patience); ; pause(ctx, 200*time.Millisecond) {
		member := c.nodes[n.number%len(c.nodes)]
		if err = c.join(ctx, n, member); err == nil || time.Now().After(deadline) {
			break
		}
	}
	if err != nil {
		return err
	}
	r.out.Replaced++
	if err := r.insist(ctx, "tke", "enrol", "--units", number, "--yes"); err != nil {
		return err
	}
	return r.insist(ctx, "tke", "auto-recover")
}

// insist runs a command until it succeeds: a leader may change meanwhile.
func (r *run) insist(ctx context.Context, args ...string) (err error) {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline) && ctx.Err() == nil; pause(ctx, 500*time.Millisecond) {
		if _, err = r.cluster.tumbler(ctx, args...); err == nil {
			return nil
		}
	}
	return err
}
