package node

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/raft"

	"tumbler/archive"
	"tumbler/cluster"
	"tumbler/cryptounit"
	"tumbler/cryptounit/masterkey"
	"tumbler/cryptounit/order"
	"tumbler/fsm"
	"tumbler/holdpoint"
)

// Restoring says what a node is made again from.
type Restoring struct {
	Archive    string // file
	UnitFile   string // a unit's sealed file, or an archive that holds one; "": the archive's own
	SealingKey string // file with the key that sealed the unit's file; "": one of the configuration's opens it
	// Progress is told how far the step at hand is, in bytes. May be nil.
	Progress func(step string, done, total int64)
	// Sign is shown what would be restored, and gives the order signed. Until it returns nothing has been made but copies.
	Sign func(Restorable) (order.SignedOrder, error)
}

// Restorable is what an archive and a unit's file come to.
type Restorable struct {
	Manifest       archive.Manifest
	Digest         archive.Digest
	Retired        bool // the unit has the state's master key as a retired one: a recovery is to follow
	Administrators order.Administrators
	Order          order.Order // all of it, to be signed
}

// restoringName is a folder in data_dir that is there while a restore is under way: without it what lies beside it is whole.
const restoringName = "restoring"

// errRestoring refuses to start with what a restore that was cut off has left.
var errRestoring = errors.New("a restore into data_dir did not finish: run `tumbler cluster snapshot restore` again, or empty the folder")

// checkRestored refuses a data folder in which a restore did not finish.
func (c Config) checkRestored() error {
	_, err := os.Lstat(filepath.Join(c.DataDir, restoringName))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, fmt.Errorf("%w (%s)", errRestoring, c.DataDir))
}

// Restore makes, in an empty data_dir, the only member of a cluster that begins with the state of an archive. It talks to no
// node. The member is then started as any other.
func Restore(ctx context.Context, config Config, r Restoring) (Restorable, error) {
	none := Restorable{}
	a, err := archive.Open(r.Archive)
	if err != nil {
		return none, err
	}
	defer func() { _ = a.Close() }() // it was only read
	if a.Manifest.Instance != config.Instance {
		return none, fmt.Errorf("%s is of instance %s, and the configuration says %s: give the node the configuration of that instance", r.Archive, a.Manifest.Instance, config.Instance)
	}
	if err := a.Verify(r.progress(ctx, "Checking the archive", a.Manifest.State.Size)); err != nil {
		return none, fmt.Errorf("%s: %w", r.Archive, err)
	}
	file, err := r.unitFile(a)
	if err != nil {
		return none, err
	}
	sealer, err := newSealer(config.Sealing)
	if err != nil {
		return none, err
	}
	if err := sealer.alsoOpen(r.SealingKey); err != nil {
		return none, err
	}
	if err := os.MkdirAll(config.DataDir, 0o700); err != nil {
		return none, fmt.Errorf("data_dir: %w", err)
	}
	locked, err := lock(config.DataDir)
	if err != nil {
		return none, err
	}
	defer locked.Close()
	if err := config.emptyFolder(); err != nil {
		return none, err
	}
	s := &restore{config: config, restoring: r, archive: a, ctx: ctx}
	err = s.run(cryptounit.Config{Dir: filepath.Join(config.DataDir, "unit"), Number: config.Number, Role: unitRole(config.Role), Sealer: sealer}, file)
	if err != nil {
		return none, errors.Join(err, config.removeRestored())
	}
	return s.made, nil
}

// progress makes a teller of a step, which also ends with the context.
func (r Restoring) progress(ctx context.Context, step string, total int64) func(int64) error {
	return func(done int64) error {
		if r.Progress != nil {
			r.Progress(step, done, total)
		}
		return ctx.Err()
	}
}

