package harness

import "syscall"

// lifeline has a node end with the tests, however they end, and not with a Ctrl-C before they can say why.
func lifeline() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
