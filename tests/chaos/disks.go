//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Two nodes have small disks of their own, which can be filled.
const (
	smallMiB = 1024
	mebibyte = 1 << 20
)

func isSmall(number int) bool { return number == 2 || number == operational+1 }

// mountSmall gives a node its small disk, before its first start.
func (n *node) mountSmall() error {
	if err := os.Mkdir(n.path("data"), 0o700); err != nil {
		return err
	}
	return unix.Mount("chaos", n.path("data"), "tmpfs", 0, fmt.Sprintf("size=%dm,mode=700", smallMiB))
}

// unmountSmall takes the small disks away, with what is on them.
func (c *cluster) unmountSmall() (errs error) {
	for _, n := range c.nodes {
		if isSmall(n.number) {
			errs = errors.Join(errs, unix.Unmount(n.path("data"), unix.MNT_DETACH))
		}
	}
	return errs
}

// diskTrouble does one thing after the other to a node's disk.
func (r *run) diskTrouble(ctx context.Context) error {
	kind := r.out.Disk % 4
	r.out.Disk++
	switch kind {
	case 0:
		return r.fill(ctx)
	case 1:
		return r.inject(ctx, "error=EIO:when=1+")
	case 2:
		return r.inject(ctx, fmt.Sprintf("error=EIO:when=%d", 1+r.random.IntN(40)))
	}
	return r.inject(ctx, "delay_enter=300000") // µs
}

// fill leaves next to nothing of a small disk for a while. The node may go on, or end and say why; it starts again with room.
func (r *run) fill(ctx context.Context) error {
	n := r.cluster.nodes[[]int{2, operational + 1}[r.random.IntN(2)]-1]
	if err := fillUp(n.path("data"), r.random.Int64N(6*mebibyte)); err != nil {
		return err
	}
	pause(ctx, time.Second+time.Duration(r.random.Int64N(int64(4*time.Second))))
	if err := os.Remove(n.path("data/ballast")); err != nil {
		return err
	}
	return r.again(ctx, n, "it is full")
}

// fillUp takes all but so many bytes of a disk.
func fillUp(dir string, leave int64) error {
	ballast, err := os.Create(dir + "/ballast")
	if err != nil {
		return err
	}
	defer ballast.Close()
	var stat unix.Statfs_t
	if err := unix.Fstatfs(int(ballast.Fd()), &stat); err != nil {
		return err
	}
	for left := int64(stat.Bavail)*stat.Bsize - leave; left > 0; left /= 2 { // the node takes some meanwhile
		err := syscall.Fallocate(int(ballast.Fd()), 0, 0, left)
		if err == nil || !errors.Is(err, syscall.ENOSPC) {
			return err
		}
	}
	return nil
}

// inject has the disk syncs of a node fail or take long for a while.
func (r *run) inject(ctx context.Context, what string) error {
	n := r.some(1)[0]
	if !n.running() {
		return nil
	}
	trace := exec.Command("strace", "-f", "-qq", "-o", "/dev/null", "-p", fmt.Sprint(n.process.Process.Pid),
		"-e", "trace=fsync,fdatasync", "-e", "inject=fsync,fdatasync:"+what)
	var said strings.Builder
	trace.Stderr = &said
	if err := trace.Start(); err != nil {
		return err
	}
	pause(ctx, 2*time.Second+time.Duration(r.random.Int64N(int64(2*time.Second))))
	if err := trace.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	late := time.AfterFunc(5*time.Second, func() { _ = trace.Process.Kill() }) // of a process that died under it, it may wait for ever
	_ = trace.Wait()                                                           // it ends by our signal, or with the node
	late.Stop()
	if strings.Contains(said.String(), "attach") {
		return fmt.Errorf("strace: %s", said.String())
	}
	if strings.HasPrefix(what, "delay") {
		return nil
	}
	return r.again(ctx, n, "the disk of data_dir cannot be written")
}

// again starts a node that has ended by itself, which must have said why. One that goes on, or is about to end, is killed.
func (r *run) again(ctx context.Context, n *node, why string) error {
	if !n.running() {
		r.ended++
		if said := n.logged(60); !strings.Contains(said, why) {
			return fmt.Errorf("node %d has ended (%v), and does not say that %q:\n%s", n.number, n.process.ProcessState, why, said)
		}
	} else {
		if err := r.cluster.kill(ctx, n); err != nil {
			return err
		}
		r.out.Kills++
	}
	return r.cluster.restart()
}

// rolling restarts one node after the other, each once the former serves again, as for an upgrade.
func (r *run) rolling(ctx context.Context) error {
	for _, n := range r.cluster.nodes {
		if err := r.cluster.wait(ctx, "/readyz"); err != nil {
			return err
		}
		if err := n.signal(syscall.SIGTERM); err != nil {
			return err
		}
		late, cancel := context.WithTimeout(ctx, patience)
		state, err := n.await(late)
		cancel()
		if err != nil {
			return err
		}
		if !state.Success() {
			return fmt.Errorf("node %d was asked to stop, and ended with %v:\n%s", n.number, state, n.logged(30))
		}
		if err := n.start(); err != nil {
			return err
		}
	}
	return nil
}
