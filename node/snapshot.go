package node

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"tumbler/api/admin"
	"tumbler/archive"
	"tumbler/cluster"
	"tumbler/cryptounit"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
)

// callUnitFile asks a member for its unit's sealed file.
const callUnitFile = "unit-file"

// unitFile is the answer: the file, and what it holds.
type unitFile struct {
	File []byte       `json:"file"`
	Unit archive.Unit `json:"unit"`
}

// sealedTime is how long a unit's register may differ from the state before no archive is made: a flip takes a moment, and a
// unit that is left behind may stay so.
const sealedTime = 30 * time.Second

// unitFile answers members alone: the file is sealed, and yet nobody else's business.
func (c *calls) unitFile(_ context.Context, peer uint32, _ []byte) ([]byte, error) {
	if !slices.ContainsFunc(c.cluster.Members(), func(m cluster.Member) bool { return m.Number == peer }) {
		return nil, fmt.Errorf("%w: node %d", cluster.ErrNotMember, peer)
	}
	file, status, err := c.unit.Sealed()
	if err != nil {
		return nil, err
	}
	return json.Marshal(unitFile{file, archivedUnit(status, len(file))})
}

func archivedUnit(s cryptounit.Status, size int) archive.Unit {
	u := archive.Unit{
		Number: s.Number, Role: s.Role.String(), Identity: s.Identity.String(), Generation: s.Generation, Pattern: s.Registers.CurrentPattern.String(),
		Retired: []string{}, File: archive.Part{Size: int64(size)},
	}
	for _, p := range s.Retired {
		u.Retired = append(u.Retired, p.String())
	}
	return u
}

func (c *calls) sealed(ctx context.Context, number uint32) (f unitFile, err error) {
	body, err := c.cluster.Call(ctx, number, callUnitFile, nil)
	if err != nil {
		return f, across(err)
	}
	return f, json.Unmarshal(body, &f)
}

// Archive takes the state and then, with a number, that unit's sealed file; both again until the unit's current register has
// the state's master key.
func (c adminChecks) Archive(ctx context.Context, number uint32) (*admin.Archive, error) {
	if err := c.archivable(ctx, number); err != nil {
		return nil, err
	}
	limit, cancel := context.WithTimeout(ctx, sealedTime)
	defer cancel()
	for {
		if err := c.togetherWith(limit, number); err != nil {
			return nil, err
		}
		taken, manifest, err := c.takeState(ctx)
		if err != nil {
			return nil, err
		}
		if number == 0 {
			return archiveOf(taken, manifest, nil), nil
		}
		f, err := c.calls.sealed(ctx, number)
		if err != nil {
			return nil, errors.Join(err, taken.Close())
		}
		if f.Unit.Pattern == manifest.Patterns[0] {
			manifest.Unit = &f.Unit
			return archiveOf(taken, manifest, f.File), nil
		}
		if err := taken.Close(); err != nil {
			return nil, err
		}
	}
}

// togetherWith waits until a unit's current register has the state's master key, so that no state is taken in vain.
func (c adminChecks) togetherWith(ctx context.Context, number uint32) error {
	for told := false; number != 0; {
		_, changed := c.store.Watch()
		view, err := c.store.View()
		if err != nil {
			return err
		}
		pattern := view.Cluster().Pattern
		view.Close()
		needs := hex.EncodeToString(pattern[:])
		f, err := c.calls.sealed(ctx, number)
		if err != nil {
			return err
		}
		if f.Unit.Pattern == needs {
			return nil
		}
		if !told {
			c.log.Info("an archive waits until the crypto unit holds the instance's master key", "archived", number, "holds", f.Unit.Pattern, "needs", needs)
			told = true
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: crypto unit %d holds %s, and the instance's master key is %s: wait until it has converged (`tumbler tke cryptounit-compare`), or name another unit",
				admin.ErrNotAccepted, number, f.Unit.Pattern, needs)
		case <-changed:
		case <-time.After(tick):
		}
	}
	return nil
}

// archivable holds the guards of an archive, against a state that has all that was committed before.
func (c adminChecks) archivable(ctx context.Context, number uint32) error {
	if err := c.replica.ReadIndex(ctx); err != nil {
		return err
	}
	view, err := c.store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	u, known := view.Unit(number)
	switch {
	case view.Cluster().Pattern == (fsm.Pattern{}):
		return fmt.Errorf("%w: there is nothing to keep yet", fsm.ErrNoMasterKey)
	case number == 0:
		return nil
	case !known || !u.IsEnrolled():
		return fsm.ErrUnitUnknown
	case u.Role == fsm.RoleRecovery:
		return nil
	}
	var recovery []uint32
	for _, other := range view.Units() {
		if other.IsEnrolled() && other.Role == fsm.RoleRecovery {
			recovery = append(recovery, other.Number)
		}
	}
	if len(recovery) > 0 {
		return fmt.Errorf("%w: crypto unit %d serves callers, and keeps no retired keys: name a recovery unit (%v)", admin.ErrNotAccepted, number, recovery)
	}
	return nil
}

// takeState takes a snapshot, and says what it is of.
func (c adminChecks) takeState(ctx context.Context) (*cluster.Taken, archive.Manifest, error) {
	none := archive.Manifest{}
	taken, err := c.cluster.Take(ctx)
	if err != nil {
		return nil, none, err
	}
	index, state, err := fsm.Inspect(taken.Folder, c.log)
	if err != nil {
		return nil, none, errors.Join(err, taken.Close())
	}
	return taken, archive.Manifest{
		Made: wallClock().Unix(), Release: version, Cluster: order.ID(state.ID).String(), Instance: order.ID(state.Instance).String(),
		Incarnation: state.Incarnation, FeatureLevel: state.FeatureLevel, Index: index, Epoch: state.Epochs.Current,
		Patterns: []string{hex.EncodeToString(state.Pattern[:])},
		Keys:     archive.Keys{SystemInternal: state.Census.System, KMS: state.Census.KMS, EP11: state.Census.EP11},
		State:    archive.Part{Size: taken.Size},
	}, nil
}

func archiveOf(taken *cluster.Taken, m archive.Manifest, unit []byte) *admin.Archive {
	size, _ := m.Size() // of numbers and words
	return &admin.Archive{
		Size: size,
		Write: func(w io.Writer) error {
			_, err := archive.Write(w, m, func(w io.Writer) error { _, err := io.Copy(w, taken); return err }, unit)
			return err
		},
		Close: taken.Close,
	}
}