// unitFile is the sealed file that the unit is to stand up from.
func (r Restoring) unitFile(a *archive.Archive) ([]byte, error) {
	if r.UnitFile == "" {
		file, err := a.Unit()
		if err == nil && file == nil {
			err = fmt.Errorf("%s holds no crypto unit's file: give one that holds the master key %s as its current or as a retired key (--unit-file)",
				r.Archive, strings.Join(a.Manifest.Patterns, ", "))
		}
		return file, err
	}
	info, err := os.Stat(r.UnitFile)
	if err != nil {
		return nil, err
	}
	if other, err := archive.Open(r.UnitFile); err == nil {
		defer func() { _ = other.Close() }()
		file, err := other.Unit()
		if err == nil && file == nil {
			err = fmt.Errorf("%s is an archive that holds no crypto unit's file", r.UnitFile)
		}
		return file, err
	} else if !errors.Is(err, archive.ErrNotArchive) {
		return nil, err
	}
	if info.Size() > archive.MaxUnit {
		return nil, fmt.Errorf("%s has %d bytes, and is no crypto unit's file", r.UnitFile, info.Size())
	}
	return os.ReadFile(r.UnitFile)
}

// emptyFolder refuses a data_dir with something in it; what a restore that was cut off left is removed.
func (c Config) emptyFolder() error {
	if c.checkRestored() != nil {
		if err := c.removeRestored(); err != nil {
			return err
		}
	}
	entries, err := os.ReadDir(c.DataDir)
	if err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	for _, e := range entries {
		if e.Name() != lockName {
			return fmt.Errorf("data_dir %s is not empty (%s): a restore makes a new node, and touches none that is there; give it an empty folder, or start the node if an earlier restore made it", c.DataDir, e.Name())
		}
	}
	return nil
}

// removeRestored removes what a restore made, what says so last.
func (c Config) removeRestored() error {
	for _, name := range []string{"unit", "raft", "state", restoringName} {
		if err := os.RemoveAll(filepath.Join(c.DataDir, name)); err != nil {
			return err
		}
	}
	return syncFolder(c.DataDir)
}

// restore is one restore under way, in a data_dir that is its own.
type restore struct {
	ctx       context.Context
	config    Config
	restoring Restoring
	archive   *archive.Archive
	store     *fsm.Store
	made      Restorable
}

// run makes unit, state and log, in this order; the state decides on the order last, and is handed over then.
func (s *restore) run(config cryptounit.Config, file []byte) (err error) {
	var signed order.SignedOrder
	unit, err := cryptounit.Restore(config, file, func(shown cryptounit.Status) (order.SignedOrder, error) {
		if err := s.open(shown); err != nil {
			return signed, err
		}
		if signed, err = s.restoring.Sign(s.made); err != nil {
			return signed, err
		}
		return signed, s.ctx.Err()
	})
	defer func() {
		if s.store != nil {
			err = errors.Join(err, s.store.Close())
		}
		if err == nil { // from here on it is a node's folder like any other
			err = holdpoint.Step("restored", func() error {
				return errors.Join(os.RemoveAll(filepath.Join(s.config.DataDir, restoringName)), syncFolder(s.config.DataDir))
			})
		}
	}()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unit.Close()) }()
	if err := s.apply(unit, signed); err != nil {
		return fmt.Errorf("the archived state: %w", err)
	}
	return s.begin()
}

// open unpacks the state, if the unit opens it, and drafts the order.
func (s *restore) open(unit cryptounit.Status) error {
	m := s.archive.Manifest
	if unit.Cluster.String() != m.Cluster || unit.Instance.String() != m.Instance || unit.Incarnation < uint64(m.Incarnation) {
		return fmt.Errorf("nothing was changed: the crypto unit's file is of cluster %v, incarnation %d, and the archive of %s, incarnation %d: give the file of a unit of that cluster, from then or later",
			unit.Cluster, unit.Incarnation, m.Cluster, m.Incarnation)
	}
	needs, current := m.Patterns[0], unit.Registers.CurrentPattern
	retired := slices.ContainsFunc(unit.Retired, func(p masterkey.Pattern) bool { return p.String() == needs })
	if current.String() != needs && !retired {
		return fmt.Errorf("nothing was changed: the state needs master key %s, and crypto unit %d holds %v and keeps %d others: give the file of a unit that has it (--unit-file)",
			needs, unit.Number, current, len(unit.Retired))
	}
	dir := filepath.Join(s.config.DataDir, restoringName)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	if err := syncFolder(s.config.DataDir); err != nil {
		return err
	}
	folder := filepath.Join(dir, fsm.FirstFolder)
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	tell := s.restoring.progress(s.ctx, "Unpacking the state", m.State.Size)
	if err := cluster.Unpack(archive.Telling(s.archive.State(), tell), folder); err != nil {
		return fmt.Errorf("unpacking the state: %w", err)
	}
	store, err := fsm.Open(fsm.Config{Dir: dir})
	if err != nil {
		return fmt.Errorf("the archived state: %w", err)
	}
	s.store = store
	return s.draft(unit, current.String() != needs)
}

