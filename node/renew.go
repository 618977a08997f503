package node

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// renewLook is how often files that may be renewed are looked at; SIGHUP has them looked at, and read if they changed, at once.
const renewLook = 2 * time.Second

// stamp tells whether a file was changed, or replaced by another within one tick of the disk's clock.
type stamp struct {
	modified time.Time
	size     int64
	inode    uint64
}

func stampOf(path string) stamp {
	info, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	out := stamp{modified: info.ModTime(), size: info.Size()}
	if is, ok := info.Sys().(*syscall.Stat_t); ok {
		out.inode = is.Ino
	}
	return out
}

// renewal is one file that is read again when it changes, and by whom.
type renewal struct {
	key   string // of the configuration
	path  string
	seen  stamp
	apply func(ctx context.Context) error // an error leaves what was in force
}

// renew takes up renewed certificates and keys without a stop: what cannot be used is named in the log, and the former stays
// in force until the file changes again.
func (n *Node) renew(ctx context.Context, api *apiCredentials) {
	files := []*renewal{
		{key: "gossip.key_file", path: n.config.Gossip.KeyFile, apply: n.renewGossip},
		{key: "sealing.key_file", path: n.config.Sealing.KeyFile, apply: n.renewSealing},
	}
	for _, f := range files {
		f.seen = stampOf(f.path)
	}
	if n.sealer.stale() { // the key was replaced while the node was down
		n.apply(ctx, files[1])
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	clock := time.NewTicker(renewLook)
	defer clock.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			n.log.Info("asked to look for renewed certificates and keys")
		case <-clock.C:
		}
		api.current()
		for _, f := range files {
			if now := stampOf(f.path); now != f.seen {
				f.seen = now
				n.apply(ctx, f)
			}
		}
	}
}

func (n *Node) apply(ctx context.Context, f *renewal) {
	if problem := checkFile(f.path, true, "the former keys stay in force"); problem != "" {
		n.log.Error("changed keys cannot be used, the former stay in force", "key", f.key, "error", problem)
		return
	}
	if err := f.apply(ctx); err != nil {
		n.log.Error("changed keys cannot be used, the former stay in force", "key", f.key, "error", err)
		return
	}
	n.log.Info("keys were read again", "key", f.key, "file", f.path)
}

func (n *Node) renewGossip(context.Context) error {
	keys, err := ReadKeys(n.config.Gossip.KeyFile)
	if err != nil {
		return err
	}
	return n.cluster.SetGossipKeys(keys)
}

// renewSealing seals the unit's file under the first key. The file must open under one of them, so that a crash at any moment
// leaves one that the next start opens.
func (n *Node) renewSealing(context.Context) error {
	wrappers, err := wrappersOf(n.config.Sealing)
	if err != nil {
		return err
	}
	was := n.sealer.replace(wrappers)
	if err := n.speaker.Alone(n.unit.Reseal); err != nil {
		n.sealer.replace(was)
		n.troubled(err)
		return fmt.Errorf("keep the key that sealed the unit's file as a second line until it is sealed under the new one: %w", err)
	}
	n.log.Info("the crypto unit's file is sealed under the first key of sealing.key_file: others may be removed from it")
	return nil
}
