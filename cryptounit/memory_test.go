package cryptounit

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"unsafe"

	"tumbler/cryptounit/order"
)

// TestASecretStandsBetweenGuardPages: what runs over the end, or before the beginning, of its page ends the process
// instead of reading on.
func TestASecretStandsBetweenGuardPages(t *testing.T) {
	s, err := secretOf(counting())
	if err != nil {
		t.Fatal(err)
	}
	defer s.free()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skipf("the kernel shows no mappings: %v", err)
	}
	page := uintptr(os.Getpagesize())
	begin := addressOf(s.region)
	if end := addressOf(s.bytes) + secretSize; end != begin+2*page {
		t.Errorf("the secret ends %d bytes before the guard page", begin+2*page-end)
	}
	for i, want := range []string{"---p", "rw-p", "---p"} {
		if got := permissions(string(maps), begin+uintptr(i)*page); got != want {
			t.Errorf("page %d is %q, not %q", i, got, want)
		}
	}
	runtime.KeepAlive(s)
}

// permissions are those of the mapping that holds an address.
func permissions(maps string, address uintptr) string {
	for line := range strings.Lines(maps) {
		var from, to uintptr
		var permissions string
		if n, _ := fmt.Sscanf(line, "%x-%x %s", &from, &to, &permissions); n == 3 && from <= address && address < to {
			return permissions
		}
	}
	return ""
}

// TestMemoryThatCannotBeLockedIsNamed runs itself again without the right to lock memory.
func TestMemoryThatCannotBeLockedIsNamed(t *testing.T) {
	const variable = "TUMBLER_TEST_NO_LOCKED_MEMORY"
	if os.Getenv(variable) == "" {
		test := exec.Command(os.Args[0], "-test.run=^TestMemoryThatCannotBeLockedIsNamed$")
		test.Env = append(os.Environ(), variable+"=1")
		if out, err := test.CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	runtime.LockOSThread() // and never unlocked: the thread ends with what it lost
	if err := syscall.Setrlimit(rlimitMemlock, &syscall.Rlimit{}); err != nil {
		t.Fatal(err)
	}
	header := struct {
		version uint32
		thread  int32
	}{version: 0x20080522} // _LINUX_CAPABILITY_VERSION_3
	var none [6]uint32
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)), 0); errno != 0 {
		t.Fatal(errno)
	}
	s, err := newSecret()
	if err == nil {
		s.free()
		t.Fatal("it has locked memory")
	}
	for _, word := range []string{"RLIMIT_MEMLOCK", "ulimit -l", "LimitMEMLOCK"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %s", err, word)
		}
	}
}

// rlimitMemlock is RLIMIT_MEMLOCK of Linux.
const rlimitMemlock = 8

// TestAUnitClosesWhileItIsUsed: no key is erased under a call that uses it. It is for the race detector, and for the
// memory itself: a secret that was freed too early ends the process.
func TestAUnitClosesWhileItIsUsed(t *testing.T) {
	c := initialised(t, 1, 1)
	u, blob, pattern := c.unit(1), c.mustBlob(1, c.header(1, UseRoot, order.KMS)), c.pattern(1)
	calls := []func() error{
		func() error { _, _, err := u.Wrap(blob, []byte("x"), nil); return err },
		func() error { _, err := u.GenerateKey(c.header(2, UseMAC, order.KMS), 32, pattern); return err },
		func() error { _, err := u.Report(); return err },
		func() error { return u.Check(blob) },
		func() error {
			if u.Status().Number == 0 {
				return ErrClosed
			}
			return nil
		},
	}
	var once, running sync.WaitGroup
	once.Add(len(calls))
	for _, call := range calls {
		running.Go(func() {
			first := true
			for {
				err := call()
				if first {
					first = false
					once.Done()
				}
				if err == nil {
					continue
				}
				if got := fmt.Sprint(err); got != ErrClosed.Error() {
					t.Errorf("it ended with %v", err)
				}
				return
			}
		})
	}
	once.Wait()
	if err := u.Close(); err != nil {
		t.Error(err)
	}
	running.Wait()
}
