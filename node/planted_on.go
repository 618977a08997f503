//go:build plantedkeys

package node

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"tumbler/cluster"
)

// standStill lets the leak test look at this process: at SIGUSR1 it collects its garbage and stops itself, so that
// nothing comes between, until SIGCONT.
func (n *Node) standStill(ctx context.Context) {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR1)
	defer signal.Stop(asked)
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
			collect()
			if err := syscall.Kill(os.Getpid(), syscall.SIGSTOP); err != nil {
				n.fail(err)
			}
		}
	}
}

// collect frees what nobody holds any more. The standard library keeps something beside each signing key that was used,
// and drops it once a collection has freed the key: that takes a second one.
func collect() {
	for range 2 {
		dropped, mark := make(chan struct{}), new([64]byte)
		runtime.AddCleanup(mark, func(dropped chan struct{}) { close(dropped) }, dropped)
		runtime.GC()
		<-dropped
	}
	runtime.GC()
}

// logSizes has snapshots taken, and the log cut below them, in a run of seconds.
func logSizes() cluster.Sizes { return cluster.Sizes{SnapshotBytes: 128 << 10} }
