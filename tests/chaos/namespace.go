//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// insideEnv marks the process that runs in the namespaces.
const insideEnv = "TUMBLER_CHAOS_INSIDE"

// enter runs this program again as the first process of namespaces of its own: whatever it starts, mounts and sets up ends
// with it. It gives the exit code.
func enter() (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 1, err
	}
	run := exec.Command(self, os.Args[1:]...)
	run.Env = append(os.Environ(), insideEnv+"=1")
	run.Stdin, run.Stdout, run.Stderr = os.Stdin, os.Stdout, os.Stderr
	run.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
	runtime.LockOSThread() // the death of this thread would be the child's
	defer runtime.UnlockOSThread()
	err = run.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	if err != nil {
		return 1, fmt.Errorf("namespaces cannot be made (%w): run it as root", err)
	}
	return 0, nil
}

// network joins the nodes, each in a namespace with an address of its own, by a bridge.
func network(ctx context.Context, nodes int) error {
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	if err := unix.Mount("chaos", "/run", "tmpfs", 0, ""); err != nil { // for names of namespaces, and the lock of iptables
		return fmt.Errorf("mounting /run: %w", err)
	}
	steps := []string{"link set lo up", "link add chaos type bridge", "addr add " + bridgeAddress + "/24 dev chaos", "link set chaos up"}
	for n := 1; n <= nodes; n++ {
		steps = append(steps, fmt.Sprintf("netns add n%d", n), fmt.Sprintf("link add v%d type veth peer name eth0 netns n%[1]d", n),
			fmt.Sprintf("link set v%d master chaos up", n), fmt.Sprintf("-n n%d addr add %s/24 dev eth0", n, address(n)),
			fmt.Sprintf("-n n%d link set eth0 up", n), fmt.Sprintf("-n n%d link set lo up", n))
	}
	for _, step := range steps {
		if err := command(ctx, "ip", strings.Fields(step)...); err != nil {
			return err
		}
	}
	return nil
}

const bridgeAddress = "10.99.0.254"

func address(node int) string { return fmt.Sprintf("10.99.0.%d", node) }

func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return nil
}

// dialInside connects from within the namespace of a node: its loopback is there alone.
func dialInside(ctx context.Context, node int, address string) (net.Conn, error) {
	runtime.LockOSThread()
	here, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer here.Close()
	there, err := os.Open(fmt.Sprintf("/run/netns/n%d", node))
	if err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return nil, err
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if back := unix.Setns(int(here.Fd()), unix.CLONE_NEWNET); back != nil {
		panic(back) // this thread is of no use any more
	}
	runtime.UnlockOSThread()
	return conn, err
}
