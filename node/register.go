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

// registrar makes this node's unit known to the state, at start and whenever an order is about to be judged.
type registrar struct {
	config  Config
	unit    *cryptounit.Unit
	replica *replica
	stater  *stater
}

// errRolledBack: an older sealed file was put back. The node stops.
var errRolledBack = errors.New("the crypto unit's sealed file is older than what the unit has stated before: it was rolled back. " +
	"Put the newest copy of the file back; if there is none, this unit must never serve again: remove it (`tumbler tke unenrol`), and start a new one on an empty data_dir")

// register proposes the unit's signed report.
func (r *registrar) register(ctx context.Context) error {
	return r.stater.alone(func() error { return r.propose(ctx) })
}

func (r *registrar) propose(ctx context.Context) error {
	report, err := r.unit.Report()
	if err != nil {
		return err
	}
	der, err := report.Encode()
	if err != nil {
		return err
	}
	free, _ := diskFree(r.config.DataDir)
	_, err = r.replica.Propose(ctx, &fsm.RegisterUnit{
		Number:   r.config.Number,
		Identity: fsm.Identity(r.unit.Status().Identity),
		Role:     fsm.Role(unitRole(r.config.Role)),
		Location: r.config.Location,
		API:      net.JoinHostPort(r.config.Listen.Advertise, strconv.Itoa(r.config.Listen.API)),
		Report:   der,
		DiskFree: free,
		At:       fsm.TimeOf(time.Now()),
	})
	if errors.Is(err, fsm.ErrRolledBack) {
		return fmt.Errorf("%w: %w", errRolledBack, err)
	}
	return err
}

// checkGeneration refuses to go on with a sealed file older than the state has seen. The replica must be up to date.
func (r *registrar) checkGeneration() error {
	view, err := r.replica.store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	status := r.unit.Status()
	known, ok := view.Unit(r.config.Number)
	if ok && known.Identity == fsm.Identity(status.Identity) && status.Generation < known.Generation {
		return fmt.Errorf("%w (generation %d, stated %d)", errRolledBack, status.Generation, known.Generation)
	}
	return nil
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
