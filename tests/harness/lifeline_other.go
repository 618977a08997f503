//go:build unix && !linux

package harness

import "syscall"

// lifeline has a Ctrl-C not reach a node before the tests can say why.
func lifeline() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
