package node

import (
	"context"
	"net"
	"strconv"
	"syscall"

	"github.com/hashicorp/go-hclog"

	"tumbler/converge"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
	"tumbler/holdpoint"
	"tumbler/rewrap"
)

// newSpeaker is what speaks for this node's unit.
func (n *Node) newSpeaker() *converge.Speaker {
	fail := n.fail
	if n.config.StandBy {
		fail = func(error) {} // that is why it stands by
	}
	return converge.NewSpeaker(converge.Config{
		Number: n.config.Number, Role: unitRole(n.config.Role), Unit: n.unit, Store: n.store, Log: n.replica, Describe: n.config.describe,
		Leave: func(ctx context.Context, do func() error) error { return n.calls.leaving.do(ctx, "", do) },
		Fail:  fail, Now: wallClock, Troubled: n.troubled, Hold: holdpoint.At, Logger: n.log.Named("unit"),
	})
}

// describe adds what is the node's to its unit's registration.
func (c Config) describe(r *fsm.RegisterUnit) {
	r.Location, r.API = c.Location, net.JoinHostPort(c.Listen.Advertise, strconv.Itoa(c.Listen.API))
	r.DiskFree, _ = diskFree(c.DataDir)
}

func unitRole(role string) order.Role {
	if role == RoleRecovery {
		return order.Recovery
	}
	return order.Operational
}

// diskFree is the space that is left to this process on the disk of dir, in bytes.
func diskFree(dir string) (uint64, error) {
	var stat syscall.Statfs_t
	if err := syscall.Statfs(dir, &stat); err != nil {
		return 0, err
	}
	return stat.Bavail * uint64(stat.Bsize), nil
}

// reporter is told what a rewrap cannot put right by itself.
type reporter struct {
	*converge.Repairer
	calls *calls
	log   hclog.Logger
}

// Found tells the leader why a partition cannot be verified as it stands.
func (r reporter) Found(ctx context.Context, finding rewrap.Finding) error {
	r.log.Warn("a partition cannot be verified as it stands", "partition", finding.Partition, "pass", finding.Pass, "reason", finding.Detail)
	return r.calls.found(ctx, finding)
}
