package leak

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"unsafe"
)

// registersEnv names a process whose registers this one is to write to its output. Another process than the parent of
// that one must trace it: a parent that waits for its end would take each stop for it.
const registersEnv = "TUMBLER_TEST_REGISTERS"

func TestMain(m *testing.M) {
	pid, err := strconv.Atoi(os.Getenv(registersEnv))
	if err != nil {
		os.Exit(m.Run())
	}
	if err := writeRegisters(os.Stdout, pid); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// process searches a stopped process as its core dump would show it, and the memory that such a dump leaves out apart
// from that.
func (s *searcher) process(dump, excluded *place, source string, pid int) error {
	if err := s.memory(dump, excluded, source, pid); err != nil {
		return err
	}
	return s.registers(dump, source, pid)
}

// registers searches those of every thread of a stopped process, which stays stopped.
func (s *searcher) registers(p *place, source string, pid int) error {
	helper := exec.Command(os.Args[0])
	helper.Env = append(os.Environ(), fmt.Sprintf("%s=%d", registersEnv, pid))
	out, err := helper.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		return fmt.Errorf("the registers of %s: %s", source, failed.Stderr)
	}
	if err != nil {
		return err
	}
	s.bytesOf(p, source+", registers", out)
	return nil
}

// Requests of ptrace(2), and the sets of registers that a core dump has (elf.h): general, floating-point, and x86's
// extended state, with its vector registers.
const (
	ptraceGetRegset = 0x4204
	ptraceSeize     = 0x4206
	ptraceInterrupt = 0x4207
	waitAnyThread   = 0x40000000 // __WALL of wait4
)

func registerSets() []uintptr { return []uintptr{1, 2, 0x202} }

// writeRegisters writes those of every thread of a process.
func writeRegisters(w io.Writer, pid int) error {
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	threads, err := os.ReadDir(filepath.Join("/proc", strconv.Itoa(pid), "task"))
	if err != nil {
		return err
	}
	for _, entry := range threads {
		tid, err := strconv.Atoi(entry.Name())
		if err != nil {
			return err
		}
		if err := writeThread(w, tid); err != nil {
			return fmt.Errorf("thread %d: %w", tid, err)
		}
	}
	return nil
}

func writeThread(w io.Writer, tid int) error {
	if err := ptrace(ptraceSeize, tid); err != nil {
		return err
	}
	defer func() { _ = syscall.PtraceDetach(tid) }() // or it ends with this process
	if err := ptrace(ptraceInterrupt, tid); err != nil {
		return err
	}
	var status syscall.WaitStatus
	if _, err := syscall.Wait4(tid, &status, waitAnyThread, nil); err != nil {
		return err
	}
	found := false
	for _, set := range registerSets() {
		buffer := make([]byte, 16<<10)
		vector := syscall.Iovec{Base: &buffer[0], Len: uint64(len(buffer))}
		_, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, ptraceGetRegset, uintptr(tid), set, uintptr(unsafe.Pointer(&vector)), 0, 0)
		if errno == syscall.EINVAL || errno == syscall.ENODEV {
			continue // this processor has no such set
		}
		if errno != 0 {
			return errno
		}
		found = true
		if _, err := w.Write(buffer[:vector.Len]); err != nil {
			return err
		}
	}
	if !found {
		return errors.New("it shows no registers")
	}
	return nil
}

func ptrace(request, tid int) error {
	if _, _, errno := syscall.Syscall6(syscall.SYS_PTRACE, uintptr(request), uintptr(tid), 0, 0, 0, 0); errno != 0 {
		return errno
	}
	return nil
}
