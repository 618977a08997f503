package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
	"time"

	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// registrar makes this node's unit known to the state, at start and whenever an order is about to be judged, and judges
// whether the unit was rolled back.
type registrar struct {
	config  Config
	unit    *cryptounit.Unit
	store   *fsm.Store
	replica agreement
	stater  *stater
	fail    func(error) // ends the node
}

// agreement is the log, as who speaks for a unit needs it.
type agreement interface {
	// Propose returns once this node has applied the command; a refusal of the state is a *fsm.Refusal.
	Propose(ctx context.Context, command fsm.Command) (fsm.Result, error)
	// ReadIndex returns once this node's state holds everything that was committed before the call.
	ReadIndex(ctx context.Context) error
}

// register proposes the unit's signed report.
func (r *registrar) register(ctx context.Context) error {
	return r.stater.alone(func() error { return r.propose(ctx) })
}

// propose does it once more if what the state held against the report was not of the unit.
func (r *registrar) propose(ctx context.Context) error {
	report, err := r.unit.Report()
	if err != nil {
		return err
	}
	if err = r.proposeReport(ctx, report); !errors.Is(err, fsm.ErrRolledBack) {
		return err
	}
	if judged := r.judge(ctx, report); judged != nil {
		return fmt.Errorf("%w: %w", judged, err)
	}
	return r.proposeReport(ctx, report)
}

func (r *registrar) proposeReport(ctx context.Context, report order.SignedStatement) error {
	der, err := report.Encode()
	if err != nil {
		return err
	}
	free, _ := diskFree(r.config.DataDir)
	_, err = r.replica.Propose(ctx, &fsm.RegisterUnit{
		Number:   r.config.Number,
		Identity: fsm.Identity(report.Identity),
		Role:     fsm.Role(unitRole(r.config.Role)),
		Location: r.config.Location,
		API:      net.JoinHostPort(r.config.Listen.Advertise, strconv.Itoa(r.config.Listen.API)),
		Report:   der,
		DiskFree: free,
		At:       fsm.TimeOf(time.Now()),
	})
	return err
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
