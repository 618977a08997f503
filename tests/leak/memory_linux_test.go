package leak

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"tumbler/tests/harness"
)

// TestMemoryIsSearchedAsADumpWouldShowIt: a value on the heap is found, one in a page that dumps leave out is told apart.
func TestMemoryIsSearchedAsADumpWouldShowIt(t *testing.T) {
	const seed = "a seed of this test alone"
	heap := value(keyKinds()[1], seed)
	page, err := syscall.Mmap(-1, 0, 3*os.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Munmap(page) }()
	middle := page[os.Getpagesize() : 2*os.Getpagesize()]
	const dontDump = 16 // MADV_DONTDUMP
	if err := syscall.Madvise(middle, dontDump); err != nil {
		t.Fatal(err)
	}
	copy(middle[len(middle)-32:], value(keyKinds()[0], seed))

	var dump, excluded place
	s := newSearcher([]pattern{{heap[:16], "on the heap"}, {middle[len(middle)-32 : len(middle)-16], "excluded"}})
	if err := s.memory(&dump, &excluded, "this process", os.Getpid()); err != nil {
		t.Skipf("this kernel does not show a process its memory: %v", err)
	}
	runtime.KeepAlive(heap)
	if !strings.Contains(fmt.Sprint(dump.by), "on the heap") {
		t.Errorf("the heap's value is not found in %d bytes", dump.bytes)
	}
	if excluded.found != 1 || excluded.by[0].what != "excluded" {
		t.Errorf("the page that dumps leave out: found %d of 1", excluded.found)
	}
}

// TestRegistersAreSearched puts a value into the registers of a stopped process, which stays stopped.
func TestRegistersAreSearched(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	pid := child.Process.Pid
	defer func() {
		_ = child.Process.Kill()
		_ = child.Wait() // it was killed
	}()
	v := value(keyKinds()[0], "seed")
	if err := setRegisters(pid, v); err != nil {
		t.Skipf("this machine does not let a process be traced: %v", err)
	}
	waitStopped(t, pid)
	var p place
	if err := newSearcher(patterns("seed", keyKinds())).registers(&p, "a process", pid); err != nil {
		if strings.Contains(err.Error(), syscall.EPERM.Error()) {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	if p.found != 2 {
		t.Errorf("found %d of 2 halves in %d bytes: %+v", p.found, p.bytes, p.by)
	}
	waitStopped(t, pid)
}

func waitStopped(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !harness.Stopped(pid); {
		if time.Now().After(deadline) {
			t.Fatalf("process %d does not stop", pid)
		}
	}
}

// setRegisters stops a process with a value in its first registers.
func setRegisters(pid int, value []byte) error {
	if err := syscall.PtraceAttach(pid); err != nil {
		return err
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(pid, &status, waitAnyThread, nil); err != nil {
		return err
	}
	var registers syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(pid, &registers); err != nil {
		return err
	}
	copy((*[32]byte)(unsafe.Pointer(&registers))[:], value)
	if err := syscall.PtraceSetRegs(pid, &registers); err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	return syscall.PtraceDetach(pid)
}
