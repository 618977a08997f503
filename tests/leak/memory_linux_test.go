package leak

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
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
	if !strings.Contains(strings.Join(dump.first, "\n"), "on the heap") {
		t.Errorf("the heap's value is not found in %d bytes", dump.bytes)
	}
	if excluded.found != 1 || !strings.Contains(excluded.first[0], "excluded") {
		t.Errorf("the page that dumps leave out: found %d of 1", excluded.found)
	}
}
