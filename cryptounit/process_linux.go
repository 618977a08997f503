package cryptounit

import (
	"fmt"
	"syscall"
)

// prSetDumpable is PR_SET_DUMPABLE of Linux.
const prSetDumpable = 4

// protectProcess makes the process that holds a unit leave no core and refuse other users' debuggers. It cannot be undone.
func protectProcess() error {
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core dumps of the process that holds a crypto unit: %w", err)
	}
	if _, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetDumpable, 0, 0); errno != 0 {
		return fmt.Errorf("making the process that holds a crypto unit not dumpable: %w", errno)
	}
	return nil
}