// draft is the order that the administrators of the unit's file are to sign.
func (s *restore) draft(unit cryptounit.Status, retired bool) error {
	view, err := s.store.View()
	if err != nil {
		return err
	}
	defer view.Close()
	m, c := s.archive.Manifest, view.Cluster()
	if order.ID(c.ID).String() != m.Cluster || c.Incarnation != m.Incarnation || hex.EncodeToString(c.Pattern[:]) != m.Patterns[0] || view.Index() != m.Index {
		return fmt.Errorf("%w: its state is not the one that its manifest describes", archive.ErrDamaged)
	}
	digest, err := unit.Administrators.Digest()
	if err != nil {
		return err
	}
	s.made = Restorable{Manifest: m, Digest: s.archive.Digest, Retired: retired, Administrators: unit.Administrators, Order: order.Order{
		Kind: order.Restore, Cluster: order.ID(c.ID), Incarnation: uint64(c.Incarnation), Instance: order.ID(c.Instance),
		Number: max(c.LastOrder, unit.LastOrder) + 1, Current: masterkey.Pattern(c.Pattern), Suite: order.SuiteHPKE, Administrators: digest,
		Policy: order.Documented, Commit: order.Automatic, Activate: order.Automatic, Retire: order.Keep,
		NotAfter: wallClock().Add(restoreLife).UTC().Truncate(time.Second),
		Subject: order.Subject{
			Archive: order.Digest(s.archive.Digest), Incarnation: max(uint64(c.Incarnation), unit.Incarnation) + 1,
			Units: []order.UnitRef{{Number: unit.Number, Role: unit.Role, Identity: unit.Identity}},
		},
	}}
	for _, u := range view.Units() {
		if u.IsEnrolled() {
			s.made.Order.Units = append(s.made.Order.Units, order.UnitRef{Number: u.Number, Role: order.Role(u.Role), Identity: order.Identity(u.Identity)})
		}
	}
	return nil
}

// restoreLife is how long administrators may take to sign. They may be at other machines, and nobody else can use the order: it
// names an identity that is in this process alone.
const restoreLife = 24 * time.Hour

// apply has the state obey the order that the unit has obeyed.
func (s *restore) apply(unit *cryptounit.Unit, signed order.SignedOrder) error {
	status := unit.Status()
	c := fsm.Restoration{At: fsm.TimeOf(wallClock())}
	report, err := unit.Report()
	if err != nil {
		return err
	}
	if c.Report, err = report.Encode(); err != nil {
		return err
	}
	if c.Order, err = signed.Encode(); err != nil {
		return err
	}
	if c.Administrators, err = status.Administrators.Encode(); err != nil {
		return err
	}
	for _, p := range status.Retired {
		c.Retired = append(c.Retired, fsm.Pattern(p))
	}
	return s.store.ApplyRestoration(c)
}

// begin makes the state that with which the log begins.
func (s *restore) begin() error {
	snapshot, err := s.store.Snapshot()
	if err != nil {
		return err
	}
	defer snapshot.Release()
	return cluster.Begin(cluster.Beginning{
		Dir: filepath.Join(s.config.DataDir, "raft"), Number: s.config.Number, Index: s.store.AppliedIndex(),
		Address: s.config.clusterAddress(), Persist: func(sink raft.SnapshotSink) error { return snapshot.Persist(sink) },
	})
}
